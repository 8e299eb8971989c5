//! What seals say of roots, and what dry runs leave behind.

use super::bench::*;
use portreeve_protocol::evidence::SigningKey;
use portreeve_protocol::messages::notary::{DocumentName, NotaryInput, Resolve};
use portreeve_protocol::{DenyCode, Mono, Sha256};

fn ask(bench: &mut Bench, dry_run: bool, sealed: &[&str]) -> Seen {
    bench.handle(&NotaryInput::Resolve(Resolve {
        anchor: None,
        credentials: Default::default(),
        dry_run,
        gun: GUN.to_owned(),
        namespace: "shop".to_owned(),
        not_before: Mono(50),
        sealed_roots: sealed.iter().map(|key| Sha256::of(key.as_bytes())).collect(),
        tag: "v1".to_owned(),
    }))
}

/// Serves a root that the key `served` signed.
fn serve(bench: &mut Bench, flight: u64) -> Seen {
    bench.document(flight, DocumentName::Root, "root 1");
    bench.document(flight, DocumentName::Timestamp, "timestamp 1");
    bench.missing(flight, &[("snapshot", "snapshot 1"), ("targets", "targets 1")]);
    bench.document(flight, hashed("snapshot", "snapshot 1"), "snapshot 1");
    bench.document(flight, hashed("targets", "targets 1"), "targets 1");
    let mut found = collection(1).tag("v1");
    let keyid = Sha256::of(b"served");
    let root = found.evidence.roles.get_mut("root");
    root.into_iter().for_each(|it| it.signed_by = vec![SigningKey { keyid, spki: keyid }]);
    bench.concluded(flight, found.verified())
}

#[test]
pub fn a_replica_without_roots_denies_a_root_that_seals_do_not_know() {
    let mut bench = Bench::new();
    ask(&mut bench, false, &["sealed"]);
    assert_eq!(serve(&mut bench, 1).code(), ("refused", Some(DenyCode::RootChanged)));
    assert_eq!(bench.machine.trusted(), []);
    for known in [&["served"][..], &["sealed", "served"], &[]] {
        let mut bench = Bench::new();
        ask(&mut bench, false, known);
        assert_eq!(serve(&mut bench, 1).code(), ("verified", None));
    }
}

#[test]
pub fn the_first_root_of_a_dry_run_is_not_kept_and_a_later_review_asks_again() {
    let mut bench = Bench::new();
    ask(&mut bench, true, &[]);
    let seen = serve(&mut bench, 1);
    assert!(seen.published[0].tentative);
    assert!(!seen.fact_names().contains(&"first-use"));
    assert_eq!(bench.machine.trusted(), []);
    assert_eq!(ask(&mut bench, false, &[]).names(), ["timestamp.json", "root.json"]);
    assert!(!serve(&mut bench, 2).published[0].tentative);
    assert_eq!(bench.machine.trusted().len(), 1);
}

#[test]
fn a_real_review_that_joins_a_dry_run_makes_it_count() {
    for first in [true, false] {
        let mut bench = Bench::new();
        ask(&mut bench, first, &[]);
        ask(&mut bench, !first, &[]);
        assert!(!serve(&mut bench, 1).published[0].tentative);
        assert_eq!(bench.machine.trusted().len(), 1);
    }
}
