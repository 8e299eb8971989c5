//! Journals whose oldest segments were removed: they begin with a checkpoint.

use portreeve_replay::Explanation;
use portreeve_replay::explain::{AnswerState, Fate, ReviewOutcome, Selection, TrustSource};

use crate::rig::{GUN, Rig, SERVER};
use crate::verified;

/// The only review that the journal holds.
fn only(rig: &Rig) -> Explanation {
    let found = rig.found(&Selection::default(), 10);
    assert_eq!(found.matches.len(), 1);
    assert_eq!(found.matches[0].outcome, ReviewOutcome::Allowed);
    rig.told(found).remove(0)
}

fn with_policies() -> Rig {
    let mut rig = Rig::new();
    rig.policies();
    rig
}

#[test]
fn policies_and_evidence_that_were_told_before_come_from_the_checkpoint() {
    let mut rig = with_policies();
    rig.review("u-cold", &["registry.lab:5000/team/signers:alice-only"]);
    rig.cut();
    rig.review("u-warm", &["registry.lab:5000/team/signers:alice-only"]);
    assert_eq!(verified(&rig).first, None);
    let told = only(&rig);
    assert_eq!((told.facts.uid.as_str(), told.policies_watched), ("u-warm", Some(true)));
    let [container] = &told.containers[..] else { panic!("{told:?}") };
    let fates: Vec<&Fate> = container.candidates.iter().map(|it| &it.fate).collect();
    assert_eq!(fates, [&Fate::Decides, &Fate::LessSpecific, &Fate::DoesNotCover, &Fate::Overruled]);
    assert_eq!(container.source, TrustSource::Kept);
    assert!(container.state.as_ref().is_some_and(|state| state.micros > 0 && !state.stale));
    let text = told.render(120);
    for part in [
        "timestamp version 13, expires 2026-12-07T05:34:54.175Z, signed by 3ed1578736d2",
        &format!("{SERVER} for {GUN}"),
        "kept, fresh enough to ask nobody; ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_review_that_waited_at_the_checkpoint_is_found_and_told_with_its_policies() {
    let mut rig = with_policies();
    rig.cut_at_next_wait = true;
    rig.review("u-waits", &["registry.lab:5000/team/signers:alice-only"]);
    assert_eq!(verified(&rig).first, None);
    let told = only(&rig);
    assert_eq!((told.facts.uid.as_str(), told.line), ("u-waits", 1));
    assert!(matches!(told.answer, AnswerState::Sent { allowed: true, .. }));
    assert!(told.micros.is_some_and(|micros| micros > 0));
    assert!(told.containers[0].candidates.iter().any(|it| it.fate == Fate::Decides));
    assert!(matches!(told.containers[0].source, TrustSource::Fetched(_)));
}

#[test]
fn a_checkpoint_in_the_middle_changes_nothing_that_is_told() {
    let review = |cut: bool| {
        let mut rig = with_policies();
        rig.review("u-cold", &["registry.lab:5000/team/signers:alice-only"]);
        if cut {
            let before = rig.journal.clone();
            rig.cut();
            rig.journal.splice(0..0, before);
        }
        rig.review("u-warm", &["registry.lab:5000/team/signers:alice-only", "quay.io/a/b:1"]);
        assert_eq!(verified(&rig).first, None);
        let selection = Selection { uid: Some("u-warm".to_owned()), ..Selection::default() };
        let mut told = rig.told(rig.found(&selection, 10));
        told.iter_mut().for_each(|told| told.line = 0);
        told
    };
    assert_eq!(review(true), review(false));
}
