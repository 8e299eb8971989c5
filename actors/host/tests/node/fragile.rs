//! The real admission machine, but for one flaw: a review of a certain name makes it panic, as does
//! the end of a certain seal. What waits, goes on; what it panicked on, never was.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use portreeve_host::journal::{FileSystem, layout};
use portreeve_host::node::cast::Cast;
use portreeve_host::node::{Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, ReviewFacts, RevokeSeal,
};
use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{
    ActorKind, BlobSource, Delivery, DenyCode, Entry, Input, Kept, Machine, Outbox, ProtocolError,
    Sha256,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::real::{Published, SIGNED, pod, replayed, start_on_disk, storm};
use crate::stage::{Stage, code};

struct Fragile(Admission);

impl Machine for Fragile {
    type Input = AdmissionInput;
    type Effect = AdmissionEffect;

    const KIND: ActorKind = ActorKind::Admission;

    fn handle(
        &mut self,
        delivery: &Delivery,
        input: &AdmissionInput,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        self.0.handle(delivery, input, out);
        // Late, so that much has been changed and emitted by then.
        if let AdmissionInput::Review(facts) = input {
            assert!(facts.name != "flaw", "the flaw in a review");
        }
        if let AdmissionInput::RevokeSeal(revoke) = input {
            assert!(revoke.reason != "flaw", "the flaw in the end of a seal");
        }
    }

    fn accept(input: &Input) -> Option<&AdmissionInput> {
        Admission::accept(input)
    }

    fn keep(&self) -> Result<Kept, ProtocolError> {
        self.0.keep()
    }

    fn resume(&mut self, state: &Value, blobs: &dyn BlobSource) -> Result<(), ProtocolError> {
        self.0.resume(state, blobs)
    }
}

fn cast() -> Cast<Fragile, NotaryFetcher, PolicyCache, Verifier> {
    let real = Cast::real();
    Cast {
        admission: |started| Fragile(Admission::new(started)),
        notary: real.notary,
        policy: real.policy,
        trusted: real.trusted,
        verify: real.verify,
    }
}

/// A trust server that answers about [`SIGNED`] once it is told to.
struct Held {
    open: watch::Receiver<bool>,
    server: Published,
}

impl Fetcher for Held {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let (mut open, held) = (self.open.clone(), request.gun == SIGNED);
        let answer = self.server.fetch(request);
        Box::pin(async move {
            if held {
                // The sender outlives the node.
                let _ = open.wait_for(|open| *open).await;
            }
            answer.await
        })
    }
}

fn flaw() -> ReviewFacts {
    ReviewFacts { name: "flaw".to_owned(), ..pod("elsewhere.example/app:1") }
}

/// A node whose trust server is silent, and one review that waits for it.
fn with_one_waiting(
    stage: &Stage,
) -> (Node, watch::Sender<bool>, tokio::task::JoinHandle<portreeve_host::node::Answer>) {
    let (opener, open) = watch::channel(false);
    let fetcher = Arc::new(Held { open, server: Published::new() });
    let options = NodeOptions { fetcher, segment_bytes: 8 << 10, ..stage.options() };
    let node = start_on_disk(stage, cast(), options, Arc::new(FileSystem));
    let waiting = {
        let (node, facts) = (node.clone(), pod(&format!("{SIGNED}:1")));
        stage.runtime.spawn(async move { node.review(facts).await })
    };
    stage.eventually("the review waits", || (node.health().reviews_in_flight == 1).then_some(()));
    // A checkpoint in which it waits.
    for _ in 0..200 {
        let refused = stage.runtime.block_on(node.review(pod("elsewhere.example/app:1")));
        assert_eq!(code(&refused), Some(DenyCode::NoPolicy));
    }
    stage.eventually("a checkpoint is written", || {
        std::fs::metadata(stage.segment(2)).is_ok_and(|it| it.len() > 0).then_some(())
    });
    (node, opener, waiting)
}

#[test]
fn after_a_panic_the_real_machine_goes_on_from_the_checkpoint_with_what_waits() {
    let stage = Stage::new();
    let (node, opener, waiting) = with_one_waiting(&stage);
    for _ in 0..2 {
        let refused = stage.runtime.block_on(node.review(flaw()));
        assert_eq!(code(&refused), Some(DenyCode::Internal));
        assert_eq!(node.health().poisoned, []);
    }
    assert!(!waiting.is_finished());
    opener.send(true).unwrap();
    let allowed = stage.runtime.block_on(waiting).unwrap();
    assert_eq!(code(&allowed), None);
    assert!(allowed.decision.patches() && allowed.record.is_some());
    storm(&stage, &node, 30);
    stage.stop(node);
    let report = replayed(&stage);
    assert_eq!((report.panics, report.unverified), (2, 0));
}

#[test]
fn reviews_that_wait_when_the_machine_panics_for_the_last_time_are_denied() {
    let stage = Stage::new();
    let (node, _opener, waiting) = with_one_waiting(&stage);
    for _ in 0..portreeve_protocol::limits::PANICS {
        let refused = stage.runtime.block_on(node.review(flaw()));
        assert_eq!(code(&refused), Some(DenyCode::Internal));
    }
    let denied = stage.runtime.block_on(waiting).unwrap();
    assert_eq!(code(&denied), Some(DenyCode::Internal));
    assert!(!node.health().alive());
    stage.stop(node);
    replayed(&stage);
}

/// What a process that is killed leaves: the files as they are at this moment.
fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn killed_right_after_a_panic_a_node_starts_without_that_delivery() {
    let stage = Stage::new();
    let (node, _opener, _waiting) = with_one_waiting(&stage);
    let end = |what: &str, reason: &str| RevokeSeal {
        digest: Sha256::of(what.as_bytes()),
        gun: SIGNED.to_owned(),
        reason: reason.to_owned(),
    };
    node.revoke_seal(end("kept", "leaked"));
    node.revoke_seal(end("dropped", "flaw"));
    let refused = stage.runtime.block_on(node.review(flaw()));
    assert_eq!(code(&refused), Some(DenyCode::Internal));
    // A denial waits for no disk, so the panic may still be on its way there.
    stage.eventually("the panic is recorded", || {
        let segments = layout::list(&stage.dir.path().join("journal")).unwrap();
        let mut texts = segments.iter().map(|(_, path)| std::fs::read_to_string(path).unwrap());
        texts.any(|text| text.contains(r#"{"entry":{"Panicked":"#)).then_some(())
    });
    let killed = Stage::new();
    copied(&stage.dir.path().join("journal"), &killed.dir.path().join("journal"));
    let options = NodeOptions { fetcher: Arc::new(Published::new()), ..killed.options() };
    let again = start_on_disk(&killed, cast(), options, Arc::new(FileSystem));
    let allowed = killed.runtime.block_on(again.review(pod(&format!("{SIGNED}:1"))));
    assert_eq!(code(&allowed), None);
    killed.stop(again);
    let report = replayed(&killed);
    // What the machine did not handle says how things are from then on: it is not used again.
    assert_eq!((report.panics, report.incarnations), (1, 2));
    let last =
        killed.entries_left().into_iter().rev().find_map(|entry| {
            if let Entry::Started(started) = entry { Some(started) } else { None }
        });
    let revoked: Vec<_> = last.unwrap().restored.revoked.iter().map(|it| it.digest).collect();
    assert_eq!(revoked, [Sha256::of(b"kept")]);
    stage.stop(node);
}
