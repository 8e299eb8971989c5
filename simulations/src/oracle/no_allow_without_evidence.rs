//! `no-allow-without-evidence`: each container that is let in is justified by itself.
//!
//! By policies that were in force at the replica from shortly before the review came until the
//! answer left: they ask for no trust; or what they ask for was truly signed, in what was served at
//! any time before (`freshness` judges when); or they only warn or record. An unchanged image is
//! one that the old object has in the very same container; a blank one is let in by the mutating
//! webhook alone. A seal counts on the object that it was given to.

use portreeve_protocol::decision::{Sealed, Tolerated, Verified};
use portreeve_protocol::messages::admission::{ImageFact, Operation, ReviewFacts, ReviewPath};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::workload::{Carrier, carrier};
use portreeve_protocol::{Admitted, Mono, Sha256, Verdict, limits};

use super::bind::{Subject, binding, demands, met, tag};
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::fault::Act;
use crate::truth::policies::{Demand, InForce};

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "no-allow-without-evidence",
    rule: "each allowed container is justified by the policies in force and by what was truly \
           signed",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let drains = drains(run);
    each(run, |case| {
        if !case.answered.allowed() {
            return;
        }
        if let Err(why) = justified(run, case).and_then(|()| stays(&drains, case)) {
            found.push(case.violation(ORACLE.id, &why));
        }
    });
    super::seals::check(run, ORACLE.id, found);
}

/// Replicas that are told to stop, and when.
fn drains(run: &Run<'_>) -> Vec<(usize, Mono)> {
    let acts = run.scenario.faults.iter().flat_map(|fault| fault.influence().acts());
    let drain = |(at, act)| if let Act::Drain(it) = act { Some((it, Mono(at))) } else { None };
    acts.filter_map(drain).collect()
}

/// Whether the replica was not told to stop before the review came, or has nothing to judge.
fn stays(drains: &[(usize, Mono)], case: &Case<'_>) -> Result<(), String> {
    let told = |(replica, at): &(usize, Mono)| {
        *replica == case.replica && case.started < *at && *at < case.received
    };
    let unchanged = |one: &portreeve_protocol::ContainerVerdict| {
        one.verdict == Verdict::Allowed(Admitted::Unchanged)
    };
    let judged = !exempt(case.facts) && !case.answered.decision.verdicts.iter().all(unchanged);
    let draining = judged && drains.iter().any(told);
    if draining { Err("the replica was told to stop before".to_owned()) } else { Ok(()) }
}

/// Whether nothing in the review can make an image run.
fn exempt(facts: &ReviewFacts) -> bool {
    match facts.operation {
        Operation::Connect | Operation::Delete => true,
        Operation::Create | Operation::Update => kind(facts) == Carrier::NoImage,
    }
}

fn kind(facts: &ReviewFacts) -> Carrier {
    carrier(&facts.kind.group, &facts.kind.kind, facts.sub_resource.as_deref())
}

fn justified(run: &Run<'_>, case: &Case<'_>) -> Result<(), String> {
    let (facts, decision) = (case.facts, &case.answered.decision);
    if run.scenario.settings.client_required && !facts.peer.authenticated {
        return Err("a stranger was answered".to_owned());
    }
    if exempt(facts) {
        return Ok(());
    }
    if kind(facts) == Carrier::Unknown || facts.malformed.is_some() {
        return Err("what cannot be understood was let in".to_owned());
    }
    if facts.images.len().max(facts.old_images.len()) > limits::REVIEW_IMAGES {
        return Err("it names too many images".to_owned());
    }
    let judged = decision.verdicts.iter().map(|one| (&one.pointer, &one.container, &one.image));
    let named = facts.images.iter().map(|one| (&one.pointer, &one.container, &one.image));
    if !judged.eq(named) {
        return Err("its images are not those that were judged".to_owned());
    }
    for (image, verdict) in facts.images.iter().zip(&decision.verdicts) {
        let why = match &verdict.verdict {
            Verdict::Denied(denial) => Err(format!("it was denied, {}", denial.code.code())),
            Verdict::Allowed(admitted) => admissible(run, case, image, admitted),
        };
        why.map_err(|why| format!("container {}, {}: {why}", image.container, image.image))?;
    }
    Ok(())
}

fn admissible(
    run: &Run<'_>,
    case: &Case<'_>,
    image: &ImageFact,
    admitted: &Admitted,
) -> Result<(), String> {
    match admitted {
        Admitted::Blank => {
            let blank = image.image.trim().is_empty() && case.facts.path == ReviewPath::Admit;
            blank.then_some(()).ok_or_else(|| "it is not blank, or nothing fills it".to_owned())
        }
        Admitted::Unchanged => {
            let old = |old: &ImageFact| {
                old.list == image.list
                    && old.container == image.container
                    && old.image == image.image
            };
            let update = case.facts.operation == Operation::Update;
            let same = update && case.facts.old_images.iter().any(old);
            same.then_some(()).ok_or_else(|| "the old object has another image".to_owned())
        }
        Admitted::Sealed(_)
        | Admitted::Tolerated(_)
        | Admitted::TrustNotRequired
        | Admitted::Verified(_) => {
            let reference: ImageReference =
                image.image.parse().map_err(|error| format!("it cannot be understood: {error}"))?;
            let mut why = "no policies were in force".to_owned();
            for policies in &case.policies {
                match under(run, case, policies, &reference, admitted) {
                    Ok(()) => return Ok(()),
                    Err(other) => why = other,
                }
            }
            Err(why)
        }
    }
}

