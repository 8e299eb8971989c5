//! How a server begins and ends.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portreeve_host::HostError;
use portreeve_host::clock::Clock;
use portreeve_host::config::Config;
use portreeve_host::serve::serve;
use portreeve_lab::LoopbackTls;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::rig::{
    Fixture, PATIENCE, POLICY, config, connect, fixture, get, http1, pod, read, review, send,
    silent, write,
};

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_with_idle_connections_open_and_listens_no_more() {
    let fixture = fixture(Some(POLICY), None).await;
    let address = fixture.running.address();
    let idle = fixture.connect(b"http/1.1", false).await;
    let ended = tokio::time::timeout(PATIENCE, fixture.running.shutdown()).await;
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_unusable_files_are_errors_that_name_them() {
    let taken = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = taken.local_addr().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let fails = async |change: &dyn Fn(&mut Config)| {
        let files = tempfile::tempdir().unwrap();
        let mut config = config(files.path(), &tls);
        change(&mut config);
        let journal = config.journal_dir.clone();
        match serve(config, Clock::system(), silent()).await {
            Ok(_) => panic!("it started"),
            Err(error) => {
                assert!(!journal.exists(), "the journal of a server that never was");
                error
            }
        }
    };
    let error = fails(&|config| config.listen = address).await;
    assert!(matches!(error, HostError::Listen { address: found, .. } if found == address));
    let error = fails(&|config| config.metrics_listen = Some(address)).await;
    assert!(matches!(error, HostError::Listen { address: found, .. } if found == address));
    let error =
        fails(&|config| config.tls_cert = config.objects.directory().unwrap().join("none.crt"))
            .await;
    assert!(error.to_string().contains("none.crt"), "{error}");
    let error = fails(&|config| config.tls_key.clone_from(&config.tls_cert)).await;
    assert!(matches!(error, HostError::Tls { what: "cannot use the private key in", .. }));
    let error = fails(&|config| config.client_ca = Some(config.tls_key.clone())).await;
    assert!(matches!(error, HostError::Tls { what: "cannot use the CA certificates in", .. }));
}

#[tokio::test]
async fn a_server_serves_where_its_operators_socket_cannot_be_made_or_the_journal_lies_elsewhere() {
    let files = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let mut config = config(files.path(), &tls);
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    config.journal_dir = files.path().join("elsewhere");
    // Longer than the address of a Unix socket may be.
    for data_dir in [files.path().join("data"), files.path().join("d".repeat(120))] {
        config.data_dir = data_dir;
        let running = serve(config.clone(), Clock::system(), silent()).await.unwrap();
        tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
        running.shutdown().await.unwrap();
    }
}

/// A server that has been told to end, and takes its time.
async fn slow_to_leave() -> Fixture {
    let files = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let mut config = config(files.path(), &tls);
    config.drain_delay = 4_000_000;
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    let running = serve(config, Clock::system(), silent()).await.unwrap();
    tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
    Fixture { client_ca: None, files, running, tls }
}

async fn http2(address: SocketAddr, tls: &LoopbackTls) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = connect(address, tls, rustls::DEFAULT_VERSIONS, b"h2", None).await;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    (sender, tokio::spawn(connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_listener_closes_readiness_is_false_and_reviews_are_still_decided() {
    let Fixture { running, tls, files, .. } = slow_to_leave().await;
    let address = running.address();
    let ended = tokio::spawn(running.shutdown());
    let ready = async {
        loop {
            let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
            let answer = send(stream, get("/readyz")).await;
            if answer.0 != StatusCode::OK {
                return answer.1;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(text, "not ready\nthis replica is shutting down\n");
    let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let (_, text) = send(stream, review(body)).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    drop(files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_gives_up_its_connections_so_that_reviews_go_elsewhere() {
    let Fixture { running, tls, files, .. } = slow_to_leave().await;
    let address = running.address();
    let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
    let mut old = http1(stream).await;
    let verbose = "ready\npolicies: ok\ntls: ok\njournal: ok\nserving: ok\n";
    let response = old.send_request(get("/readyz?verbose")).await.unwrap();
    assert!(!response.headers().contains_key("connection"), "it is kept open");
    assert_eq!(read(response).await, (StatusCode::OK, verbose.to_owned()));
    let (mut old_h2, old_h2_ended) = http2(address, &tls).await;
    assert_eq!(read(old_h2.send_request(get("/livez")).await.unwrap()).await.0, StatusCode::OK);
    let ended = tokio::spawn(running.shutdown());
    tokio::time::timeout(PATIENCE, old_h2_ended).await.unwrap().unwrap().unwrap();
    let body = |uid| pod(uid, "registry.example/app:1").to_string();
    old.ready().await.unwrap();
    let response = old.send_request(review(body("u-1"))).await.unwrap();
    assert_eq!(response.headers()["connection"], "close");
    let (_, text) = read(response).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    // What comes meanwhile is answered, once.
    let (mut new_h2, new_h2_ended) = http2(address, &tls).await;
    let (_, text) = read(new_h2.send_request(review(body("u-2"))).await.unwrap()).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    tokio::time::timeout(PATIENCE, new_h2_ended).await.unwrap().unwrap().unwrap();
    assert!(!ended.is_finished(), "the delay leaves time for what is shown here");
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    drop(files);
}
