//! An answer, with all that can be known of what it should rest on.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::anchors::TrustAnchors;
use portreeve_protocol::messages::admission::{
    AdmissionInput, BundleLoaded, Resolution, ReviewFacts,
};
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{EventId, Input, Mono};

use super::{Run, Violation};
use crate::history::{Answered, Sight};
use crate::truth::policies::{Catalogue, InForce};
use crate::truth::roots::Roots;

/// Policies that a replica was told reach its admission actor a moment later: a review that comes
/// within this time, in microseconds, may be judged by those before.
pub(super) const POLICIES_TRAVEL: u64 = 2 * SECOND;

/// An answer that left.
pub(super) struct Case<'a> {
    /// The answer.
    pub(super) answered: &'a Answered,
    /// When it left, by true time.
    pub(super) at: Mono,
    /// The trust bundle that the review came under.
    pub(super) bundle: Option<Arc<TrustAnchors>>,
    /// The review.
    pub(super) facts: &'a ReviewFacts,
    /// The policies that may have been in force for it, the newest first.
    pub(super) policies: Vec<&'a InForce>,
    /// Whether the review is a probe.
    pub(super) probe: bool,
    /// When the review was received, by true time.
    pub(super) received: Mono,
    /// The replica.
    pub(super) replica: usize,
    /// The roots that the replica has when the answer leaves.
    pub(super) roots: &'a Roots,
    /// When the incarnation started, by true time.
    pub(super) started: Mono,
    /// What an operator had the replica forget in this incarnation: when, and how much of what
    /// `told` has was told by then.
    pub(super) forgotten: &'a Forgotten,
    /// What trust servers said in this incarnation, by GUN and tag, in order.
    pub(super) told: &'a Told<'a>,
    /// Since when nobody watches the policies that the review came under, if nobody did.
    pub(super) unwatched: Option<Mono>,
}

/// Server, GUN and tag to when it was to be forgotten what was told of it, and how many told by
/// then.
pub(super) type Forgotten = BTreeMap<(String, String, String), (Mono, usize)>;

/// GUN and tag to what trust servers said of it.
pub(super) type Told<'a> = BTreeMap<(String, String), Vec<&'a Resolution>>;

impl Case<'_> {
    /// What is wrong with it.
    pub(super) fn violation(&self, oracle: &'static str, what: &str) -> Violation {
        let what = format!("review {}: {what}", self.facts.uid);
        Violation { at: self.at, oracle, replica: Some(self.replica), what }
    }

    /// Whether the replica may have believed what an impostor serves.
    pub(super) fn impostor(&self, server: &str, gun: &str) -> bool {
        !self.pinned(gun) && self.roots.impostor(server, gun)
    }

    /// Whether the trust bundle pins the root of a collection.
    pub(super) fn pinned(&self, gun: &str) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.root(gun).pins())
    }
}

/// A trust bundle: its version, and what it says.
type Bundle = (u64, Arc<TrustAnchors>);

fn read(loaded: &BundleLoaded) -> Option<Bundle> {
    let anchors = TrustAnchors::parse(loaded.anchors.bytes()).ok()?;
    Some((loaded.versions.targets, Arc::new(anchors)))
}

#[derive(Default)]
struct Replica<'a> {
    bundle: Option<Bundle>,
    forgotten: Forgotten,
    /// Whether the policies were listed.
    listed: bool,
    /// Since when what policies are in force.
    policies: Vec<(Mono, InForce)>,
    received: BTreeMap<&'a EventId, Received<'a>>,
    roots: Roots,
    started: Mono,
    told: Told<'a>,
    unwatched: Option<Mono>,
}