fn under(
    run: &Run<'_>,
    case: &Case<'_>,
    policies: &InForce,
    image: &ImageReference,
    admitted: &Admitted,
) -> Result<(), String> {
    let settings = &run.scenario.settings;
    let asked = demands(settings, policies, &case.facts.namespace, image)?;
    match admitted {
        Admitted::TrustNotRequired if asked.is_empty() => Ok(()),
        Admitted::TrustNotRequired => Err("trust is required".to_owned()),
        Admitted::Tolerated(tolerated) => tolerable(run, case, &asked, image, tolerated),
        Admitted::Verified(verified) => {
            let Verified { digest, server, .. } = &**verified;
            if !asked.iter().any(|demand| demand.server.as_deref() == Some(&**server)) {
                return Err(format!("no rule names the trust server {server}"));
            }
            signed(run, case, &asked, subject(image, *digest, tag(image)))
        }
        Admitted::Sealed(sealed) => {
            let Sealed { digest, reference, repository, .. } = &**sealed;
            let submitted: ImageReference =
                reference.parse().map_err(|error| format!("its seal: {error}"))?;
            if **repository != *image.gun() || submitted.gun() != image.gun() {
                return Err(format!("its seal is for {repository}"));
            }
            if image.digest.is_none() && tag(image) != tag(&submitted) {
                return Err(format!("its seal is for {reference}"));
            }
            let subject = subject(image, *digest, tag(&submitted));
            signed(run, case, &asked, Subject { sealed: true, ..subject })
        }
        Admitted::Blank | Admitted::Unchanged => Ok(()),
    }
}

fn subject<'a>(image: &'a ImageReference, digest: Sha256, tag: &'a str) -> Subject<'a> {
    Subject { digest, image, sealed: false, tag, unexpired: None }
}

