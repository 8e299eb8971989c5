//! The journal that a real node leaves: it replays to the same decisions, and no byte of it can be
//! changed unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_host::clock::Clock;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::{BlobSource, Sha256, Wall};
use portreeve_replay::{Outcome as Replayed, Report, split, verify};
use portreeve_tests::node::{Ended, TestNode, approving};
use portreeve_tests::review::{Outcome, pod};
use serde_json::json;
use tokio::runtime::Builder;

const NOW: Wall = Wall(1_795_415_688_000_000);
const GUN: &str = "registry.example/team/app";
/// Every so many bytes of the journal are changed, one at a time; prime, so that all columns occur.
const STRIDE: usize = 37;

/// A node that has admitted a signed image twice and refused an unsigned one, and was ended.
async fn a_short_life() -> Ended {
    let tls = LoopbackTls::new().expect("certificates are made");
    let server = NotaryServer::start(&tls).await.expect("the lab serves");
    let mut collection =
        Collection::new(GUN, Keys::deterministic(1), NOW).expect("a collection is made");
    collection.sign_base("v1", Sha256::of(b"image"), 401);
    server.publish(GUN, collection.publish(NOW).expect("the collection is signed"));
    let url = server.url();
    let trust = json!({"enabled": true, "trustServer": url});
    let repositories = json!([{"name": "registry.example/*", "policy": {"trust": trust}}]);
    let policy = json!({
        "apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "all"}, "spec": {"repositories": repositories},
    });
    let clock = Clock::showing(NOW);
    let node = TestNode::start(&tls, &policy.to_string(), approving([url.as_str()]), clock).await;
    let node = node.expect("the node starts");
    for (uid, tag) in [("first", "v1"), ("second", "v1"), ("third", "v2")] {
        let image = format!("{GUN}:{tag}");
        let outcome = node.review(&pod(uid, "default", &image)).await.expect("the node answers");
        assert_eq!(matches!(outcome, Outcome::Allowed { .. }), tag == "v1", "{outcome:?}");
    }
    node.end().await.expect("the node ends")
}

fn lived() -> Ended {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(a_short_life())
}

/// The one segment of a short life: its name and its bytes.
fn segment(ended: &Ended) -> (String, Vec<u8>) {
    let journal = ended.journal().expect("there is a journal");
    let [path] = journal.segments() else { panic!("a short life has one segment") };
    let name = path.file_name().expect("a segment has a name").to_string_lossy().into_owned();
    (name, std::fs::read(path).expect("a segment can be read"))
}

fn replayed(name: &str, bytes: &[u8], blobs: &dyn BlobSource) -> Report {
    verify(split(name, bytes), blobs, &mut |_| {}).expect("lines in memory can be read")
}

#[test]
fn a_journal_of_a_real_node_replays_to_the_same_decisions() {
    let ended = lived();
    let journal = ended.journal().expect("there is a journal");
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {});
    let report = report.expect("the journal can be read");
    assert_eq!(report.outcome(), Replayed::Identical, "{:?}", report.first);
    assert_eq!((report.decisions, report.answered, report.incarnations), (3, 3, 1));
    assert_eq!((report.gaps, report.panics, report.unverified), (0, 0, 0));
}

#[test]
fn any_edited_byte_is_reported_at_its_record() {
    let ended = lived();
    let blobs = ended.journal().expect("there is a journal").blobs();
    let (name, bytes) = segment(&ended);
    assert!(bytes.len() > 40 * STRIDE, "only {} bytes", bytes.len());
    for at in (0..bytes.len()).step_by(STRIDE).chain([bytes.len() - 1]) {
        let mut edited = bytes.clone();
        edited[at] ^= 1;
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        let report = replayed(&name, &edited, &blobs);
        // The very last byte ends the last line: without it, that line is one cut off by a crash.
        let found = match (&report.first, &report.torn) {
            (Some(found), _) => found.line,
            (None, Some(torn)) if at + 1 == bytes.len() => torn.line,
            (None, _) => panic!("byte {at} of line {line} is changed unnoticed"),
        };
        assert_eq!(found, line, "byte {at}: {report:?}");
    }
}

#[test]
fn a_removed_or_repeated_record_is_reported_at_the_one_behind_it() {
    let ended = lived();
    let blobs = ended.journal().expect("there is a journal").blobs();
    let (name, bytes) = segment(&ended);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 1..lines.len() - 1 {
        let removed: Vec<u8> = [&lines[..at], &lines[at + 1..]].concat().concat();
        let report = replayed(&name, &removed, &blobs);
        assert_eq!(report.first.map(|found| found.line), Some(at as u64 + 1), "removed {at}");
        let repeated: Vec<u8> = [&lines[..=at], &lines[at..]].concat().concat();
        let report = replayed(&name, &repeated, &blobs);
        assert_eq!(report.first.map(|found| found.line), Some(at as u64 + 2), "repeated {at}");
    }
}

#[test]
fn an_altered_blob_is_reported_where_it_is_first_named() {
    let ended = lived();
    let journal = ended.journal().expect("there is a journal");
    let altered = Altered(journal.blobs());
    let report = verify(journal.lines(), &altered, &mut |_| {}).expect("the journal can be read");
    let found = report.first.expect("the altered document is noticed");
    assert_eq!(found.kind.name(), "blob-altered", "{found:?}");
}

/// Blobs of which every last byte is changed.
struct Altered<B>(B);

impl<B: BlobSource> BlobSource for Altered<B> {
    fn bytes(
        &self,
        digest: &Sha256,
    ) -> Result<std::sync::Arc<[u8]>, portreeve_protocol::ProtocolError> {
        let mut bytes = self.0.bytes(digest)?.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        Ok(bytes.into())
    }
}
