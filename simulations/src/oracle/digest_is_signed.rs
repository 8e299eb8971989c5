//! `digest-is-signed`: a digest that is let in as signed was signed for that tag, whatever the
//! policy; a digest in the request is that one; the patch pins exactly the verified digests, where
//! the rules let images be pinned and the object be changed, and nothing else.

use std::collections::BTreeSet;

use portreeve_protocol::messages::admission::{ImageFact, ReviewPath};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{Admitted, ContainerVerdict, Mono, Sha256, Verdict};
use serde_json::{Value, json};

use super::bind::tag;
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::hostile::Nature;
use crate::truth::policies::{InForce, Ruling};
use crate::truth::{Served, Signing, Truth};

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "digest-is-signed",
    rule: "each digest let in was signed for its tag, equals one in the request, and is what the \
           patch pins",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    each(run, |case| {
        if !case.answered.allowed() {
            return;
        }
        let judged = case.facts.images.iter().zip(&case.answered.decision.verdicts);
        let mut faults: Vec<String> =
            judged.filter_map(|(image, verdict)| one(run, case, image, verdict).err()).collect();
        faults.extend(patch(case).err());
        found.extend(faults.iter().map(|fault| case.violation(ORACLE.id, fault)));
    });
}

fn one(
    run: &Run<'_>,
    case: &Case<'_>,
    image: &ImageFact,
    verdict: &ContainerVerdict,
) -> Result<(), String> {
    let (digest, server, submitted) = match &verdict.verdict {
        Verdict::Allowed(Admitted::Sealed(sealed)) => (sealed.digest, None, &*sealed.reference),
        Verdict::Allowed(Admitted::Verified(verified)) => {
            (verified.digest, Some(&*verified.server), &*image.image)
        }
        Verdict::Allowed(
            Admitted::Blank
            | Admitted::Tolerated(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged,
        )
        | Verdict::Denied(_) => return Ok(()),
    };
    let reference: ImageReference =
        image.image.parse().map_err(|error| format!("{}: {error}", image.image))?;
    let submitted: ImageReference =
        submitted.parse().map_err(|error| format!("{submitted}: {error}"))?;
    let (gun, tag) = (submitted.gun(), tag(&submitted));
    if gun != reference.gun() {
        return Err(format!("{} is allowed as {gun}", image.image));
    }
    if reference.digest.is_some_and(|named| named != digest) {
        return Err(format!("{} is allowed as {}", image.image, digest.to_oci()));
    }
    let servers = run
        .outcome
        .truth
        .collections
        .keys()
        .filter(|(url, of)| *of == gun && server.is_none_or(|server| server == url));
    let mut signed = servers.map(|(server, _)| {
        let signing = Signing {
            digest,
            gun: &gun,
            // What an owner was sealed with may have been seen by another replica.
            impostor: matches!(&verdict.verdict, Verdict::Allowed(Admitted::Sealed(_)))
                || case.impostor(server, &gun),
            pins: &[],
            server,
            signers: &BTreeSet::new(),
            strict: false,
            tag,
            unexpired: None,
        };
        run.outcome.truth.signed(&signing, Mono(0), case.at)
    });
    if signed.any(|signed| signed) {
        pinned(run, case, &reference, digest, image, verdict)
    } else {
        let evil = if evil(&run.outcome.truth, digest) { ", but by bad content" } else { "" };
        Err(format!("{} was never signed for {gun}:{tag}{evil}", digest.to_oci()))
    }
}

/// Whether a digest is one that bad content tries to have allowed.
fn evil(truth: &Truth, digest: Sha256) -> bool {
    let stands = truth.collections.values().flat_map(|shelf| &shelf.served);
    stands.into_iter().any(|stand| match &stand.what {
        Served::Bad { class, evil } => *evil == digest && class.nature() != Nature::Harmless,
        Served::Edition(_) | Served::Nothing => false,
    })
}

/// Whether the reference is pinned as it should be.
fn pinned(
    run: &Run<'_>,
    case: &Case<'_>,
    reference: &ImageReference,
    digest: Sha256,
    image: &ImageFact,
    verdict: &ContainerVerdict,
) -> Result<(), String> {
    let settings = &run.scenario.settings;
    let mutates = |policies: &InForce| {
        let Ruling::Rules(rules) = policies.ruling(settings, &case.facts.namespace, reference)
        else {
            return false;
        };
        let has =
            |mode: Mode| rules.iter().any(|(_, rule)| rule.trust.is_some() && rule.mode == mode);
        let changes = has(Mode::Enforce) || !has(Mode::Audit);
        changes && rules.iter().all(|(_, rule)| rule.mutate_image)
    };
    let may_change = may_change(case) && reference.digest.is_none();
    let all = case.policies.iter().all(|policies| mutates(policies));
    let any = case.policies.iter().any(|policies| mutates(policies));
    match verdict.pin() {
        None if may_change && all => Err(format!("{} is not pinned", image.image)),
        None => Ok(()),
        Some(_) if !may_change || !any => Err(format!("{} is pinned", image.image)),
        Some(pin) => {
            let tag = tag(reference).to_owned();
            let wanted =
                ImageReference { digest: Some(digest), tag: Some(tag), ..reference.clone() };
            let exact = pin.parse() == Ok(wanted) && verdict.pointer == image.pointer;
            exact.then_some(()).ok_or_else(|| format!("{} is pinned to {pin}", image.image))
        }
    }
}

/// Whether the object may be changed: by the mutating webhook, and no template that a controller
/// made.
fn may_change(case: &Case<'_>) -> bool {
    let pod = case.facts.kind.group.is_empty() && case.facts.kind.kind == "Pod";
    let controlled = case.facts.owners.iter().any(|owner| owner.controller);
    case.facts.path == ReviewPath::Admit && (pod || !controlled)
}

/// Whether the patch is made of the pins, and of nothing else.
fn patch(case: &Case<'_>) -> Result<(), String> {
    let decision = &case.answered.decision;
    let operation = |verdict: &ContainerVerdict| {
        let pin = verdict.pin()?;
        Some(json!({"op": "replace", "path": verdict.pointer, "value": pin}))
    };
    let wanted: Vec<Value> = decision.verdicts.iter().filter_map(operation).collect();
    let text = decision.patch().unwrap_or_else(|| "[]".to_owned());
    let found: Value =
        serde_json::from_str(&text).map_err(|error| format!("its patch is none: {error}"))?;
    let fits = found == Value::Array(wanted);
    fits.then_some(()).ok_or_else(|| format!("its patch is not what its verdicts say: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sample::{IMAGE, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;

    #[test]
    fn a_pinned_signed_digest_keeps_digest_is_signed() {
        let mut story = Story::new();
        story.decided(AT, verified(digest()));
        story.keeps(check);
    }

    #[test]
    fn a_digest_that_nobody_signed_breaks_digest_is_signed() {
        let mut story = Story::new();
        story.decided(AT, verified(Sha256::of(b"evil")));
        story.breaks(check, "never signed");
    }

    #[test]
    fn another_digest_than_the_one_asked_for_breaks_digest_is_signed() {
        let mut story = Story::new();
        let named = format!("{IMAGE}@{}", Sha256::of(b"other").to_oci());
        story.answer(AT, &facts("named", &named), verified(digest()));
        story.breaks(check, "is allowed as");
    }

    #[test]
    fn a_patch_that_says_something_else_breaks_digest_is_signed() {
        let mut story = Story::new();
        let mut facts = facts("uid", IMAGE);
        // No JSON pointer, so that no patch can be made of it.
        facts.images[0].pointer = "spec".into();
        story.answer(AT, &facts, verified(digest()));
        story.breaks(check, "its patch");
    }

    #[test]
    fn a_pin_where_nothing_may_be_changed_breaks_digest_is_signed() {
        let mut story = Story::new();
        let mut facts = facts("uid", IMAGE);
        facts.path = ReviewPath::Validate;
        story.answer(AT, &facts, verified(digest()));
        story.breaks(check, "is pinned");
    }

    #[test]
    fn a_verified_image_left_unpinned_breaks_digest_is_signed() {
        let mut story = Story::new();
        let verdict = match verified(digest()) {
            Verdict::Allowed(Admitted::Verified(mut verified)) => {
                verified.pinned = false;
                Verdict::Allowed(Admitted::Verified(verified))
            }
            other @ (Verdict::Allowed(_) | Verdict::Denied(_)) => other,
        };
        story.decided(AT, verdict);
        story.breaks(check, "not pinned");
    }
}
