//! What the trust bundle says of a root goes with the question, and is held to.

use std::sync::Arc;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::messages::notary::{DocumentName, NotaryInput, Resolve};
use portreeve_protocol::{DenyCode, Mono, Settings, Sha256};

use crate::bench::{Bench, CollectionExt, GUN, Seen, blob, collection, started};

fn pinning(key: &str) -> RootAnchor {
    RootAnchor { keyids: [Sha256::of(key.as_bytes())].into(), ..RootAnchor::default() }
}

fn open() -> RootAnchor {
    RootAnchor { first_use: true, ..RootAnchor::default() }
}

impl Bench {
    fn ask_under(&mut self, anchor: &RootAnchor, tag: &str, not_before: u64) -> Seen {
        self.handle(&NotaryInput::Resolve(Resolve {
            anchor: Some(Arc::new(anchor.clone())),
            credentials: Default::default(),
            dry_run: false,
            gun: GUN.to_owned(),
            namespace: "shop".to_owned(),
            not_before: Mono(not_before),
            sealed_roots: Default::default(),
            tag: tag.to_owned(),
        }))
    }

    /// First contact under this anchor, about `v1`; flight 1, asked at 100.
    fn contact_under(&mut self, anchor: &RootAnchor) -> Seen {
        self.ask_under(anchor, "v1", 50);
        self.document(1, DocumentName::Root, "root 1");
        self.document(1, DocumentName::Timestamp, "timestamp 1")
    }
}

#[test]
fn the_bundles_pin_goes_before_the_operators_and_forbids_first_use() {
    let pins = [(GUN.to_owned(), [Sha256::of(b"the operator's")].into())].into();
    let settings = Settings { pins, ..Settings::default() };
    let mut bench = Bench::with(&started(settings.clone(), Vec::new()));
    let pins = bench.contact_under(&pinning("the bundle's")).verify().pins.clone();
    assert_eq!((pins.keyids, pins.required), ([Sha256::of(b"the bundle's")].into(), true));
    let mut bench = Bench::with(&started(settings.clone(), Vec::new()));
    let pins = bench.contact_under(&open()).verify().pins.clone();
    assert_eq!(pins, settings.root_pins(GUN), "where it pins nothing, the operator's counts");
    let mut bench = Bench::new();
    let authority = RootAnchor { authorities: vec!["a CA".to_owned()], ..RootAnchor::default() };
    let pins = bench.contact_under(&authority).verify().pins.clone();
    assert_eq!(pins.authorities, ["a CA"]);
}

#[test]
fn a_root_of_first_use_is_refused_where_the_bundle_forbids_it() {
    let mut bench = Bench::new();
    bench.contact_under(&RootAnchor::default());
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootUnpinned)));
    assert!(bench.machine.trusted().is_empty());
    let mut bench = Bench::new();
    bench.contact_under(&open());
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!(seen.code(), ("verified", None));
}

#[test]
fn an_answer_names_the_anchor_it_was_asked_for_with() {
    let mut bench = Bench::new();
    bench.contact_under(&open());
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!(seen.published[0].anchor, Some(open().digest()));
    assert_eq!(bench.ask("v1", 50).published.len(), 0, "another anchor is another question");
}

#[test]
pub fn versions_below_the_bundles_floors_are_refused_and_nothing_is_kept() {
    for (role, floor, refused) in [("root", 2, true), ("targets", 1, false), ("targets/x", 1, true)]
    {
        let mut bench = Bench::new();
        let floors = [(role.to_owned(), floor)].into();
        bench.contact_under(&RootAnchor { floors, ..open() });
        let seen = bench.concluded(1, collection(1).tag("v1").verified());
        let expected =
            if refused { ("refused", Some(DenyCode::Rollback)) } else { ("verified", None) };
        assert_eq!(seen.code(), expected, "{role}");
        assert_eq!(bench.machine.trusted().is_empty(), refused, "{role}");
    }
}

#[test]
pub fn another_anchor_has_what_is_kept_verified_again_without_the_network() {
    let mut bench = Bench::new();
    bench.contact_under(&open());
    bench.concluded(1, collection(1).tag("v1").verified());
    let seen = bench.ask_under(&pinning("the bundle's"), "v1", 50);
    assert!(seen.fetches.is_empty());
    assert_eq!(seen.verify().pins.keyids, [Sha256::of(b"the bundle's")].into());
    let seen = bench.concluded(2, collection(1).pinned().tag("v1").verified());
    assert_eq!(seen.published[0].anchor, Some(pinning("the bundle's").digest()));
    let seen = bench.ask_under(&pinning("the bundle's"), "v1", 50);
    assert_eq!(seen.code(), ("verified", None), "it is kept under that anchor now");
}

#[test]
pub fn questions_under_another_anchor_wait_for_a_flight_of_their_own() {
    let mut bench = Bench::new();
    bench.contact_under(&open());
    assert!(bench.ask_under(&pinning("new"), "v1", 50).published.is_empty());
    assert!(bench.ask_under(&pinning("newer"), "v1", 50).published.is_empty());
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!(seen.published.len(), 1, "whoever asked first is told");
    assert_eq!(seen.published[0].anchor, Some(open().digest()));
    // One of the others is under way, and the last one behind it.
    let first = seen.verify().pins.clone();
    let seen = bench.concluded(2, collection(1).pinned().tag("v1").verified());
    assert_eq!(seen.published.len(), 1);
    let second = seen.verify().pins.clone();
    assert_ne!(first, second);
    let seen = bench.concluded(3, collection(1).pinned().tag("v1").verified());
    assert_eq!(seen.published.len(), 1);
}

#[test]
fn a_kept_root_that_contradicts_the_bundle_gives_way_to_one_that_fits() {
    let mut bench = Bench::new();
    bench.contact_under(&pinning("old"));
    bench.concluded(1, collection(1).pinned().tag("v1").verified());
    bench.mono = 900;
    bench.ask_under(&pinning("new"), "v1", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let seen = bench.refused(2, DenyCode::RootPinMismatch);
    assert_eq!(seen.names(), ["timestamp.json", "root.json"]);
    bench.document(2, DocumentName::Root, "root of the bundle");
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 3");
    assert!(seen.verify().floors.is_empty() && !seen.verify().trusted_root);
    let verified = collection(3).root_text("root of the bundle").pinned().tag("v1").verified();
    let seen = bench.concluded(2, verified);
    assert_eq!(seen.code(), ("verified", None));
    assert_eq!(bench.machine.trusted()[0].root, blob("root of the bundle"));
}

#[test]
fn an_unpinned_successor_does_not_make_the_kept_root_and_its_floors_give_way() {
    let mut bench = Bench::new();
    bench.contact_under(&pinning("old"));
    bench.concluded(1, collection(1).pinned().tag("v1").verified());
    bench.mono = 900;
    bench.ask_under(&pinning("old"), "v1", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    // The server walks on to a root that the bundle does not pin, to have the floors forgotten.
    assert_eq!(bench.refused(2, DenyCode::Signature).names(), ["2.root.json"]);
    assert_eq!(bench.document(2, DocumentName::RootVersion(2), "root 2").names(), ["3.root.json"]);
    bench.absent(2, DocumentName::RootVersion(3));
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let seen = bench.refused(2, DenyCode::RootPinMismatch);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootPinMismatch)));
    assert_eq!(bench.machine.trusted()[0].root, blob("root 1"));
}