/// Goes through all answers, in order. Answers to what was never received are left out.
pub(super) fn each(run: &Run<'_>, mut look: impl FnMut(&Case<'_>)) {
    let catalogue = Catalogue::of(run.scenario);
    let mut replicas: BTreeMap<usize, Replica<'_>> = BTreeMap::new();
    for seen in &run.outcome.history {
        let replica = replicas.entry(seen.replica).or_default();
        replica.roots.see(seen.at, &seen.what, &run.outcome.truth);
        match &seen.what {
            Sight::Answered(answered) => {
                let Some(review) = replica.received.remove(&answered.event) else { continue };
                look(&Case {
                    answered,
                    at: seen.at,
                    bundle: review.bundle.map(|(_, anchors)| anchors),
                    facts: review.facts,
                    forgotten: &replica.forgotten,
                    policies: replica.between(review.at.minus(POLICIES_TRAVEL), seen.at),
                    probe: review.probe,
                    received: review.at,
                    replica: seen.replica,
                    roots: &replica.roots,
                    started: replica.started,
                    told: &replica.told,
                    unwatched: review.unwatched,
                });
            }
            Sight::Policies(input) => {
                if let Input::Policy(told) = &**input {
                    let none = InForce::default();
                    let last = replica.policies.last().map_or(&none, |(_, last)| last);
                    let next = last.after(&catalogue, told);
                    replica.watch(seen.at, told);
                    replica.policies.push((seen.at, next));
                }
            }
            Sight::Received { event, probe, .. } => {
                if let Some(facts) = seen.what.review() {
                    let (at, bundle, probe) = (seen.at, replica.bundle.clone(), *probe);
                    let unwatched = replica.unwatched;
                    let review = Received { at, bundle, facts, probe, unwatched };
                    replica.received.insert(event, review);
                }
            }
            Sight::Resolved(resolution) => {
                let key = (resolution.gun.clone(), resolution.tag.clone());
                replica.told.entry(key).or_default().push(resolution);
            }
            Sight::Started(started) => {
                let roots = std::mem::take(&mut replica.roots);
                *replica = Replica { roots, started: seen.at, ..Replica::default() };
                replica.bundle = started.restored.bundle.as_deref().and_then(read);
            }
            Sight::Bundle(input) => replica.take_bundle(input),
            Sight::TrustReset { gun, server } => replica.forget(seen.at, server, gun),
            Sight::ClockAcknowledged { .. }
            | Sight::Crashed
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Reached { .. }
            | Sight::Stopped
            | Sight::Wiped { .. } => {}
        }
    }
}

struct Received<'a> {
    at: Mono,
    bundle: Option<Bundle>,
    facts: &'a ReviewFacts,
    probe: bool,
    unwatched: Option<Mono>,
}

impl Replica<'_> {
    /// Takes a trust bundle that is newer than the one before.
    fn take_bundle(&mut self, input: &Input) {
        let Input::Admission(AdmissionInput::BundleLoaded(loaded)) = input else { return };
        let next = read(loaded);
        let version = |bundle: &Option<Bundle>| bundle.as_ref().map(|(version, _)| *version);
        if version(&next) > version(&self.bundle) {
            self.bundle = next;
        }
    }

    /// Takes note of whether the policies are watched. What was never listed is not obeyed at all.
    fn watch(&mut self, at: Mono, told: &PolicyInput) {
        match told {
            PolicyInput::Relisted(_) => (self.listed, self.unwatched) = (true, None),
            PolicyInput::WatchLost(_) if self.listed => {
                self.unwatched.get_or_insert(at);
            }
            PolicyInput::WatchRestored => self.unwatched = None,
            PolicyInput::Applied(_) | PolicyInput::Deleted(_) | PolicyInput::WatchLost(_) => {}
        }
    }

    /// Takes note that what was told of a collection is to be forgotten.
    fn forget(&mut self, at: Mono, server: &str, gun: &str) {
        for ((of, tag), told) in self.told.iter().filter(|((of, _), _)| of == gun) {
            let key = (server.to_owned(), of.clone(), tag.clone());
            self.forgotten.insert(key, (at, told.len()));
        }
    }

    /// The policies in force at some instant from `from` to `to`, the newest first.
    fn between(&self, from: Mono, to: Mono) -> Vec<&InForce> {
        let mut found = Vec::new();
        for (since, policies) in self.policies.iter().rev() {
            if *since <= to {
                found.push(policies);
            }
            if *since <= from {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sample::{IMAGE, Story, digest, facts, verified};

    #[test]
    fn a_case_holds_the_policies_in_force_and_what_was_told() {
        let mut story = Story::new();
        story.decided(5 * SECOND, verified(digest()));
        let mut seen = 0;
        let run = Run { outcome: &story.outcome, scenario: &story.scenario, seed: 1 };
        each(&run, |case| {
            seen += 1;
            assert_eq!((case.received, case.at), (Mono(5 * SECOND), Mono(5 * SECOND + 10_000)));
            assert_eq!((case.policies.len(), case.told.len()), (1, 1));
            assert!(!case.probe);
        });
        assert_eq!(seen, 1);
    }

    #[test]
    fn what_an_incarnation_knew_is_not_known_to_the_next() {
        let mut story = Story::new();
        story.resolved(SECOND, SECOND);
        story.see(2 * SECOND, Sight::Started(crate::oracle::sample::started(2).into()));
        story.answer(3 * SECOND, &facts("uid", IMAGE), verified(digest()));
        let run = Run { outcome: &story.outcome, scenario: &story.scenario, seed: 1 };
        each(&run, |case| {
            assert_eq!((case.policies.len(), case.told.len()), (0, 0));
            assert_eq!(case.started, Mono(2 * SECOND));
        });
    }
}
