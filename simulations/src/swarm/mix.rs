//! What is out of the ordinary in a run, and how often.
//!
//! A run in which everything odd happens at once finds less than many runs in which some of it
//! happens: so each oddity is left out of a third of the runs, and has another rate in each.

use std::collections::BTreeMap;

use crate::rng::{Rng, Streams};

/// The rate of an oddity in the runs that have it, at most, in parts of a thousand.
type Most = u64;

macro_rules! oddities {
    ($($name:ident $most:literal $meaning:literal;)*) => {
        /// Something out of the ordinary.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Odd {
            $(#[doc = $meaning] $name,)*
        }

        impl Odd {
            /// All oddities, each with its name and its rate at most.
            const ALL: &'static [(Self, &'static str, Most)] =
                &[$((Self::$name, stringify!($name), $most),)*];
        }
    };
}

oddities! {
    // Of one review.
    Again 60 "Another webhook changes something, and this one is asked again.";
    AtOnce 60 "A review that comes while the replicas start.";
    Changed 60 "Another webhook changes the image behind this one.";
    Children 250 "A Deployment of which ReplicaSet and Pods follow.";
    Connect 20 "A review of a connection to a subresource.";
    Crowd 20 "A Pod with fifty images.";
    Delete 60 "A review of a deletion.";
    DryRun 60 "A review of which nothing will be kept.";
    CopiedSeal 150 "A workload that carries the seal of another one.";
    Ephemeral 40 "Ephemeral containers that are put into a Pod.";
    ForgedOwner 300 "A Pod, or a template, that claims a controller, rightly or not.";
    Hasty 80 "A review whose client waits for hardly any time.";
    Malformed 30 "A review whose object cannot be read.";
    NoImage 30 "A review of what carries no image.";
    PinnedReplica 100 "A review that one replica gets, whatever its state.";
    Retries 300 "A client that tries again.";
    Stranger 60 "A caller without a certificate.";
    UnknownKind 30 "A review of a kind that nobody knows.";
    Update 200 "An update, with the images before it.";
    Validate 60 "A review at the validating endpoint alone.";
    Validated 300 "A review whose final object is reviewed once more.";
    // Of one image.
    BadReference 20 "An image reference that cannot be understood.";
    Blank 30 "A container without image.";
    Digest512 20 "An image named by another digest than SHA-256.";
    RightDigest 100 "An image named by its signed digest.";
    Uncovered 40 "An image of a registry that hardly any rule covers.";
    UnsignedRepository 60 "An image of a repository without trust data.";
    UnsignedTag 100 "A tag that nobody signed.";
    WrongDigest 60 "An image named by a digest that is not the signed one.";
    // Of one rule or policy.
    Lenient 300 "A rule that warns or records instead of denying.";
    LostSecret 80 "A rule that names a signer Secret which there is not.";
    BrokenSecret 80 "A rule that names a signer Secret which cannot be used.";
    OtherKey 80 "A rule that names a Secret with another key of the signer.";
    Pinned 200 "A rule or setting that pins roots.";
    WrongPin 60 "A rule or setting that pins another root.";
    NoServer 40 "A rule for a registry whose trust server nobody names.";
    OtherServer 120 "A rule that names the trust server of another registry.";
    UnapprovedServer 80 "A rule that names a trust server which nobody approved.";
    MalformedPolicy 60 "A policy that cannot be understood.";
    Strict 200 "A rule that asks for `targets/releases`.";
    // Of what is published.
    Disagree 150 "A tag that signers sign with different digests.";
    FreshRoot 60 "A collection that is begun anew, under another root.";
    GoBack 60 "A trust server that serves again what it served before.";
    Late 100 "A collection that is published during the run.";
}

/// What is odd in a run, and how often.
#[derive(Debug, Clone)]
pub(super) struct Mix {
    rates: BTreeMap<Odd, u64>,
}

impl Mix {
    pub(super) fn draw(streams: &Streams) -> Self {
        let rate = |(odd, name, most): &(Odd, &str, Most)| {
            let mut rng = streams.stream(&format!("swarm/odd/{name}"));
            (rng.below(3) > 0).then(|| (*odd, rng.log_between(2, *most)))
        };
        Self { rates: Odd::ALL.iter().filter_map(rate).collect() }
    }

    /// Whether it happens this time.
    pub(super) fn now(&self, odd: Odd, rng: &mut Rng) -> bool {
        // Drawn in any case: what comes later stays as it is when a rate changes.
        let drawn = rng.below(1_000);
        drawn < self.rates.get(&odd).copied().unwrap_or_default()
    }

    /// Whether it happens once in a run, if it happens in this run at all.
    pub(super) fn in_run(&self, odd: Odd, rng: &mut Rng) -> bool {
        let drawn = rng.below(1_000);
        self.rates.contains_key(&odd) && drawn < 250
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oddity_is_missing_in_some_runs_and_rare_or_frequent_in_others() {
        let rate = |seed| Mix::draw(&Streams::new(seed)).rates.get(&Odd::Delete).copied();
        let rates: Vec<_> = (0..60).map(rate).collect();
        assert!(rates.contains(&None));
        assert!(rates.iter().any(|rate| rate.is_some_and(|rate| rate < 10)));
        assert!(rates.iter().any(|rate| rate.is_some_and(|rate| rate > 30)));
        assert!(rates.iter().flatten().all(|rate| (2..=60).contains(rate)));
    }
}
