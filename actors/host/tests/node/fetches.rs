//! Exactly one end comes of every fetch; documents are stored beside the records that name them.

use portreeve_host::journal::Journal;
use portreeve_protocol::{BlobSource, DenyCode, Entry, Input, Sha256, limits};

use crate::stage::{DOCUMENT, Stage, code};

fn ask(gun: &str) -> (Stage, Option<DenyCode>, String) {
    let stage = Stage::new();
    let node = stage.start();
    let answer = stage.review(&node, &format!("resolve https://n.example {gun}"));
    stage.stop(node);
    let detail = answer.decision.denial.as_ref().map(|why| why.detail.clone());
    (stage, code(&answer), detail.unwrap_or_default())
}

#[test]
fn a_fetched_document_reaches_the_verifier_and_is_stored_beside_the_journal() {
    let (stage, code, detail) = ask("some/gun");
    let digest = Sha256::of(DOCUMENT);
    assert_eq!((code, detail), (Some(DenyCode::Signature), digest.to_string()));
    let journal = Journal::open(stage.dir.path()).unwrap();
    assert_eq!(&*journal.blobs().bytes(&digest).unwrap(), DOCUMENT);
    let named = stage.entries().into_iter().any(|entry| {
        let Entry::Delivered(delivered) = entry else { return false };
        matches!(&*delivered.input, Input::Notary(input) if !input.blobs().is_empty())
    });
    assert!(named, "a record names the document");
}

#[test]
fn an_absent_document_is_an_answer() {
    assert_eq!(ask("absent").1, Some(DenyCode::NotSigned));
}

#[test]
fn a_server_that_does_not_answer_in_time_is_unreachable() {
    let (_, code, detail) = ask("silent-server");
    assert_eq!(code, Some(DenyCode::Unreachable));
    assert_eq!(detail, "https://n.example did not answer in 5 ms");
}

#[test]
fn a_panic_of_the_client_is_an_outcome_like_any_other() {
    assert_eq!(ask("panicking-client").1, Some(DenyCode::Internal));
}

#[test]
fn a_document_longer_than_asked_for_is_refused() {
    let (_, code, detail) = ask("large-document");
    assert_eq!(code, Some(DenyCode::Oversize));
    assert_eq!(detail, "timestamp.json has 101 bytes; at most 100 are accepted");
}

#[test]
fn trust_servers_beyond_the_limit_are_refused_and_the_others_go_on() {
    let stage = Stage::new();
    let node = stage.start();
    let ask = |server: usize| {
        code(&stage.review(&node, &format!("resolve https://n{server}.example absent")))
    };
    for server in 0..limits::TRUST_SERVERS {
        assert_eq!(ask(server), Some(DenyCode::NotSigned));
    }
    assert_eq!(ask(limits::TRUST_SERVERS), Some(DenyCode::Capacity));
    assert_eq!(ask(0), Some(DenyCode::NotSigned));
    stage.stop(node);
}
