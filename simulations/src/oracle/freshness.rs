//! `freshness`: nothing is decided on what was known too long ago.
//!
//! A review came at R and was answered at A, by true time. Let F be the freshness that a rule asks
//! for (or the setting), and S its staleness (or the setting's), as the replica's own monotonic
//! clock measures them.
//!
//! * **Allowed as verified**: what the rule asks for was served at some instant from R - F to A,
//!   and the evidence is one that the fetcher told of by a timestamp asked for at R - F or later.
//!   Where the decision itself says that it rests on an older state (its audit annotation `stale`),
//!   S stands in the place of a shorter F.
//! * **Denied** (or tolerated) because the tag, a signer or the digest is not as asked for: the
//!   fetcher told of a timestamp asked for at R or later. A denial is never answered from before.

use portreeve_protocol::decision::Verified;
use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome};
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Admitted, ContainerVerdict, DenyCode, Mono, Verdict};

use super::bind::{Subject, binding, demands, met, tag};
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::truth::clocks::{Clocks, ROUNDING};
use crate::truth::policies::{Demand, InForce};

/// What news take from one actor of a replica to another at most, in microseconds.
const NEWS_TRAVELS: u64 = 2 * SECOND;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "freshness",
    rule: "an allow rests on what was served within freshness or admitted staleness, a denial on \
           what was asked since the review came",
};

/// Denials that say what a trust server has signed.
const CONCLUSIVE: [DenyCode; 8] = [
    DenyCode::BadEntry,
    DenyCode::DigestMismatch,
    DenyCode::NotReleased,
    DenyCode::NotSigned,
    DenyCode::SignerKeyMismatch,
    DenyCode::SignerMissing,
    DenyCode::SignersDisagree,
    DenyCode::TagNotSigned,
];

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    each(run, |case| {
        if let Err(why) = watched(case) {
            found.push(case.violation(ORACLE.id, &why));
        }
        for verdict in &case.answered.decision.verdicts {
            let Ok(image) = verdict.image.parse::<ImageReference>() else { continue };
            if let Err(why) = judge(run, case, &image, verdict) {
                found.push(case.violation(ORACLE.id, &format!("{}: {why}", verdict.image)));
            }
        }
    });
}

/// Whether a decision by policies that nobody watches says so.
fn watched(case: &Case<'_>) -> Result<(), String> {
    let lost = case.unwatched.is_some_and(|since| case.received > since.plus(NEWS_TRAVELS));
    let judged = |one: &ContainerVerdict| one.verdict != Verdict::Allowed(Admitted::Unchanged);
    let decision = &case.answered.decision;
    let judged = decision.verdicts.iter().any(judged);
    let says = decision.warnings.iter().any(|text| text.contains("not being watched"));
    if lost && judged && !says {
        return Err("it does not say that the policies are not being watched".to_owned());
    }
    Ok(())
}

fn judge(
    run: &Run<'_>,
    case: &Case<'_>,
    image: &ImageReference,
    verdict: &ContainerVerdict,
) -> Result<(), String> {
    match &verdict.verdict {
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => {
            denied(run, case, image, tolerated.denial.code)
        }
        Verdict::Allowed(Admitted::Verified(verified)) if case.answered.allowed() => {
            let mut why = "no policies were in force".to_owned();
            for policies in &case.policies {
                match fresh(run, case, policies, image, verified) {
                    Ok(()) => return Ok(()),
                    Err(other) => why = other,
                }
            }
            Err(why)
        }
        Verdict::Allowed(
            Admitted::Blank
            | Admitted::Sealed(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged
            | Admitted::Verified(_),
        ) => Ok(()),
        Verdict::Denied(denial) => denied(run, case, image, denial.code),
    }
}

/// When the review came, by the replica's monotonic clock.
fn received(run: &Run<'_>, case: &Case<'_>) -> Mono {
    Clocks::of(run.scenario, case.replica).mono(case.started, case.received).minus(ROUNDING)
}

fn told<'a>(case: &Case<'a>, image: &ImageReference) -> &'a [&'a Resolution] {
    case.told.get(&(image.gun(), tag(image).to_owned())).map_or(&[], Vec::as_slice)
}

fn denied(
    run: &Run<'_>,
    case: &Case<'_>,
    image: &ImageReference,
    code: DenyCode,
) -> Result<(), String> {
    if !CONCLUSIVE.contains(&code) {
        return Ok(());
    }
    let since = received(run, case);
    if told(case, image).iter().rev().any(|told| told.checked_at >= since && conclusive(told)) {
        return Ok(());
    }
    Err(format!("denied {} by what was known before the review came", code.code()))
}

/// Whether the trust server said what there is.
const fn conclusive(told: &Resolution) -> bool {
    match told.outcome {
        ResolutionOutcome::Absent
        | ResolutionOutcome::Refused(_)
        | ResolutionOutcome::Verified(_) => true,
        ResolutionOutcome::Unavailable(_) => false,
    }
}

fn fresh(
    run: &Run<'_>,
    case: &Case<'_>,
    policies: &InForce,
    image: &ImageReference,
    verified: &Verified,
) -> Result<(), String> {
    let settings = &run.scenario.settings;
    let asked = demands(settings, policies, &case.facts.namespace, image)?;
    let clocks = Clocks::of(run.scenario, case.replica);
    let subject =
        Subject { digest: verified.digest, image, sealed: false, tag: tag(image), unexpired: None };
    let stale = case.answered.decision.audit.contains_key("stale");
    for demand in binding(&asked) {
        let span = span(run, demand, stale);
        let from = case.received.minus(clocks.true_span(span)).minus(ROUNDING);
        met(run, case, demand, subject, from)?;
        if demand.server.as_deref() == Some(&*verified.server) {
            since(run, case, image, verified, span)?;
        }
    }
    Ok(())
}

