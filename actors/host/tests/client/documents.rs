//! Documents: paths, bounds, the address rule, anonymous tokens, troubles.

use std::collections::BTreeSet;

use portreeve_host::HostError;
use portreeve_host::notary_client::{Fetcher, FetcherOptions, HttpFetcher};
use portreeve_protocol::messages::notary::{DocumentName, FetchOutcome, FetchRequest};
use portreeve_protocol::{DenyCode, Sha256};

use crate::server::*;

#[tokio::test]
async fn documents_are_asked_for_at_notarys_paths_on_one_kept_connection() {
    let server = Server::start(|_| ok("{}")).await;
    let client = server.client(&[server.url()]);
    let digest = Sha256::of(b"x");
    for name in [
        DocumentName::Timestamp,
        DocumentName::RootVersion(2),
        DocumentName::Hashed { role: "targets/releases".to_owned(), sha256: digest },
    ] {
        let request = FetchRequest {
            credentials: Vec::new(),
            document: name,
            gun: "host:5000/team/app".to_owned(),
            ..request(&server.url())
        };
        assert_eq!(document(client.fetch(request).await.outcome), b"{}");
    }
    let paths: Vec<_> =
        server.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    let at = "/v2/host:5000/team/app/_trust/tuf";
    let expected = [
        format!("GET {at}/timestamp.json HTTP/1.1"),
        format!("GET {at}/2.root.json HTTP/1.1"),
        format!("GET {at}/targets/releases.{digest}.json HTTP/1.1"),
    ];
    assert_eq!(paths, expected);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_missing_document_is_absent_and_every_other_status_an_error_with_its_number() {
    let missing = Server::start(|_| status(404, "", "{}")).await;
    assert_eq!(missing.ask().await, FetchOutcome::Absent);
    for (number, code) in [
        (400, DenyCode::ServerError),
        (403, DenyCode::Unauthorized),
        (429, DenyCode::ServerError),
        (500, DenyCode::ServerError),
        (503, DenyCode::ServerError),
        (204, DenyCode::ServerError),
    ] {
        let server = Server::start(move |_| status(number, "", "remote words")).await;
        let (found, detail) = failed(server.ask().await);
        let url = server.url();
        assert_eq!(found, code);
        assert_eq!(detail, format!("trust server {url}: status {number} for timestamp.json"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_| status(302, "Location: /elsewhere\r\n", "")).await;
    let (code, detail) = failed(server.ask().await);
    assert_eq!(code, DenyCode::ServerError);
    assert!(detail.ends_with("status 302 for timestamp.json; redirects are not followed"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_announced_or_not() {
    let announced =
        Server::start(|_| Reply::Say("HTTP/1.1 200 X\r\nContent-Length: 1001\r\n\r\n".to_owned()))
            .await;
    let endless = Server::start(|_| {
        let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
        let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::Say(format!("{head}{chunk}{chunk}{chunk}"))
    })
    .await;
    for server in [announced, endless] {
        let (code, detail) = failed(server.ask().await);
        assert_eq!(code, DenyCode::Oversize);
        assert!(detail.ends_with("timestamp.json is longer than the 1000 bytes it may have"));
    }
    let exact = Server::start(|_| ok(&"x".repeat(1_000))).await;
    assert_eq!(document(exact.ask().await).len(), 1_000);
}

#[tokio::test]
async fn a_silent_server_is_unreachable_when_the_time_is_up() {
    let server = Server::start(|_| Reply::Silence).await;
    let client = server.client(&[server.url()]);
    let request = FetchRequest { timeout: 150_000, ..request(&server.url()) };
    let (code, detail) = failed(client.fetch(request).await.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.ends_with("no answer within 150 ms"), "{detail}");
}

#[tokio::test]
async fn broken_and_refused_connections_are_unreachable() {
    let closing = Server::start(|_| Reply::Close).await;
    let (code, detail) = failed(closing.ask().await);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.ends_with("the connection ended before the answer did"), "{detail}");
    let cut = Server::start(|_| {
        Reply::SayAndClose("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".to_owned())
    })
    .await;
    assert_eq!(failed(cut.ask().await).0, DenyCode::Unreachable);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let (code, detail) =
        failed(closing.client(std::slice::from_ref(&url)).fetch(request(&url)).await.outcome);
    assert_eq!(
        (code, detail),
        (DenyCode::Unreachable, format!("trust server {url}: connection refused"))
    );
    let nowhere = "https://no-such-host.invalid";
    let (code, detail) =
        failed(closing.client(&[nowhere.to_owned()]).fetch(request(nowhere)).await.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.ends_with("its name cannot be resolved"), "{detail}");
}

#[tokio::test]
async fn a_connection_the_server_closed_meanwhile_is_replaced() {
    let server = Server::start(|_| {
        Reply::SayAndClose("HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}".to_owned())
    })
    .await;
    let client = server.client(&[server.url()]);
    for _ in 0..3 {
        assert_eq!(document(client.fetch(request(&server.url())).await.outcome), b"{}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused() {
    let server = Server::start(|_| ok("{}")).await;
    let other = Server::start(|_| ok("{}")).await;
    let approved = BTreeSet::from([server.url()]);
    let bare = HttpFetcher::new(FetcherOptions { approved, ..Default::default() }).unwrap();
    let (code, detail) = failed(bare.fetch(request(&server.url())).await.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.contains("certificate was refused: no CA trusted here issued it"), "{detail}");
    // Another CA of the same name.
    let (code, detail) =
        failed(other.client(&[server.url()]).fetch(request(&server.url())).await.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.contains("its signature is not by the CA trusted here"), "{detail}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unapproved_server_on_this_machine_is_refused_by_address_and_by_name() {
    let server = Server::start(|_| ok("{}")).await;
    let client = server.client(&[]);
    for host in ["127.0.0.1", "localhost", "127.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        let url = format!("https://{host}:{}", server.port);
        let (code, detail) = failed(client.fetch(request(&url)).await.outcome);
        assert_eq!(code, DenyCode::TrustServerRefused, "{host}: {detail}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn approval_is_of_one_server_with_its_port() {
    let server = Server::start(|_| ok("{}")).await;
    let client = server.client(&[format!("https://127.0.0.1:{}", server.port ^ 1)]);
    assert_eq!(
        failed(client.fetch(request(&server.url())).await.outcome).0,
        DenyCode::TrustServerRefused
    );
}

#[tokio::test]
async fn plain_http_is_spoken_only_to_approved_servers_on_loopback() {
    let server = Server::listen(false, |_| ok("{}")).await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let (code, _) = failed(server.client(&[]).fetch(request(&url)).await.outcome);
    assert_eq!(code, DenyCode::TrustServerRefused);
    let approved = server.client(&[url.clone(), "http://192.0.2.1".to_owned()]);
    assert_eq!(document(approved.fetch(request(&url)).await.outcome), b"{}");
    let (code, detail) = failed(approved.fetch(request("http://192.0.2.1")).await.outcome);
    assert_eq!(code, DenyCode::TrustServerRefused);
    assert!(detail.ends_with("without TLS only a loopback address is asked"));
}

#[tokio::test]
async fn names_that_would_leave_the_path_are_refused() {
    let server = Server::start(|_| ok("{}")).await;
    let client = server.client(&[server.url()]);
    for gun in ["a/../b", "a//b", "", "a?b", "a#b", "a b", "a%2fb", "a\r\nb"] {
        let request = FetchRequest { gun: gun.to_owned(), ..request(&server.url()) };
        assert_eq!(
            failed(client.fetch(request).await.outcome).0,
            DenyCode::TrustServerRefused,
            "{gun}"
        );
    }
    assert_eq!(server.connections(), 0);
}

/// A trust server that wants a token, and hands it out itself at `/token` unless `realm` names
/// another place.
async fn guarded(realm: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |head| {
        if head.starts_with("GET /token") {
            return ok(r#"{"token":"s3cret","expires_in":300}"#);
        }
        if head.to_lowercase().contains("\r\nauthorization: bearer s3cret\r\n") {
            return ok("{}");
        }
        let host = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
        let realm = realm(&host.unwrap());
        status(401, &format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"a b\"\r\n"), "")
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_by_challenge_from_the_servers_own_host_and_kept() {
    let server = guarded(|host| format!("https://{host}/token?x=1")).await;
    let client = server.client(&[server.url()]);
    for _ in 0..2 {
        assert_eq!(document(client.fetch(request(&server.url())).await.outcome), b"{}");
    }
    let heads = server.requests();
    let starts: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
    let document = "GET /v2/h/app/_trust/tuf/timestamp.json HTTP/1.1";
    let token = "GET /token?x=1&service=a%20b&scope=repository%3Ah%2Fapp%3Apull HTTP/1.1";
    assert_eq!(starts, [document, token, document, document]);
    assert!(!heads[1].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn a_token_is_fetched_elsewhere_only_where_the_operator_allows_it() {
    let realm = Server::start(|_| ok(r#"{"access_token":"s3cret"}"#)).await;
    let elsewhere = realm.elsewhere();
    let place = elsewhere.clone();
    let server = guarded(move |_| format!("https://{place}/token")).await;
    let (code, detail) = failed(server.ask().await);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.contains(&format!("for tokens to {elsewhere}, which no --allow-realm")));
    assert_eq!(realm.connections(), 0);
    let host = elsewhere.split(':').next().unwrap().to_owned();
    for (asked, allowed) in [(1, elsewhere), (2, host)] {
        let options = FetcherOptions {
            allow_realm: allow_realm(&server, allowed),
            approved: BTreeSet::from([server.url()]),
            ..Default::default()
        };
        let client = client(&[&server, &realm], options);
        assert_eq!(document(client.fetch(request(&server.url())).await.outcome), b"{}");
        assert_eq!(realm.requests().len(), asked);
    }
}

#[tokio::test]
async fn no_token_means_unauthorized_and_says_why() {
    let basic = |_: &str| status(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
    let (code, detail) = failed(Server::start(basic).await.ask().await);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.ends_with("it wants a password, and there is none for it"), "{detail}");

    let own = "WWW-Authenticate: Bearer realm=\"https://127.0.0.1:PORT/token\"\r\n";
    let challenge = move |head: &str| {
        let port = head.split("127.0.0.1:").nth(1).unwrap().split("\r\n").next().unwrap();
        status(401, &own.replace("PORT", port), "")
    };
    let (code, detail) = failed(Server::start(challenge).await.ask().await);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.ends_with("no token is given without credentials"), "{detail}");

    let useless = move |head: &str| match head.starts_with("GET /token") {
        true => ok(r#"{"token":"not taken"}"#),
        false => challenge(head),
    };
    let (_, detail) = failed(Server::start(useless).await.ask().await);
    assert!(detail.ends_with("it handed out no usable token"), "{detail}");

    let stubborn = move |head: &str| match head.starts_with("GET /token") {
        true => ok(r#"{"token":"s3cret"}"#),
        false => challenge(head),
    };
    let (code, detail) = failed(Server::start(stubborn).await.ask().await);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.ends_with("it did not take the token it asked for"), "{detail}");
    assert!(!detail.contains("s3cret"));
}

#[test]
fn a_ca_file_that_holds_no_certificate_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let open =
        || HttpFetcher::new(FetcherOptions { trust_ca: vec![file.clone()], ..Default::default() });
    assert!(matches!(open(), Err(HostError::Tls { path, .. }) if path == file));
    std::fs::write(&file, "no PEM").unwrap();
    assert!(matches!(open(), Err(HostError::Tls { why, .. }) if why == "it holds no certificate"));
}
