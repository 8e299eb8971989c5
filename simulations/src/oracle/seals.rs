//! Whose seals stand for images: an entry counts on the object that it was given to, and for what a
//! controller makes that is truly there. Part of `no-allow-without-evidence`.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::decision::{SealOf, Sealed};
use portreeve_protocol::messages::admission::{Operation, ReviewFacts};
use portreeve_protocol::seal::SealEntry;
use portreeve_protocol::{Admitted, EventId, Verdict};

use super::{Run, Violation};
use crate::history::{Answered, Sight};

/// Kind, namespace and name of an object.
type Object<'a> = (&'a str, &'a str, &'a str);

/// What was sealed in a run so far, and which objects there were.
#[derive(Default)]
struct Known<'a> {
    /// The entries that each object was given.
    attached: BTreeMap<Object<'a>, Vec<SealEntry>>,
    /// The Deployments that each ReplicaSet calls its controller.
    controllers: BTreeSet<(Object<'a>, &'a str)>,
    /// What each replica was asked, of this incarnation.
    received: BTreeMap<usize, BTreeMap<&'a EventId, &'a ReviewFacts>>,
    /// Objects with their uids: the API server makes them of the review's.
    there: BTreeSet<(Object<'a>, &'a str)>,
}

/// Says of each image that is allowed by a seal whether the seal may stand for it.
pub(super) fn check(run: &Run<'_>, oracle: &'static str, found: &mut Vec<Violation>) {
    let mut known = Known::default();
    for seen in &run.outcome.history {
        match &seen.what {
            Sight::Answered(answered) => {
                let facts = known.received.get_mut(&seen.replica);
                let facts = facts.and_then(|all| all.remove(&answered.event));
                let Some(facts) = facts.filter(|_| answered.allowed()) else { continue };
                for why in known.faults(facts, answered) {
                    let what = format!("review {}: {why}", facts.uid);
                    let (at, replica) = (seen.at, Some(seen.replica));
                    found.push(Violation { at, oracle, replica, what });
                }
                known.attach(facts, answered);
            }
            Sight::Received { event, .. } => {
                if let Some(facts) = seen.what.review() {
                    known.received.entry(seen.replica).or_default().insert(event, facts);
                    known.meet(facts);
                }
            }
            Sight::Started(_) => drop(known.received.remove(&seen.replica)),
            Sight::Bundle(_)
            | Sight::ClockAcknowledged { .. }
            | Sight::Crashed
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Policies(_)
            | Sight::Reached { .. }
            | Sight::Resolved(_)
            | Sight::Stopped
            | Sight::TrustReset { .. }
            | Sight::Wiped { .. } => {}
        }
    }
}

fn object(facts: &ReviewFacts) -> Object<'_> {
    (&facts.kind.kind, &facts.namespace, &facts.name)
}

/// The uid that the object has once it is stored, without what the API server puts before it.
fn stored(facts: &ReviewFacts) -> &str {
    let uid = facts.uid.split('~').next().unwrap_or_default();
    let uid = uid.strip_suffix("+validate").unwrap_or(uid);
    uid.strip_suffix("+again").unwrap_or(uid)
}

impl<'a> Known<'a> {
    /// Takes note of an object that is to be there.
    fn meet(&mut self, facts: &'a ReviewFacts) {
        if matches!(facts.operation, Operation::Connect | Operation::Delete) {
            return;
        }
        self.there.insert((object(facts), stored(facts)));
        let deployments = facts.owners.iter().filter(|it| it.controller && it.kind == "Deployment");
        self.controllers.extend(deployments.map(|it| (object(facts), it.name.as_str())));
    }

    /// Takes note of the seal that an object was given.
    fn attach(&mut self, facts: &'a ReviewFacts, answered: &'a Answered) {
        let claims = answered.decision.claims().into_iter();
        let entries = claims.flat_map(|claims| claims.generations).flatten();
        self.attached.entry(object(facts)).or_default().extend(entries);
    }

    fn faults(&self, facts: &ReviewFacts, answered: &Answered) -> Vec<String> {
        let verdicts = answered.decision.verdicts.iter();
        let fault = |one: &portreeve_protocol::ContainerVerdict| match &one.verdict {
            Verdict::Allowed(Admitted::Sealed(sealed)) => {
                let why = self.stands(facts, sealed).err()?;
                Some(format!("container {}, {}: {why}", one.container, one.image))
            }
            Verdict::Allowed(_) | Verdict::Denied(_) => None,
        };
        verdicts.filter_map(fault).collect()
    }

