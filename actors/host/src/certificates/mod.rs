//! The webhook's own certificates, where nobody else makes them: an authority and a certificate for
//! the Service, kept in a Secret, and the authority told to the API server.
//!
//! The authority's key is thrown away once it has signed, so nobody can sign with it later; a new
//! certificate comes with a new authority. The older ones stay in the bundle until they end, so
//! that replicas are believed whichever certificate they still serve. The API server is told first.

mod in_cluster;
mod issue;
mod on_disk;
mod pair;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use in_cluster::{Places, provide};
pub use on_disk::{Files, write};
pub use pair::Pair;

use crate::HostError;

/// What is wanted of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// DNS names and addresses, the one for its subject first.
    pub names: Vec<String>,
    /// How long before its end it is made anew.
    pub renew_before: Duration,
    /// For how long it and its authority are valid.
    pub validity: Duration,
}

/// What is done besides what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extra {
    /// Authorities of earlier certificates are forgotten, though they have not ended.
    ForgetOld,
    /// Nothing.
    #[default]
    Nothing,
    /// A certificate is made although there is a good one.
    Renew,
}

/// Something that was done or found, for an operator to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is as it should be.
    Kept {
        /// What.
        what: String,
        /// In which way.
        how: String,
    },
    /// It was made or changed, or would be if this were no dry run.
    Made {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// It is not there yet.
    Missing {
        /// What.
        what: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { what, how } => write!(formatter, "{what}: kept, {how}"),
            Self::Made { what, why } => write!(formatter, "{what}: written, {why}"),
            Self::Missing { what } => {
                write!(formatter, "{what}: not there yet; run this again when it is")
            }
        }
    }
}

impl Wanted {
    /// The names by which an API server and others in the cluster reach a Service.
    #[must_use]
    pub fn names_of_service(service: &str, namespace: &str) -> Vec<String> {
        let name = format!("{service}.{namespace}.svc");
        vec![name.clone(), format!("{name}.cluster.local"), format!("{service}.{namespace}")]
    }

    /// The pair that is to be in force at `now`, and why it is a new one if it is; the bundle of a
    /// pair in force may have changed. `told` are bundles that the API server has.
    ///
    /// # Errors
    /// `Certificates` if a name cannot stand in a certificate or no key can be made.
    fn settle(
        &self,
        held: Option<&Pair>,
        told: &[String],
        extra: Extra,
        now: i64,
    ) -> Result<Settled, HostError> {
        let fault = match (held, extra) {
            (None, _) => Some("there was none".to_owned()),
            (Some(_), Extra::Renew) => Some("as was asked for".to_owned()),
            (Some(pair), Extra::ForgetOld | Extra::Nothing) => pair.fault(self, now),
        };
        if let (Extra::ForgetOld, Some(why)) = (extra, &fault) {
            return Err(failed(format!(
                "a new one is needed ({why}), and replicas still serve the old one: forget no \
                 authority before they serve the new one"
            )));
        }
        let old = held.map(|pair| pair.bundle.clone()).into_iter().chain(told.iter().cloned());
        let old: Vec<String> = if extra == Extra::ForgetOld { Vec::new() } else { old.collect() };
        let (made, why) = match (held, fault) {
            (Some(pair), None) => (pair.clone(), None),
            (_, fault) => (issue::issue(self, now)?, fault),
        };
        let bundle = made.bundle_with(&old, now)?;
        Ok(Settled { pair: Pair { bundle, ..made }, why })
    }
}

/// What is to be in force.
struct Settled {
    pair: Pair,
    /// Why it is a new one, if it is.
    why: Option<String>,
}

fn failed(why: impl Into<String>) -> HostError {
    HostError::Certificates { why: why.into() }
}
