//! What a journal tells about a review.

use portreeve_protocol::{DenyCode, Verdict};
use portreeve_replay::explain::{AnswerState, Fate, Selection, TrustSource};
use portreeve_replay::{Explanation, ReplayError, explain, find, split};

use crate::rig::{Rig, SEGMENT};
use crate::{eventful, small};

const ALICE: &str = "registry.lab:5000/team/signers:alice-only";

fn told(rig: &Rig, uid: &str) -> Vec<Explanation> {
    let selection = Selection { uid: Some(uid.to_owned()), ..Selection::default() };
    rig.told(rig.found(&selection, 100))
}

#[test]
fn every_review_of_a_uid_is_explained_and_an_unknown_uid_gives_nothing() {
    let rig = eventful();
    let both = told(&rig, "u-signed");
    assert_eq!(both.len(), 2);
    assert_eq!((both[0].review.incarnation, both[1].review.incarnation), (1, 2));
    assert!(told(&rig, "u-nobody").is_empty());
}

#[test]
fn a_verified_image_is_explained_down_to_its_documents() {
    let rig = eventful();
    let told = told(&rig, "u-signed").remove(0);
    assert!(matches!(told.answer, AnswerState::Sent { allowed: true, code: None, .. }));
    let [signed, free] = &told.containers[..] else { panic!("two images") };
    let TrustSource::Fetched(documents) = &signed.source else { panic!("{:?}", signed.source) };
    assert!(documents.iter().any(|it| it.document == "timestamp.json"), "{documents:?}");
    assert!(signed.missing_blobs.is_empty());
    assert_eq!(free.source, TrustSource::NotAsked);
    let text = told.render(120);
    for part in [
        "Review   CREATE Deployment shop/web by system:serviceaccount:shop:ci, uid u-signed",
        "Decision allowed",
        "rule       ImagePolicy shop/signed, rule 0: `registry.lab:5000/*`",
        "timestamp version 13, expires 2026-12-07T05:34:54.175Z, signed by 3ed1578736d2 (1 needed)",
        "signers    alice",
        "released by targets/releases",
        "review with 2 images",
        "answered with allow",
        "Patch",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_rules_that_lost_are_told_with_the_reason() {
    let told = told(&eventful(), "u-signed").remove(0);
    let fates: Vec<_> =
        told.containers[0].candidates.iter().map(|it| (&*it.rule.pattern, &it.fate)).collect();
    assert_eq!(
        fates,
        [
            ("registry.lab:5000/*", &Fate::Decides),
            ("*", &Fate::LessSpecific),
            ("quay.io/*", &Fate::DoesNotCover),
            ("*", &Fate::Overruled),
        ]
    );
}

#[test]
fn the_rules_told_as_deciding_are_those_of_the_verdict() {
    let rig = eventful();
    for uid in ["u-signed", "u-warm", "u-unsigned", "u-down"] {
        for container in told(&rig, uid).into_iter().flat_map(|told| told.containers) {
            let deciding: Vec<_> = container
                .candidates
                .into_iter()
                .filter(|it| it.fate == Fate::Decides)
                .map(|it| it.rule)
                .collect();
            assert_eq!(deciding, *container.verdict.rules, "{uid}");
        }
    }
}

#[test]
fn a_warm_review_is_told_from_a_fetched_one() {
    let rig = eventful();
    let warm = &told(&rig, "u-warm")[0];
    assert!(warm.decision.as_ref().unwrap().allowed);
    let TrustSource::Fetched(fetched) = &warm.containers[0].source else {
        assert_eq!(warm.containers[0].source, TrustSource::Kept);
        return;
    };
    // Another tag of a kept collection may be looked at again, but never fetched again while fresh.
    panic!("{fetched:?}");
}

#[test]
fn a_review_that_waited_for_what_another_one_asked_for_names_the_other() {
    let mut rig = Rig::new();
    rig.policies();
    rig.two_reviews([("u-1", ALICE), ("u-2", ALICE)]);
    let (first, second) = (told(&rig, "u-1").remove(0), told(&rig, "u-2").remove(0));
    assert!(matches!(first.containers[0].source, TrustSource::Fetched(_)));
    assert_eq!(second.containers[0].source, TrustSource::Shared { root: first.review.clone() });
    assert!(second.decision.as_ref().unwrap().allowed);
    let begins = &second.events.iter().find(|line| line.shared).unwrap();
    assert_eq!((&begins.event, begins.depth), (&first.review, 0));
    assert!(begins.offset < 0);
    assert!(second.render(120).contains("(asked for by another review)"));
}

#[test]
fn what_a_warm_review_had_asked_ahead_is_told_as_what_followed_and_not_as_what_it_rests_on() {
    const SECOND: u64 = 1_000_000;
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u-cold", &[ALICE]);
    rig.wait(25 * SECOND);
    rig.two_reviews([("u-ahead", ALICE), ("u-joins", "registry.lab:5000/team/signers:both-same")]);
    rig.wait(10 * SECOND);
    rig.review("u-later", &[ALICE]);
    assert_eq!(crate::verified(&rig).first, None);
    let [ahead, joins, later] =
        ["u-ahead", "u-joins", "u-later"].map(|uid| told(&rig, uid).remove(0));
    assert_eq!(ahead.decided_by.as_ref(), Some(&ahead.review));
    assert_eq!(ahead.containers[0].source, TrustSource::Kept);
    assert!(ahead.containers[0].credentials.is_empty(), "none was used for it");
    assert!(ahead.render(120).contains("timestamp.json"), "the tree goes on");
    assert_eq!(joins.containers[0].source, TrustSource::Shared { root: ahead.review });
    let state = later.containers[0].state.as_ref().unwrap();
    assert_eq!(later.containers[0].source, TrustSource::Kept);
    assert!(state.micros < 11 * SECOND, "35 s after the first look, had nobody asked ahead");
}

#[test]
fn the_causal_tree_begins_with_the_review_and_every_event_hangs_below_its_cause() {
    let told = told(&eventful(), "u-signed").remove(0);
    assert_eq!(told.events[0].event, told.review);
    assert_eq!((told.events[0].offset, told.events[0].depth), (0, 0));
    for line in &told.events[1..] {
        let parent = told.events.iter().find(|it| Some(&it.event) == line.parent.as_ref());
        assert_eq!(parent.unwrap().depth + 1, line.depth, "{line:?}");
        assert!(line.offset > 0 && !line.shared);
    }
    assert!(told.events.iter().any(|it| Some(&it.event) == told.decided_by.as_ref()));
}

#[test]
fn an_unreachable_server_is_named_with_the_failed_fetch() {
    let told = &told(&eventful(), "u-down")[0];
    let Verdict::Denied(denial) = &told.containers[0].verdict.verdict else { panic!("{told:?}") };
    assert_eq!(denial.code, DenyCode::Unreachable);
    let text = told.render(100);
    assert!(text.contains("trust-server-unreachable"), "{text}");
    assert!(text.contains(DenyCode::Unreachable.advice()), "{text}");
}

#[test]
fn a_review_on_which_the_machine_panicked_is_told_as_such() {
    let told = &told(&eventful(), "u-panic")[0];
    assert!(told.panicked && told.decision.is_none());
    assert!(told.render(80).contains("the machine panicked"));
}

#[test]
fn an_answer_inside_a_gap_is_unknown_or_denied() {
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u-1", &["quay.io/a/b:1"]);
    let answered = rig.journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let ends: Vec<usize> = answered.map(|(at, _)| at + 1).collect();
    // The record of the answer is the last; the gap stands in its place.
    rig.journal.truncate(ends[ends.len() - 2]);
    let silent = &told(&rig, "u-1")[0];
    assert_eq!(silent.answer, AnswerState::NotRecorded);
    let kept = rig.lines().last().unwrap().unwrap();
    let body = kept.bytes.strip_suffix(b"\n").unwrap();
    rig.prev = portreeve_protocol::codec::read_line(body).unwrap().1;
    rig.gap(1);
    let told = &told(&rig, "u-1")[0];
    assert_eq!(told.answer, AnswerState::UnknownOrDenied);
    assert!(told.render(200).contains("answer unknown or denied"));
}

#[test]
fn no_line_is_wider_than_asked_where_words_allow_and_no_escape_reaches_the_terminal() {
    let mut rig = small();
    rig.review("u-\u{1b}[31m", &["quay.io/a/b:1"]);
    let told = &told(&rig, "u-\u{1b}[31m")[0];
    let text = told.render(60);
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    let longest = text.lines().filter(|line| line.trim().contains(' '));
    assert!(longest.clone().count() > 5);
    for line in text.lines().filter(|line| line.chars().count() > 60) {
        // A single word that is longer than the line, such as an event id.
        assert!(line.split_whitespace().any(|word| word.len() > 25), "{line}");
    }
}

#[test]
fn a_damaged_journal_is_explained_up_to_the_damage_and_no_further() {
    let mut rig = small();
    let whole = rig.found(&Selection::default(), 100);
    let [.., last] = &whole.matches[..] else { panic!("{whole:?}") };
    let (before, behind) = (whole.matches.len() - 1, last.line);
    let ends = rig.journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let start = ends.map(|(at, _)| at + 1).nth(usize::try_from(behind).unwrap() - 2).unwrap();
    rig.journal[start + 200] ^= 1;
    let damaged = || split(SEGMENT, &rig.journal);
    let found = find(damaged(), &Selection::default(), 100);
    assert_eq!(found.matches, whole.matches[..before]);
    let events = whole.matches.iter().map(|it| it.event.clone()).collect();
    let told = explain(damaged(), &rig.blobs, events);
    assert_eq!(told.reviews.len(), before);
    for error in [found.broken_off.unwrap(), told.broken_off.unwrap()] {
        assert!(matches!(error, ReplayError::Unreadable { line, .. } if line == behind));
        assert!(error.to_string().contains("replay verify"), "{error}");
    }
}

#[test]
fn a_torn_tail_does_not_hinder_an_explanation() {
    let mut rig = small();
    rig.journal.truncate(rig.journal.len() - 3);
    assert_eq!(told(&rig, "u-signed").len(), 1);
}