    /// Whether a seal may stand for an image of this review.
    fn stands(&self, facts: &ReviewFacts, sealed: &Sealed) -> Result<(), String> {
        let given = |object: Object<'_>| {
            let entries = self.attached.get(&object).into_iter().flatten();
            entries.into_iter().any(|entry| same(entry, sealed))
        };
        let SealOf::Owner(kind, name) = &sealed.by else {
            let own = given(object(facts));
            return own.then_some(()).ok_or_else(|| "nobody sealed this object so".to_owned());
        };
        let owner = (kind.as_str(), facts.namespace.as_str(), name.as_str());
        let there = |uid: &str| {
            uid.strip_prefix("uid-of-").is_some_and(|uid| self.there.contains(&(owner, uid)))
        };
        let named = |it: &portreeve_protocol::messages::admission::OwnerFact| {
            it.controller && it.kind == *kind && it.name == *name && there(&it.uid)
        };
        if !facts.owners.iter().any(named) {
            return Err(format!("its controller {kind} {name} is not there"));
        }
        let above = self.controllers.iter().filter(|(of, _)| *of == owner);
        let mut above = above.map(|(_, name)| ("Deployment", owner.1, *name));
        let sealed = given(owner) || above.any(given);
        sealed.then_some(()).ok_or_else(|| format!("nobody sealed its controller {kind} {name} so"))
    }
}

fn same(entry: &SealEntry, sealed: &Sealed) -> bool {
    entry.digest == sealed.digest
        && entry.reference == sealed.reference
        && entry.repository == sealed.repository
        && entry.requirement == sealed.requirement
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::messages::admission::OwnerFact;
    use portreeve_protocol::{Decision, NewSeal, SealClaims, Sha256};

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;

    fn judged(run: &Run<'_>, found: &mut Vec<Violation>) {
        check(run, "test", found);
    }

    fn entry() -> SealEntry {
        SealEntry {
            container: "c0".into(),
            digest: digest(),
            reference: IMAGE.into(),
            repository: sample::GUN.into(),
            requirement: Sha256::ZERO,
            root_keys: BTreeSet::new(),
        }
    }

    /// A Deployment that was sealed.
    fn sealed() -> Story {
        let mut story = Story::new();
        let mut facts = facts("r1", IMAGE);
        (facts.kind.kind, facts.name) = ("Deployment".to_owned(), "app".to_owned());
        let event = story.review(AT, &facts);
        let claims = SealClaims {
            generations: vec![vec![entry()]],
            kind: facts.kind.kind.clone(),
            name: facts.name.clone(),
            namespace: facts.namespace.clone(),
        };
        let decision = sample::decision(&event, &facts, verified(digest()));
        let decision = Decision { seal: NewSeal::of(claims).ok(), ..decision };
        story.leave(AT + 1, AT, Arc::new(decision));
        story
    }

    /// What the owner of this kind and uid makes is let in by its seal.
    fn made(story: &mut Story, kind: &str, uid: &str) {
        let mut facts = facts("r2", IMAGE);
        facts.owners.push(OwnerFact {
            api_version: "apps/v1".to_owned(),
            controller: true,
            kind: kind.to_owned(),
            name: "app".to_owned(),
            uid: uid.to_owned(),
        });
        let SealEntry { digest, reference, repository, requirement, root_keys, .. } = entry();
        let by = SealOf::Owner(kind.to_owned(), "app".to_owned());
        let sealed =
            Sealed { by, digest, pinned: false, reference, repository, requirement, root_keys };
        story.answer(AT + 5, &facts, Verdict::Allowed(Admitted::Sealed(Box::new(sealed))));
    }

    #[test]
    fn a_seal_stands_for_what_its_object_makes() {
        let mut story = sealed();
        made(&mut story, "Deployment", "uid-of-r1");
        story.keeps(judged);
    }

    #[test]
    fn a_seal_of_an_object_with_another_uid_stands_for_nothing() {
        let mut story = sealed();
        made(&mut story, "Deployment", "uid-of-r9");
        story.breaks(judged, "is not there");
    }

    #[test]
    fn a_seal_of_an_object_of_another_kind_stands_for_nothing() {
        let mut story = sealed();
        let mut other = facts("r3", IMAGE);
        (other.kind.kind, other.name) = ("StatefulSet".to_owned(), "app".to_owned());
        story.review(AT + 2, &other);
        made(&mut story, "StatefulSet", "uid-of-r3");
        story.breaks(judged, "nobody sealed its controller");
    }
}
