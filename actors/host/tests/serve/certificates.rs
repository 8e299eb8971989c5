//! The server's own certificate: replaced while running, and warned of before it ends.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use portreeve_host::clock::Clock;
use portreeve_host::serve::serve;
use portreeve_lab::LoopbackTls;
use portreeve_protocol::Wall;
use rcgen::{CertificateParams, KeyPair};
use slog::{Drain, Logger, o};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{Fixture, POLICY, config, get, http1, read, silent, until, write};

/// Log lines, kept.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_within_fourteen_days_is_warned_of() {
    const DAY: i64 = 86_400_000_000;
    let end = Wall(1_798_761_600_000_000);
    for (days, warned) in [(15, false), (13, true)] {
        let files = tempfile::tempdir().unwrap();
        let mut config = config(files.path(), &LoopbackTls::new().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        config.tls_cert = write(files.path(), "soon.crt", &certificate.pem());
        config.tls_key = write(files.path(), "soon.key", &key.serialize_pem());
        let lines = Kept::default();
        let drain = std::sync::Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let clock = Clock::showing(Wall(end.0 - days * DAY));
        let running = serve(config, clock, Logger::root(drain, o!())).await.unwrap();
        running.shutdown().await.unwrap();
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line = lines.lines().find(|line| line.contains("ends soon"));
        assert_eq!(line.is_some(), warned, "{days} days before: {lines}");
        // A moment passes until it is looked at.
        let days = ["\"days\":12", "\"days\":13"];
        let told = |line: &str| line.contains("WARN") && days.iter().any(|it| line.contains(it));
        assert!(line.is_none_or(told), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_usable_certificate_leaves_no_trace_in_the_journal() {
    let files = tempfile::tempdir().unwrap();
    let mut config = config(files.path(), &LoopbackTls::new().unwrap());
    config.tls_cert = write(files.path(), "none.crt", "not a certificate");
    let journal = config.journal_dir.clone();
    let refused = serve(config, Clock::system(), silent()).await.err().unwrap();
    assert!(refused.to_string().contains("none.crt"), "{refused}");
    assert!(!journal.exists(), "an incarnation was begun");
}

/// Swaps the files as the kubelet does: a link to a directory is replaced in one step.
fn swap(files: &Path, round: u32, certificate: &str, key: &str) {
    let directory = files.join(format!("..{round}"));
    fs::create_dir(&directory).unwrap();
    write(&directory, "tls.crt", certificate);
    write(&directory, "tls.key", key);
    let link = files.join("..tmp");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    fs::rename(link, files.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_while_running_and_broken_ones_leave_the_old_in_force() {
    let files = tempfile::tempdir().unwrap();
    let mounted = tempfile::tempdir().unwrap();
    let (first, second) = (LoopbackTls::new().unwrap(), LoopbackTls::new().unwrap());
    let mut config = config(files.path(), &first);
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    swap(mounted.path(), 1, &first.certificate_pem(), &first.key_pem());
    for (name, path) in [("tls.crt", &mut config.tls_cert), ("tls.key", &mut config.tls_key)] {
        *path = mounted.path().join(name);
        std::os::unix::fs::symlink(Path::new("..data").join(name), &*path).unwrap();
    }
    let running = serve(config, Clock::system(), silent()).await.unwrap();
    let mut fixture = Fixture { client_ca: None, files, running, tls: first };
    let old = fixture.connect(b"http/1.1", false).await;
    let shown = async |metric: &str| {
        let mut stream =
            TcpStream::connect(fixture.running.metrics_address().unwrap()).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text.lines().any(|line| line == metric)
    };
    // A key that is not the certificate's.
    swap(mounted.path(), 2, &second.certificate_pem(), &fixture.tls.key_pem());
    until(async || shown("portreeve_certificate_loaded 0").await).await;
    assert!(shown("portreeve_certificate_reloads_total{result=\"failed\"} 1").await);
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK, "the old one is in force");
    swap(mounted.path(), 3, &second.certificate_pem(), &second.key_pem());
    until(async || shown("portreeve_certificate_loaded 1").await).await;
    fixture.tls = second;
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK, "the new one is shown");
    // A connection that stands goes on.
    let mut sender = http1(old).await;
    let (status, _) = read(sender.send_request(get("/livez")).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}
