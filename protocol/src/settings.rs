//! What the operator set, as far as machines obey it. Recorded at the start of each incarnation.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Sha256;
use crate::evidence::RootPins;

/// Settings of the machines. Addresses, files and certificates are the host's and not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether policies may name only approved servers and those of the trust server map.
    pub approved_only: bool,
    /// Trust servers the operator named (`--allow-trust-server`), as URLs without trailing slash.
    pub approved_servers: BTreeSet<String>,
    /// What is obeyed of a trust bundle; `None` if none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleSettings>,
    /// Whether only reviews of callers with a verified client certificate are judged. Left out of
    /// the record where it is `false`, as in journals older than the setting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_required: bool,
    /// For how long after a verified timestamp an allow needs no network; microseconds.
    pub freshness: u64,
    /// For how long the last verified state may allow while its trust server is out of reach;
    /// microseconds. Zero denies.
    pub max_staleness: u64,
    /// The namespace whose Secrets a ClusterImagePolicy takes its signers from.
    pub operator_namespace: String,
    /// GUN prefix, in whole path segments, to the PEM certificates of an authority that must have
    /// issued the certificate of the root.
    pub pin_cas: BTreeMap<String, String>,
    /// GUN, or a prefix of it with `*` behind, to the ids of admissible root keys: of the
    /// certificate, as Notary lists it, or of the bare key (SHA-256 of its SubjectPublicKeyInfo).
    pub pins: BTreeMap<String, BTreeSet<Sha256>>,
    /// Whether a root that no pin covers is refused instead of trusted at first use.
    pub require_pins: bool,
    /// The map from registry to trust server, tried in order.
    pub trust_servers: Vec<TrustServerRule>,
}

/// How a trust bundle is obeyed. Where it is loaded from is the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSettings {
    /// What becomes of what it says once it has expired.
    pub expired: BundleExpired,
    /// SHA-256 of the root from which it is verified. Another one begins anew, unless it is the
    /// newest one by which the last bundle taken was verified.
    pub root: Sha256,
}

/// What becomes of what a trust bundle says once it has expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleExpired {
    /// Whatever requires trust is denied.
    Deny,
    /// It stays in force, and an alarm is raised.
    #[default]
    Keep,
}

/// One line of the map from registry host to trust server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustServerRule {
    /// A host, matched exactly, or `.suffix`, matched at the end of a longer host; a `:port` in it
    /// must match too.
    pub registry: String,
    /// The server's URL; `{host}` stands for the registry's host without port.
    pub server: String,
}

/// Whether `name` can stand for the GUNs that something is known of: one GUN, or whole path
/// segments with `/*` behind them.
#[must_use]
pub fn is_gun_or_prefix(name: &str) -> bool {
    let gun = name.strip_suffix("/*").unwrap_or(name);
    !gun.is_empty() && !gun.contains('*') && !gun.split('/').any(str::is_empty)
}

impl Default for Settings {
    /// The seed's behaviour: its registries, first use allowed, thirty seconds of freshness.
    fn default() -> Self {
        let rule = |registry: &str, server: &str| TrustServerRule {
            registry: registry.to_owned(),
            server: server.to_owned(),
        };
        Self {
            approved_servers: BTreeSet::new(),
            approved_only: false,
            bundle: None,
            client_required: false,
            freshness: 30 * crate::time::SECOND,
            max_staleness: 0,
            operator_namespace: "portreeve".to_owned(),
            pin_cas: BTreeMap::new(),
            pins: BTreeMap::new(),
            require_pins: false,
            trust_servers: vec![
                rule("docker.io", "https://notary.docker.io"),
                rule("quay.io", "https://quay.io:443"),
                rule(".bluemix.net", "https://{host}:4443"),
                rule(".icr.io", "https://{host}:4443"),
                rule("icr.io", "https://icr.io:4443"),
            ],
        }
    }
}

impl Settings {
    /// The pins that concern `gun`: its own ids, else the ids of the longest wildcard, else the
    /// authority of the longest prefix. The ids of a wildcard bind in any case, so it may end
    /// within a path segment, as in Notary; an authority that signs for others too may not.
    /// Source: Notary `trustpinning/trustpin.go:NewTrustPinChecker`.
    #[must_use]
    pub fn root_pins(&self, gun: &str) -> RootPins {
        let ids = self.pins.get(gun).or_else(|| {
            let length = |name: &str| {
                name.strip_suffix('*').filter(|prefix| gun.starts_with(prefix)).map(str::len)
            };
            let fitting = self.pins.iter().filter_map(|(name, ids)| Some((length(name)?, ids)));
            fitting.max_by_key(|(length, _)| *length).map(|(_, ids)| ids)
        });
        let covers = |prefix: &str| {
            let prefix = prefix.strip_suffix("/*").unwrap_or(prefix).trim_end_matches('/');
            gun.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let authority = || {
            let fitting = self.pin_cas.iter().filter(|(prefix, _)| covers(prefix));
            fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, pem)| pem.clone())
        };
        RootPins {
            authorities: if ids.is_some() { Vec::new() } else { authority().into_iter().collect() },
            keyids: ids.cloned().unwrap_or_default(),
            required: self.require_pins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pins: &[&str], cas: &[&str]) -> Settings {
        Settings {
            pins: pins
                .iter()
                .map(|it| ((*it).to_owned(), [Sha256::of(it.as_bytes())].into()))
                .collect(),
            pin_cas: cas.iter().map(|it| ((*it).to_owned(), (*it).to_owned())).collect(),
            ..Settings::default()
        }
    }

    #[test]
    fn the_pin_of_the_repository_itself_wins_then_the_longest_wildcard_then_an_authority() {
        let all = settings(&["r/a/b", "r/*", "r/a/*"], &["r", "r/a/b"]);
        let ids = |gun: &str| all.root_pins(gun).keyids;
        assert_eq!(ids("r/a/b"), [Sha256::of(b"r/a/b")].into());
        assert_eq!(ids("r/a/c"), [Sha256::of(b"r/a/*")].into());
        assert_eq!(ids("r/x"), [Sha256::of(b"r/*")].into());
        assert!(all.root_pins("r/a/b").authorities.is_empty());
        assert_eq!(settings(&[], &["r", "r/a"]).root_pins("r/a/b").authorities, ["r/a"]);
    }

    #[test]
    fn the_prefix_of_an_authority_ends_at_a_path_segment() {
        let only = settings(&[], &["host/team"]);
        assert_eq!(only.root_pins("host/team/app").authorities, ["host/team"]);
        assert!(only.root_pins("host/team-evil/app").authorities.is_empty());
    }
}