/// For how long before the review came what was known may serve, in microseconds.
fn span(run: &Run<'_>, demand: &Demand<'_>, stale: bool) -> u64 {
    let settings = &run.scenario.settings;
    let micros = |seconds: Option<u64>, setting| {
        seconds.map_or(setting, |seconds| seconds.saturating_mul(SECOND))
    };
    let freshness = micros(demand.trust.freshness, settings.freshness);
    let staleness = micros(demand.trust.max_staleness, settings.max_staleness);
    if stale { freshness.max(staleness) } else { freshness }
}

/// Holds the evidence against what the fetcher told of it.
fn since(
    run: &Run<'_>,
    case: &Case<'_>,
    image: &ImageReference,
    verified: &Verified,
    span: u64,
) -> Result<(), String> {
    let review = received(run, case);
    let told = told(case, image);
    // What a dry run looked at serves dry runs alone.
    let of = |told: &&&Resolution| {
        *told.server == *verified.server && (!told.tentative || case.facts.dry_run)
    };
    // What a reset did away with is not there to rest on, once the reset has gone its way.
    let key = (verified.server.to_string(), image.gun(), tag(image).to_owned());
    let reset = case.forgotten.get(&key).filter(|(at, _)| case.received > at.plus(NEWS_TRAVELS));
    let told = told.get(reset.map_or(0, |(_, told)| *told)..).unwrap_or_default();
    let rests = told.iter().rev().filter(of).find_map(|told| match &told.outcome {
        ResolutionOutcome::Verified(tag) if tag.evidence == verified.evidence => {
            Some(told.checked_at)
        }
        ResolutionOutcome::Unavailable(_) => {
            let last = told.last_verified.as_ref()?;
            (last.tag.evidence == verified.evidence).then_some(last.at)
        }
        ResolutionOutcome::Absent
        | ResolutionOutcome::Refused(_)
        | ResolutionOutcome::Verified(_) => None,
    });
    let Some(rests) = rests else { return Err("nobody told of its evidence".to_owned()) };
    if rests < review.minus(span) {
        let age = review.since(rests);
        return Err(format!("it rests on a timestamp asked for {age} us before the review came"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::history::Sight;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};
    use crate::truth::{Served, Stand};

    const AT: u64 = 100 * SECOND;

    fn answered(checked_at: u64, verdict: Verdict) -> Story {
        let mut story = Story::new();
        story.resolved(AT - 1, checked_at);
        story.answer(AT, &facts("uid", IMAGE), verdict);
        story
    }

    #[test]
    fn what_was_asked_for_within_freshness_keeps_freshness() {
        answered(AT - 29 * SECOND, verified(digest())).keeps(check);
    }

    #[test]
    fn what_was_asked_for_before_that_breaks_freshness() {
        answered(AT - 31 * SECOND, verified(digest())).breaks(check, "before the review came");
    }

    #[test]
    fn evidence_that_nobody_told_of_breaks_freshness() {
        let mut story = Story::new();
        story.answer(AT, &facts("uid", IMAGE), verified(digest()));
        story.breaks(check, "nobody told");
    }

    #[test]
    fn evidence_that_a_reset_did_away_with_breaks_freshness() {
        let reset = |at| {
            let mut story = Story::new();
            story.resolved(AT, AT);
            let (gun, server) = (sample::GUN.to_owned(), sample::SERVER.to_owned());
            story.see(AT + 1, Sight::TrustReset { gun, server });
            story.answer(at, &facts("uid", IMAGE), verified(digest()));
            story
        };
        reset(AT + SECOND).keeps(check);
        reset(AT + 3 * SECOND).breaks(check, "nobody told");
    }

    #[test]
    fn what_is_not_served_any_more_breaks_freshness() {
        let mut story = answered(AT - SECOND, verified(digest()));
        for shelf in story.outcome.truth.collections.values_mut() {
            let from = Mono(AT - 40 * SECOND);
            shelf.served.push(Stand { from, what: Served::Nothing });
        }
        story.breaks(check, "was not signed");
    }

    #[test]
    fn an_older_state_counts_only_if_the_decision_says_so() {
        let mut scenario = sample::scenario();
        scenario.settings.max_staleness = 60 * SECOND;
        let mut story = Story::of(scenario.clone());
        story.resolved(AT - 50 * SECOND, AT - 50 * SECOND);
        story.answer(AT, &facts("uid", IMAGE), verified(digest()));
        story.breaks(check, "before the review came");
        let mut story = Story::of(scenario);
        story.resolved(AT - 50 * SECOND, AT - 50 * SECOND);
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let mut decision = sample::decision(&event, &facts, verified(digest()));
        decision.audit.insert("stale".to_owned(), "50 s".to_owned());
        story.leave(AT + 1, AT, Arc::new(decision));
        story.keeps(check);
    }

    #[test]
    fn a_denial_by_what_was_known_before_breaks_freshness() {
        let verdict = || sample::denied(DenyCode::TagNotSigned);
        answered(AT - SECOND, verdict()).breaks(check, "denied tag-not-signed");
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        story.resolved(AT + 5, AT + 1);
        let decision = sample::decision(&event, &facts, verdict());
        story.leave(AT + 9, AT, Arc::new(decision));
        story.keeps(check);
    }
}
