//! The corpus of Notary v1 metadata, with the real client's verdicts: every case is resolved by a
//! small reader around `verify` and `release`, and every query must end as it ended there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod case;
mod fetcher;
mod signers;
mod stricter;

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::evidence::TargetEntry;
use portreeve_protocol::messages::admission::VerifiedTag;
use portreeve_protocol::messages::notary::VerifiedCollection;
use portreeve_protocol::policy::{SignerKey, SignerRequirement, TrustRequirement};
use portreeve_protocol::{Denial, DenyCode, Sha256};
use portreeve_trust::adopt;
use portreeve_trust::release::{Released, release};
use serde_json::Value;

use case::Case;

/// Cases in the corpus; a case that is lost must not go unnoticed.
const CASES: usize = 217;

#[test]
fn every_query_of_the_corpus_ends_as_with_the_real_client_or_is_listed_as_stricter() {
    let cases = Case::all();
    assert_eq!(cases.len(), CASES);
    let mut wrong = Vec::new();
    let mut stricter = BTreeSet::new();
    for case in &cases {
        let tags = queries(case).map(|query| text(&query["tag"])).collect();
        let resolved = fetcher::resolve(case, &tags);
        let keys = signers::keys(case);
        for query in queries(case) {
            let found = ask(resolved.as_ref(), query, &keys);
            let expected = &query["expect"];
            match judge(&found, expected) {
                Judgement::Same => {}
                Judgement::Stricter if stricter::reason(&case.name).is_some() => {
                    stricter.insert(case.name.clone());
                }
                Judgement::DeniedOtherwise if stricter::reason(&case.name).is_some() => {}
                Judgement::DeniedOtherwise
                    if stricter::other_word(&case.name, found.as_ref().err()) => {}
                Judgement::DeniedOtherwise | Judgement::Stricter | Judgement::Wrong => {
                    wrong.push(format!(
                        "{}: {} by {}: expected {expected}, found {found:?}",
                        case.name, query["tag"], query["signers"]
                    ))
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} queries:\n{}", wrong.len(), wrong.join("\n"));
    let listed: BTreeSet<_> = stricter::CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stricter, listed, "the list of stricter cases must be neither short nor stale");
}

#[test]
fn the_roles_left_out_are_those_the_real_client_leaves_out() {
    for case in Case::all() {
        let collection = &case.description["collection"];
        let Ok(found) = fetcher::resolve(&case, &BTreeSet::new()) else { continue };
        let expected = collection["dropped_roles"].as_array();
        let expected: BTreeSet<_> = expected.into_iter().flatten().map(text).collect();
        // What is merely unpublished is reported beside the rest and has this code.
        let dropped = found.evidence.dropped.iter();
        let dropped = dropped.filter(|dropped| dropped.why.code != DenyCode::NotReleased);
        let dropped: BTreeSet<_> = dropped.map(|dropped| dropped.role.clone()).collect();
        assert_eq!(dropped, expected, "{}", case.name);
    }
}

#[test]
fn a_case_with_a_sound_cache_has_floors_to_be_held_to() {
    for case in Case::all() {
        let spoilt = case.name.starts_with("cache-") && case.name.ends_with("-spoilt");
        if !case.cache.is_empty() && !spoilt {
            let kept = adopt(&case.gun, "https://notary.example", &case.cache).unwrap().unwrap();
            let roles: BTreeSet<_> = case.cache.keys().collect();
            assert_eq!(kept.floors.keys().collect::<BTreeSet<_>>(), roles, "{}", case.name);
        }
    }
}

/// How an answer compares with the real client's.
enum Judgement {
    /// Both deny, but not for what the corpus calls the same kind of reason.
    DeniedOtherwise,
    /// The same digest, or a denial of the same kind.
    Same,
    /// Denied where the real client answers.
    Stricter,
    /// Allowed where it denies, or with another digest.
    Wrong,
}

/// Holds what was found against what the real client said.
fn judge(found: &Result<(Released, u64), Denial>, expected: &Value) -> Judgement {
    match (found, expected["deny"].as_str(), expected["digest"].as_str()) {
        (Err(denial), Some(reason), _) if stricter::same_kind(reason, denial.code) => {
            Judgement::Same
        }
        (Ok((released, length)), None, Some(digest))
            if released.digest.to_oci() == digest
                && expected["role"].as_str().is_none_or(|role| role == released.role)
                && expected["length"].as_u64().is_none_or(|expected| expected == *length) =>
        {
            Judgement::Same
        }
        (Err(_), Some(_), _) => Judgement::DeniedOtherwise,
        (Err(_), None, Some(_)) => Judgement::Stricter,
        _ => Judgement::Wrong,
    }
}

/// What a query concludes: the digest and the length of its entry. Each signer is known by one of
/// the keys listed for it; one combination that satisfies is enough, as a Secret holds one key.
fn ask(
    resolved: Result<&VerifiedCollection, &Denial>,
    query: &Value,
    keys: &BTreeMap<String, Vec<Sha256>>,
) -> Result<(Released, u64), Denial> {
    let collection = resolved.map_err(Clone::clone)?;
    let tag = VerifiedTag {
        evidence: collection.evidence.clone().into(),
        view: collection.tags[&text(&query["tag"])].clone(),
    };
    let mut combinations: Vec<Vec<SignerRequirement>> = vec![Vec::new()];
    for signer in query["signers"].as_array().unwrap().iter().map(text) {
        let known = keys.get(&signer).cloned().unwrap_or_else(|| vec![Sha256::ZERO]);
        let longer = combinations.iter().flat_map(|others| {
            known.iter().map(|spki| {
                let key = SignerKey::Usable { name: signer.clone(), spki: *spki };
                let secret = format!("portreeve/{signer}");
                [others.as_slice(), &[SignerRequirement { key, secret }]].concat()
            })
        });
        combinations = longer.collect();
    }
    let requirements = combinations.into_iter().map(|signers| TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: BTreeSet::new(),
        server: None,
        signers,
        strict_roles: false,
    });
    let mut answers: Vec<_> =
        requirements.map(|requirement| release(&tag, &requirement, None)).collect();
    answers.sort_by_key(Result::is_err);
    let released = answers.swap_remove(0)?;
    match &tag.view.entries[released.role] {
        TargetEntry::Image { length, .. } => Ok((released, *length)),
        TargetEntry::Unusable(why) => panic!("an unusable entry was released: {why}"),
    }
}

fn queries(case: &Case) -> impl Iterator<Item = &Value> {
    case.description["queries"].as_array().unwrap().iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
