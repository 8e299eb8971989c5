//! Which reviews of a journal are found.

use portreeve_protocol::{DenyCode, EventId, Wall};
use portreeve_replay::explain::{Found, Match, ReviewOutcome, Selection};

use crate::eventful;
use crate::rig::Rig;

fn found(rig: &Rig, selection: Selection, limit: usize) -> Found {
    rig.found(&selection, limit)
}

/// The uids of what is found in `eventful`, in order.
fn uids(selection: Selection) -> Vec<String> {
    found(&eventful(), selection, 100).matches.into_iter().map(|found| found.uid).collect()
}

fn any() -> Selection {
    Selection::default()
}

#[test]
fn without_a_filter_every_review_is_found_in_the_order_it_came() {
    let all = ["u-signed", "u-warm", "u-unsigned", "u-panic", "u-down", "u-signed"];
    assert_eq!(uids(any()), all);
}

#[test]
fn two_reviews_of_one_uid_are_both_found() {
    let rig = eventful();
    let found = found(&rig, Selection { uid: Some("u-signed".to_owned()), ..any() }, 100);
    let events: Vec<&EventId> = found.matches.iter().map(|found| &found.event).collect();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0], events[1]);
    assert_eq!(found.reviews, 6);
}

#[test]
fn an_image_is_found_with_its_tag_without_it_and_by_the_verified_digest() {
    let image = |text: &str| Selection { image: Some(text.parse().unwrap()), ..any() };
    assert_eq!(uids(image("Quay.IO/a/b:1")), ["u-signed"]);
    let alice = ["u-signed", "u-down"];
    assert_eq!(uids(image("registry.lab:5000/team/signers:alice-only")), alice);
    let every_tag = ["u-signed", "u-warm", "u-down", "u-signed"];
    assert_eq!(uids(image("registry.lab:5000/team/signers")), every_tag);

    let rig = eventful();
    let signed = rig.lines().find_map(|line| {
        let text = String::from_utf8(line.unwrap().bytes).unwrap();
        let (_, rest) = text.split_once("\"Verified\":{\"digest\":\"")?;
        Some(rest[..64].to_owned())
    });
    let digest = format!("@sha256:{}", signed.unwrap());
    // What was never verified is not known to be this image.
    assert_eq!(uids(image(&digest)), ["u-signed"]);
    assert!(uids(image("quay.io/a/b:2")).is_empty());
}

#[test]
fn a_workload_is_found_by_namespace_and_name_and_its_kind_in_any_case() {
    let workload = |text: &str| Selection { workload: Some(text.parse().unwrap()), ..any() };
    assert_eq!(uids(workload("shop/web")).len(), 6);
    assert_eq!(uids(workload("deployment/shop/web")).len(), 6);
    assert!(uids(workload("Pod/shop/web")).is_empty());
    assert!(uids(workload("shop/webb")).is_empty());
}

#[test]
fn since_takes_in_the_moment_named_and_until_leaves_it_out() {
    let rig = eventful();
    let all = found(&rig, any(), 100).matches;
    let third = all[2].received;
    let since = found(&rig, Selection { since: Some(third), ..any() }, 100).matches;
    assert!(since.iter().all(|found| found.received >= third));
    assert!(since.iter().any(|found| found.event == all[2].event));
    let until = found(&rig, Selection { until: Some(third), ..any() }, 100).matches;
    assert!(!until.is_empty() && until.iter().all(|found| found.received < third));
    assert_eq!(since.len() + until.len(), all.len());
    let later = Wall(all[5].received.0 + 1_000_000_000);
    assert!(found(&rig, Selection { since: Some(later), ..any() }, 100).matches.is_empty());
}

#[test]
fn a_code_is_found_whatever_image_it_is_of() {
    let code = |code| Selection { code: Some(code), ..any() };
    assert_eq!(uids(code(DenyCode::Unreachable)), ["u-down"]);
    assert_eq!(uids(code(DenyCode::NotSigned)), ["u-unsigned"]);
    assert_eq!(uids(code(DenyCode::Internal)), ["u-panic"]);
    assert!(uids(code(DenyCode::NoPolicy)).is_empty());
}

#[test]
fn what_was_allowed_and_what_was_denied_are_apart_and_a_panic_denies() {
    let allowed = uids(Selection { allowed: Some(true), ..any() });
    assert_eq!(allowed, ["u-signed", "u-warm"]);
    let denied = uids(Selection { allowed: Some(false), ..any() });
    assert_eq!(denied, ["u-unsigned", "u-panic", "u-down", "u-signed"]);
}

#[test]
fn filters_must_hold_all_together() {
    let selection = Selection {
        allowed: Some(false),
        image: Some("registry.lab:5000/team/signers".parse().unwrap()),
        uid: Some("u-signed".to_owned()),
        workload: Some("shop/web".parse().unwrap()),
        ..any()
    };
    let rig = eventful();
    let found = found(&rig, selection, 100).matches;
    let [Match { outcome, code, event, .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((*outcome, event.incarnation), (ReviewOutcome::Denied, 2));
    assert_eq!(*code, Some(DenyCode::TagNotSigned));
}

#[test]
fn beyond_the_limit_the_newest_are_kept_and_the_others_counted() {
    let rig = eventful();
    let found = found(&rig, any(), 2);
    let uids: Vec<_> = found.matches.iter().map(|found| found.uid.as_str()).collect();
    assert_eq!(uids, ["u-down", "u-signed"]);
    assert_eq!((found.left_out, found.reviews), (4, 6));
}

#[test]
fn a_review_that_was_never_decided_is_found_as_such_but_neither_allowed_nor_denied() {
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u-1", &["registry.lab:5000/team/signers:alice-only"]);
    // The journal ends with the review's own record: the node was killed behind it.
    let lines: Vec<_> = rig.lines().map(Result::unwrap).collect();
    let of_review = lines
        .iter()
        .take_while(|line| !String::from_utf8_lossy(&line.bytes).contains("\"uid\":\"u-1\""));
    let kept: usize = of_review.count() + 1;
    rig.journal = lines[..kept].iter().flat_map(|line| line.bytes.clone()).collect();
    let matches = found(&rig, any(), 10).matches;
    assert_eq!(matches.len(), 1);
    assert_eq!((matches[0].outcome, matches[0].code), (ReviewOutcome::Undecided, None));
    for allowed in [true, false] {
        let selection = Selection { allowed: Some(allowed), ..any() };
        assert!(found(&rig, selection, 10).matches.is_empty());
    }
}
