//! Servers that mean harm: bounds in bytes and time, and credentials that stay where they belong.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use portreeve_host::credentials::Credentials;
use portreeve_host::notary_client::{FetchAnswer, Fetcher, FetcherOptions};
use portreeve_protocol::DenyCode;
use portreeve_protocol::messages::notary::FetchRequest;

use crate::server::*;

const CANARY: &str = "canary-in-the-password";
const HEAD: &str = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A credential for `reg.example`, in Secret `web/pull`.
fn credentials() -> Credentials {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let entry = format!(r#"{{"username":"alice","password":"{CANARY}"}}"#);
    std::fs::write(&file, format!(r#"{{"auths":{{"reg.example":{entry}}}}}"#)).unwrap();
    let credentials = Credentials::default();
    credentials.add_file("web", "pull", &file).unwrap();
    credentials
}

/// What came of it, which must hold no credential.
async fn asked(server: &Server, timeout: u64) -> FetchAnswer {
    let request = FetchRequest { timeout, ..request_with(&server.url(), &["pull"]) };
    let answer = server.client_with(&credentials()).fetch(request).await;
    assert!(!format!("{answer:?}").contains(CANARY));
    answer
}

/// A script that answers for tokens with `token` and sends everyone else there.
fn at_the_realm(
    token: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&str) -> Reply + Send + Sync + 'static {
    move |request| match request.starts_with("GET /token") {
        true => token(),
        false => challenge_to_itself(request),
    }
}

fn endless() -> Reply {
    Reply::Endless(HEAD.to_owned(), format!("1000\r\n{}\r\n", "x".repeat(0x1000)))
}

/// An answer of headers without end.
fn endless_head() -> Reply {
    let line = format!("X-Header: {}\r\n", "x".repeat(1_000));
    Reply::Endless("HTTP/1.1 200 X\r\n".to_owned(), line)
}

fn drip() -> Reply {
    Reply::SlowDrip("HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n{".to_owned())
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_limit_from_the_trust_server_and_the_token_server() {
    for server in [Server::start(|_| endless()).await, Server::start(at_the_realm(endless)).await] {
        let answer = asked(&server, 20_000_000).await;
        assert_eq!(answer.retry_after, None);
        assert_eq!(failed(answer.outcome).0, DenyCode::Oversize);
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_at_its_limit() {
    for script in
        [Server::start(|_| endless_head()).await, Server::start(at_the_realm(endless_head)).await]
    {
        let answer = asked(&script, 20_000_000).await;
        assert_eq!(failed(answer.outcome).0, DenyCode::Unreachable);
    }
}

#[tokio::test]
async fn a_slow_drip_ends_when_the_time_is_up_however_regularly_it_drips() {
    for server in [Server::start(|_| drip()).await, Server::start(at_the_realm(drip)).await] {
        let answer = asked(&server, 300_000).await;
        // A timeout is never a success, and may be tried again.
        assert_eq!(answer.retry_after, Some(0));
        let (code, detail) = failed(answer.outcome);
        assert_eq!(code, DenyCode::Unreachable);
        assert!(detail.ends_with("no answer within 300 ms"), "{detail}");
    }
}

#[tokio::test]
async fn a_timeout_is_never_a_success() {
    for script in [|| Reply::Silence, drip] {
        let server = Server::start(move |_| script()).await;
        let answer = asked(&server, 100_000).await;
        assert_eq!(failed(answer.outcome).0, DenyCode::Unreachable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drips_does_not_make_another_server_slow() {
    let slow = Server::start(|_| drip()).await;
    let quick = Server::start(|_| ok("{}")).await;
    let approved = BTreeSet::from([slow.url(), quick.url()]);
    let client = client(&[&slow, &quick], FetcherOptions { approved, ..Default::default() });
    let dripping: Vec<_> = (0..64)
        .map(|_| {
            let request = FetchRequest { timeout: 20_000_000, ..request(&slow.url()) };
            tokio::spawn(client.fetch(request))
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(document(client.fetch(request(&quick.url())).await.outcome), b"{}");
    }
    // Fifty answers take some milliseconds; one that waited for a drip would take 20 seconds.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(dripping.iter().all(|fetch| !fetch.is_finished()));
    dripping.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_redirect_never_carries_a_token_or_a_password_elsewhere() {
    let elsewhere = Server::start(|_| ok(r#"{"token":"t"}"#)).await;
    let to = format!("Location: https://{}/\r\n", elsewhere.elsewhere());
    for number in [301, 302, 303, 307, 308] {
        let here = to.clone();
        let document = Server::start(move |request| {
            if request.starts_with("GET /token") {
                ok(r#"{"token":"t"}"#)
            } else if header(request, "authorization").is_empty() {
                challenge_to_itself(request)
            } else {
                status(number, &here, "")
            }
        })
        .await;
        let there = to.clone();
        let token = Server::start(at_the_realm(move || status(number, &there, ""))).await;
        for server in [document, token] {
            let options = FetcherOptions {
                approved: BTreeSet::from([server.url()]),
                credentials: credentials(),
                ..Default::default()
            };
            let client = client(&[&server, &elsewhere], options);
            let answer = client.fetch(request_with(&server.url(), &["pull"])).await;
            let (code, detail) = failed(answer.outcome);
            assert_eq!(code, DenyCode::ServerError);
            assert!(detail.contains(&format!("status {number} ")), "{detail}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_realm_elsewhere_is_never_asked_and_never_shown_a_password() {
    let thief = Server::start(|_| ok(r#"{"token":"t"}"#)).await;
    let place = thief.elsewhere();
    for realm in [
        format!("https://{place}/token"),
        format!("https://127.0.0.1@{place}/token"),
        format!("https://{place}/https://127.0.0.1/token"),
        format!("http://{place}/token"),
        format!("//{place}/token"),
        format!("https://127.0.0.1.nip.invalid:{}/token", thief.port),
    ] {
        let to = realm.clone();
        let server = Server::start(move |_| challenge(&to)).await;
        let options = FetcherOptions {
            approved: BTreeSet::from([server.url()]),
            credentials: credentials(),
            ..Default::default()
        };
        let client = client(&[&server, &thief], options);
        let answer = client.fetch(request_with(&server.url(), &["pull"])).await;
        assert!(!format!("{answer:?}").contains(CANARY));
        assert_eq!(failed(answer.outcome).0, DenyCode::Unauthorized, "{realm}");
        assert_eq!(server.requests().len(), 1, "{realm}");
    }
    assert_eq!(thief.connections(), 0);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_says_for_how_long() {
    for (number, header, seconds) in [
        (429, "Retry-After: 7\r\n", 7),
        (503, "Retry-After: 120\r\n", 120),
        (429, "Retry-After: 99999999999999999999\r\n", 3_600),
        (429, "Retry-After: -1\r\n", 0),
        (429, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", 0),
        (
            503,
            "Date: Fri, 31 Dec 1999 23:59:50 GMT\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n",
            9,
        ),
        (429, "", 0),
        (500, "", 0),
    ] {
        let refused = move || status(number, header, "too many");
        let document = Server::start(move |_| refused()).await;
        let token = Server::start(at_the_realm(refused)).await;
        for server in [document, token] {
            let answer = asked(&server, 20_000_000).await;
            assert_eq!(answer.retry_after, Some(seconds * 1_000_000), "{number} {header}");
            let (code, detail) = failed(answer.outcome);
            assert_eq!(code, DenyCode::ServerError);
            assert!(detail.contains(&format!("status {number} for timestamp.json")), "{detail}");
            let told = detail.contains(&format!("to be asked again in {seconds} s"));
            assert_eq!(told, seconds > 0, "{detail}");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_before_anything_is_said() {
    let server = Server::named(&["other.example"], |_| ok("{}")).await;
    let answer = asked(&server, 20_000_000).await;
    assert_eq!(answer.retry_after, None);
    let (code, detail) = failed(answer.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(
        detail.ends_with("its TLS certificate was refused: it is for another name"),
        "{detail}"
    );
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_challenge_that_is_not_one_ends_the_attempt() {
    for value in ["", "Bearer", "Bearer realm=\"", "Digest realm=\"x\"", "Bearer realm=\"x\""] {
        let header = format!("WWW-Authenticate: {value}\r\n");
        let server = Server::start(move |_| status(401, &header, "")).await;
        let (code, _) = failed(asked(&server, 20_000_000).await.outcome);
        assert_eq!(code, DenyCode::Unauthorized, "{value}");
        assert_eq!(server.requests().len(), 1, "{value}");
        assert!(server.requests().iter().all(|request| !request.contains("authorization")));
    }
}

#[tokio::test]
async fn a_token_server_that_hands_out_what_is_no_token_gets_no_further() {
    for body in ["{}", "[]", "null", r#"{"token":"a b"}"#, r#"{"token":"a\r\nX-Evil: 1"}"#, "\u{0}"]
    {
        let server = Server::start(at_the_realm(move || ok(body))).await;
        let (code, detail) = failed(asked(&server, 20_000_000).await.outcome);
        assert_eq!(code, DenyCode::Unauthorized, "{body}");
        assert!(detail.ends_with("it handed out no usable token"), "{detail}");
        assert_eq!(server.requests().len(), 2, "{body}");
    }
}
