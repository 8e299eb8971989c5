//! Who may send reviews.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use portreeve_protocol::limits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{
    ClientCa, Fixture, PATIENCE, POLICY, fixture, get, http1, pod, read, review, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn with_a_client_ca_only_verified_clients_may_send_reviews() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let (status, _) = fixture.admit(body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let stream = fixture.connect(b"http/1.1", false).await;
    let mut sender = http1(stream).await;
    let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
    // An HTTP error would be an allow under `failurePolicy: Ignore`.
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("\"allowed\":false"), "{text}");
    assert!(text.contains("client-unauthenticated") && text.contains("client CA"), "{text}");
    sender.ready().await.unwrap();
    let mut deletion = pod("u-2", "registry.example/app:1");
    deletion["request"]["operation"] = json!("DELETE");
    let request = review(deletion.to_string());
    let (_, text) = read(sender.send_request(request).await.unwrap()).await;
    assert!(text.contains("client-unauthenticated"), "not even what is allowed unseen: {text}");
    sender.ready().await.unwrap();
    let (status, _) = read(sender.send_request(get("/livez")).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "probes have no certificate");
    let mut stranger = fixture.connect_as(b"http/1.1", Some(&ClientCa::new())).await;
    // In TLS 1.3 the client learns only afterwards that its certificate was refused.
    let _ = stranger.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(stranger.read_u8().await.is_err(), "a certificate of another CA ends the connection");
    let journal = fixture.journal();
    assert!(journal.contains(r#""peer":{"address":"127.0.0.1","authenticated":true}"#));
    assert!(journal.contains("client-unauthenticated"), "the refusal is recorded");
    assert!(journal.contains(r#""client_required":true"#));
    let (_, metrics) = fixture.get("/metrics").await;
    assert!(metrics.contains("portreeve_handshakes_failed_total{why=\"certificate\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_denied_at_validate_as_well_and_the_journal_says_so() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let stream = fixture.connect(b"http/1.1", false).await;
    let mut sender = http1(stream).await;
    let body = pod("u-stranger", "registry.example/app:1").to_string();
    let request = Request::post("/validate?timeout=10s")
        .header("Content-Type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let (status, text) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("client-unauthenticated"), "{text}");
    let text = fixture.journal();
    let record = text.lines().find(|line| line.contains("u-stranger")).expect("it is recorded");
    for part in [
        r#""path":"Validate""#,
        r#""peer":{"address":"127.0.0.1","authenticated":false}"#,
        r#""allowed":false"#,
        "client-unauthenticated",
    ] {
        assert!(record.contains(part), "{part}: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_ca_is_replaced_while_running() {
    let mut fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let next = ClientCa::new();
    let allowed = async |fixture: &Fixture, ca: &ClientCa| {
        let stream = fixture.connect_as(b"http/1.1", Some(ca)).await;
        let io = TokioIo::new(stream);
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(io).await else {
            return false;
        };
        tokio::spawn(connection);
        let body = pod("u-1", "registry.example/app:1").to_string();
        // A certificate of another CA ends the connection.
        let Ok(answer) = sender.send_request(review(body)).await else { return false };
        read(answer).await.1.contains("\"allowed\":true")
    };
    let old = fixture.client_ca.take().unwrap();
    assert!(allowed(&fixture, &old).await && !allowed(&fixture, &next).await);
    let path = fixture.files.path().join("clients.crt");
    // While both are in the file, clients of both are known: that is how a CA is changed.
    fs::write(&path, [old.certificate.as_str(), &next.certificate].concat()).unwrap();
    until(async || allowed(&fixture, &next).await).await;
    assert!(allowed(&fixture, &old).await);
    fs::write(&path, "no certificate at all").unwrap();
    let metric = "portreeve_certificate_loaded 0";
    fixture.client_ca = Some(next);
    until(async || fixture.get("/metrics").await.1.lines().any(|line| line == metric)).await;
    let next = fixture.client_ca.take().unwrap();
    assert!(allowed(&fixture, &next).await && allowed(&fixture, &old).await);
    fs::write(&path, &next.certificate).unwrap();
    until(async || !allowed(&fixture, &old).await).await;
    assert!(allowed(&fixture, &next).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_dawdle_keep_no_review_of_a_known_client_waiting() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let mut silent = Vec::new();
    for _ in 0..limits::STRANGERS_IN_FLIGHT * 4 {
        let mut stream = fixture.connect(b"http/1.1", false).await;
        let head = "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
            Content-Length: 4000000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let asked = pod("u-1", "registry.example/app:1");
    let asked = fixture.response(&asked);
    let response = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    assert_eq!(response["allowed"], json!(true));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_of_strangers_take_little_of_the_journal_however_many_and_large_they_are() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let mut sender = http1(fixture.connect(b"http/1.1", false).await).await;
    let mut large = pod("u-stranger", "registry.example/app:1");
    let image = format!("registry.example/{}:1", "a".repeat(900));
    let container = json!({"name": "c".repeat(900), "image": image});
    large["request"]["object"]["spec"]["containers"] = vec![container; 500].into();
    large["request"]["userInfo"]["username"] = "d".repeat(90_000).into();
    let (large, asked) = (large.to_string(), limits::STRANGERS_RECORDED as usize + 20);
    for _ in 0..asked {
        sender.ready().await.unwrap();
        let answer = sender.send_request(review(large.clone())).await.unwrap();
        let (status, text) = read(answer).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(text.contains("\"allowed\":false") && text.contains("u-stranger"), "{text}");
        assert!(text.contains("client-unauthenticated"), "{text}");
    }
    let known = fixture.response(&pod("u-known", "registry.example/app:1")).await;
    assert_eq!(known["allowed"], json!(true));
    let journal = fixture.journal();
    let recorded = journal.lines().filter(|line| line.contains("u-stranger"));
    let (count, bytes) = recorded.fold((0, 0), |(n, sum), line| (n + 1, sum + line.len()));
    // As many as there may be at once, and one for each second that this takes.
    assert!((64..asked + 1).contains(&count) && bytes < count * 3_000, "{count} with {bytes}");
    assert!(journal.contains("u-known"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_strangers_leave_room_for_known_clients() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let mut strangers = Vec::new();
    for _ in 0..limits::STRANGERS_CONNECTIONS_EACH + 3 {
        strangers.push(fixture.connect(b"h2", false).await);
    }
    let turned_away = async {
        for stranger in strangers.iter_mut().rev().take(3) {
            // With or without an alert.
            let _ = stranger.read_to_end(&mut Vec::new()).await;
        }
    };
    tokio::time::timeout(PATIENCE, turned_away).await.unwrap();
    let (status, _) = fixture.admit(pod("u-1", "registry.example/app:1").to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let (_, metrics) = fixture.get("/metrics").await;
    assert!(metrics.contains("portreeve_handshakes_failed_total{why=\"crowded\"} 3"), "{metrics}");
    strangers.clear();
    let freed = async {
        loop {
            let mut stranger = fixture.connect(b"http/1.1", false).await;
            let _ = stranger.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
            if stranger.read_u8().await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("they give their places back");
}