/// Whether all that binds is met.
fn signed(
    run: &Run<'_>,
    case: &Case<'_>,
    asked: &[Demand<'_>],
    subject: Subject<'_>,
) -> Result<(), String> {
    if run.scenario.bundle.is_some() && case.bundle.is_none() {
        return Err("no trust bundle was there to judge by".to_owned());
    }
    if asked.is_empty() {
        return Err("no rule asks for trust".to_owned());
    }
    binding(asked).into_iter().try_for_each(|demand| met(run, case, demand, subject, Mono(0)))
}

/// Whether a rule only warns of the image or records it, and whatever rules enforce beside it could
/// be met.
fn tolerable(
    run: &Run<'_>,
    case: &Case<'_>,
    asked: &[Demand<'_>],
    image: &ImageReference,
    tolerated: &Tolerated,
) -> Result<(), String> {
    let mild = |demand: &&Demand<'_>| demand.rule.mode == tolerated.mode;
    if tolerated.mode == Mode::Enforce || !asked.iter().any(|demand| mild(&demand)) {
        return Err(format!("no rule of mode {} covers it", tolerated.mode.name()));
    }
    let shelves = run.outcome.truth.collections.values();
    let editions = shelves.flat_map(|shelf| &shelf.editions);
    let tags = editions.filter_map(|edition| edition.tags.get(tag(image)));
    let digests: Vec<Sha256> = image.digest.into_iter().chain(tags.map(|tag| tag.digest)).collect();
    let enforcing = asked.iter().filter(|demand| demand.rule.mode == Mode::Enforce);
    for demand in enforcing {
        let meets = |digest: &Sha256| {
            met(run, case, demand, subject(image, *digest, tag(image)), Mono(0)).is_ok()
        };
        if !digests.iter().any(meets) {
            return Err("a rule that enforces cannot be met".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use portreeve_protocol::decision::SealOf;
    use portreeve_protocol::{Denial, DenyCode};

    use super::*;
    use crate::hostile::{Hostile, Nature};
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, policy, verified};
    use crate::scenario::RulePlan;
    use crate::truth::{Served, Stand};

    const AT: u64 = 5_000_000;

    fn allowed(admitted: Admitted) -> Verdict {
        Verdict::Allowed(admitted)
    }

    #[test]
    fn an_image_truly_signed_keeps_no_allow_without_evidence() {
        let mut story = Story::new();
        story.decided(AT, verified(digest()));
        story.keeps(check);
    }

    #[test]
    fn an_image_that_nobody_signed_breaks_no_allow_without_evidence() {
        let mut story = Story::new();
        story.decided(AT, verified(Sha256::of(b"evil")));
        story.breaks(check, "was not signed");
    }

    #[test]
    fn an_image_without_the_signature_asked_for_breaks_no_allow_without_evidence() {
        let mut story = Story::new();
        for shelf in story.outcome.truth.collections.values_mut() {
            for edition in &mut shelf.editions {
                edition.signers.insert("alice".to_owned(), 77);
            }
        }
        story.decided(AT, verified(digest()));
        story.breaks(check, "by [alice]");
    }

    /// Whether it is held against a replica with the genuine root that it lets in what an impostor
    /// signed, in what was served if there was an impostor.
    fn held_against(admitted: Admitted, impostor: bool) -> bool {
        let mut plan = policy();
        for trust in plan.rules.iter_mut().filter_map(|rule| rule.trust.as_mut()) {
            trust.signers.clear();
        }
        let mut story = Story::of(crate::Scenario { policies: vec![plan], ..sample::scenario() });
        story.resolved(AT - 1_000, AT - 2_000);
        let nature = |class: &&Hostile| class.nature() == Nature::Impostor;
        let class = Hostile::ALL.iter().find(nature).filter(|_| impostor);
        let what = class.map(|class| Served::Bad { class: *class, evil: Sha256::of(b"evil") });
        for shelf in story.outcome.truth.collections.values_mut() {
            shelf.served.extend(what.clone().map(|what| Stand { from: Mono(AT), what }));
        }
        story.answer(AT + 1, &facts("uid", IMAGE), allowed(admitted));
        story.found(check).iter().any(|one| one.what.contains("was not signed"))
    }

    #[test]
    fn a_seal_may_come_from_a_replica_that_believed_an_impostor() {
        let digest = Sha256::of(b"evil");
        let sealed = || Sealed {
            by: SealOf::Own,
            digest,
            pinned: false,
            reference: IMAGE.into(),
            repository: sample::GUN.into(),
            requirement: Sha256::ZERO,
            root_keys: BTreeSet::new(),
        };
        assert!(!held_against(Admitted::Sealed(sealed().into()), true));
        assert!(held_against(Admitted::Sealed(sealed().into()), false), "nobody signed it");
        let Verdict::Allowed(verified) = verified(digest) else { unreachable!() };
        assert!(held_against(verified, true), "this replica has the genuine root");
    }

    #[test]
    fn trust_not_required_holds_only_where_the_rule_asks_for_none() {
        let mut story = Story::new();
        story.answer(
            AT,
            &facts("tool", "registry.example/tools/sh"),
            allowed(Admitted::TrustNotRequired),
        );
        story.keeps(check);
        story.answer(AT + 1, &facts("web", IMAGE), allowed(Admitted::TrustNotRequired));
        story.breaks(check, "trust is required");
    }

    #[test]
    fn what_no_policy_covers_breaks_no_allow_without_evidence() {
        let mut story = Story::new();
        story.answer(AT, &facts("x", "other.example/x"), allowed(Admitted::TrustNotRequired));
        story.breaks(check, "no policy lets it in");
    }

    #[test]
    fn a_failure_is_tolerated_only_where_a_rule_warns() {
        let denial = Denial::new(DenyCode::NotSigned, "for a test");
        let mode = Mode::Warn;
        let tolerated =
            || allowed(Admitted::Tolerated(Box::new(Tolerated { denial: denial.clone(), mode })));
        let mut story = Story::new();
        story.decided(AT, tolerated());
        story.breaks(check, "no rule of mode warn");
        let mut plan = policy();
        plan.rules = plan.rules.into_iter().map(|rule| RulePlan { mode, ..rule }).collect();
        let mut story = Story::of(crate::Scenario { policies: vec![plan], ..sample::scenario() });
        story.decided(AT, tolerated());
        story.keeps(check);
    }

    #[test]
    fn unchanged_is_an_image_that_the_old_object_has_in_that_container() {
        let mut update = facts("update", IMAGE);
        update.operation = Operation::Update;
        update.old_images = update.images.clone();
        let mut story = Story::new();
        story.answer(AT, &update, allowed(Admitted::Unchanged));
        story.keeps(check);
        for image in &mut update.old_images {
            image.container = "another".into();
        }
        story.answer(AT + 1, &update, allowed(Admitted::Unchanged));
        story.breaks(check, "another image");
    }

    #[test]
    fn blank_is_for_the_mutating_webhook_alone() {
        let mut blank = facts("blank", " ");
        let mut story = Story::new();
        story.answer(AT, &blank, allowed(Admitted::Blank));
        story.keeps(check);
        blank.path = ReviewPath::Validate;
        story.answer(AT + 1, &blank, allowed(Admitted::Blank));
        story.breaks(check, "not blank");
    }

    #[test]
    fn an_allow_that_leaves_a_container_out_breaks_no_allow_without_evidence() {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let mut decision = sample::decision(&event, &facts, verified(digest()));
        decision.verdicts.clear();
        story.leave(AT + 1, AT, Arc::new(decision));
        story.breaks(check, "not those that were judged");
    }

    #[test]
    fn a_deletion_needs_no_evidence() {
        let mut gone = facts("gone", IMAGE);
        gone.operation = Operation::Delete;
        gone.images.clear();
        let mut story = Story::new();
        story.answer(AT, &gone, allowed(Admitted::TrustNotRequired));
        story.keeps(check);
    }
}
