//! The operator's socket of a running node: what is trusted is seen and forgotten over it, and the
//! journal knows of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use portreeve_host::clock::Clock;
use portreeve_host::control::{Reply, Request, ask, path};
use portreeve_lab::{LoopbackTls, NotaryServer};
use portreeve_protocol::Settings;
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_tests::node::{TestNode, approving};
use portreeve_tests::review::{Outcome, pod};
use portreeve_tests::signed::{GUN, NOW, policy, publish};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

/// Asks off the runtime, as a command in another process would.
async fn asked(place: &Path, request: Request) -> Reply {
    let place = place.to_owned();
    spawn_blocking(move || ask(&place, &request).unwrap()).await.unwrap()
}

async fn guns(place: &Path) -> Vec<String> {
    match asked(place, Request::TrustList).await {
        Reply::Trust { collections } => collections.into_iter().map(|it| it.gun).collect(),
        other
        @ (Reply::Done | Reply::Failed { .. } | Reply::Reset { .. } | Reply::Seals { .. }) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn an_operator_sees_what_is_trusted_and_forgets_a_root_that_changed() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = LoopbackTls::new().unwrap();
        let server = NotaryServer::start(&tls).await.unwrap();
        let url = server.url();
        publish(&server, 1).unwrap();
        // So that every review asks the trust server.
        let settings = Settings { freshness: 0, ..approving([url.as_str()]) };
        let objects = policy(&url);
        let node = TestNode::start(&tls, &objects, settings, Clock::showing(NOW)).await.unwrap();
        let place = node.data_dir();
        let mode = std::fs::metadata(path(&place)).unwrap();
        assert!(mode.file_type().is_socket());
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(guns(&place).await, Vec::<String>::new());

        let image = format!("{GUN}:v1");
        let review = async |uid: &str| node.review(&pod(uid, "default", &image)).await.unwrap();
        assert!(matches!(review("first").await, Outcome::Allowed { .. }));
        assert_eq!(guns(&place).await, [GUN]);

        publish(&server, 2).unwrap();
        assert!(matches!(review("refused").await, Outcome::Denied { .. }));
        let reset = |server: &str| Request::TrustReset {
            gun: GUN.to_owned(),
            reason: "the key was lost".to_owned(),
            server: server.to_owned(),
        };
        let elsewhere = asked(&place, reset("https://other.example")).await;
        assert_eq!(elsewhere, Reply::Reset { known: false });
        assert!(matches!(asked(&place, reset("no url")).await, Reply::Failed { .. }));
        // In another spelling of the same server.
        assert_eq!(asked(&place, reset(&format!("{url}/"))).await, Reply::Reset { known: true });
        assert_eq!(guns(&place).await, Vec::<String>::new());
        assert!(matches!(review("second").await, Outcome::Allowed { .. }));
        assert_eq!(guns(&place).await, [GUN]);

        let ended = node.end().await.unwrap();
        assert!(!path(&place).exists());
        let journal = ended.journal().unwrap();
        let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
        assert_eq!(report.outcome(), Replayed::Identical, "{report:?}");
        let lines: Vec<_> = journal.lines().map(|line| line.unwrap().bytes).collect();
        let reason = b"the key was lost";
        assert!(lines.iter().any(|line| line.windows(reason.len()).any(|part| part == reason)));
    });
}

#[test]
fn what_is_no_request_is_answered_with_a_failure_and_disturbs_nobody() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = LoopbackTls::new().unwrap();
        let node = TestNode::start(&tls, "", approving([]), Clock::showing(NOW)).await.unwrap();
        let place = node.data_dir();
        for nonsense in ["\n", "{}\n", "{\"command\":\"seal\"}\n", "\u{0}\u{1}\n"] {
            let socket = path(&place);
            let answer = spawn_blocking(move || {
                let mut stream = UnixStream::connect(socket).unwrap();
                stream.write_all(nonsense.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            });
            let answer = answer.await.unwrap();
            assert!(answer.starts_with("{\"answer\":\"failed\""), "{nonsense:?}: {answer}");
        }
        assert_eq!(guns(&place).await, Vec::<String>::new());
        node.end().await.unwrap();
    });
}
