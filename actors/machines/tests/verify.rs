//! Rules of the verifier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_machines::Verifier;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput, VerifyRequest};
use portreeve_protocol::{
    ActorId, Blob, Delivery, EventId, Machine, Now, Outbox, Settings, Sha256, Wall,
};

#[test]
fn a_conclusion_goes_to_the_fetcher_that_asked_with_its_flight() {
    let started = Started {
        build: "test".to_owned(),
        incarnation: 1,
        jitter_seed: 0,
        node: "n".parse().unwrap(),
        restored: Restored::default(),
        rules: portreeve_protocol::RULES_VERSION,
        settings: Settings::default(),
        settings_digest: Sha256::ZERO,
        wall: Wall(0),
    };
    let request = VerifyRequest {
        documents: Vec::new(),
        first_use: true,
        floors: Default::default(),
        flight: 7,
        gun: "registry.example/app".to_owned(),
        pins: Default::default(),
        roots: vec![Blob::new(&b"not a root"[..])],
        server: "https://notary.example".to_owned(),
        tags: ["v1".to_owned()].into(),
        timestamp: Blob::new(&b"not a timestamp"[..]),
        trusted_root: false,
    };
    let event =
        EventId { node: "n".parse().unwrap(), incarnation: 1, actor: ActorId::Verify(2), seq: 1 };
    let delivery = Delivery { root: event.clone(), event, now: Now::default() };
    let mut out = Outbox::default();
    let input = VerifyInput::Verify(Box::new(request));
    Verifier::new(&started).handle(&delivery, &input, &mut out);
    let effects = out.into_effects();
    let [VerifyEffect::Conclude { verification, server }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(server, "https://notary.example");
    assert_eq!((verification.flight, verification.gun.as_str()), (7, "registry.example/app"));
    assert!(matches!(verification.outcome, VerifyOutcome::Refused(_)));
}
