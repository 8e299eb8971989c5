//! Protocols, and connections that are broken, slow or silent.

use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portreeve_protocol::limits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{PATIENCE, POLICY, fixture, http1, pod, read, review};

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_it_is_offered() {
    let fixture = fixture(Some(POLICY), None).await;
    let stream = fixture.connect(b"h2", false).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = review(pod("u-2", "registry.example/app:1").to_string());
    *request.uri_mut() = "https://localhost/admit".parse().unwrap();
    let (status, body) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("\"allowed\":true"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_spoken_and_1_1_is_refused() {
    let fixture = fixture(Some(POLICY), None).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = fixture.connect_by(&[version], b"http/1.1", None).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let mut sender = http1(stream).await;
        let body = pod("u-1", "registry.example/app:1").to_string();
        let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    // A ClientHello of TLS 1.1: no client of ours can say that any more.
    let suites = [0xc0, 0x09, 0xc0, 0x0a, 0x00, 0x2f];
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 6]);
    hello.extend(suites);
    hello.extend([1, 0]);
    let length = hello.len() as u8;
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(fixture.running.address()).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // It may also just hang up.
    let _ = read.unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    // `handshake_failure` or `protocol_version`, whichever is looked at first; both are fatal.
    let refused = [[2, 40], [2, 70]];
    assert!(refused.iter().any(|it| answer.get(5..7) == Some(&it[..])), "{answer:?}");
    assert_eq!(answer.len(), 7, "nothing follows: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_handshakes_and_heads_disturb_nobody() {
    let fixture = fixture(Some(POLICY), None).await;
    drop(TcpStream::connect(fixture.running.address()).await.unwrap());
    let mut noise = TcpStream::connect(fixture.running.address()).await.unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // The server ends the connection, with or without an alert.
    let _ = noise.read_to_end(&mut rest).await;
    let mut head = fixture.connect(b"http/1.1", false).await;
    head.write_all(b"POST /admit HTTP/1.1\r\nBroken").await.unwrap();
    assert_eq!(fixture.get("/livez").await, (StatusCode::OK, "alive\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_may_come_in_pieces() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut stream = fixture.connect(b"http/1.1", false).await;
    let head = "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in pod("u-1", "registry.example/app:1").to_string().as_bytes().chunks(50) {
        let text = std::str::from_utf8(piece).unwrap();
        let chunk = format!("{:x}\r\n{text}\r\n", piece.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"allowed\":true"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_announced_and_never_sent_hold_up_nobody() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut silent = Vec::new();
    for _ in 0..=limits::BODIES_BYTES / limits::REVIEW_BYTES {
        let mut stream = fixture.connect(b"http/1.1", false).await;
        let head = format!(
            "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{{",
            limits::REVIEW_BYTES
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let response = fixture.response(&pod("u-1", "registry.example/app:1")).await;
    assert_eq!(response["allowed"], json!(true));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_too_long_is_refused_as_such_though_none_of_it_comes() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut stream = fixture.connect(b"http/1.1", false).await;
    let head = "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
