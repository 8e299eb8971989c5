//! Proxies, and CAs that are believed for one host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use portreeve_host::HostError;
use portreeve_host::notary_client::{Fetcher, FetcherOptions, HttpFetcher, Proxies};
use portreeve_protocol::DenyCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::*;

/// A proxy that connects everyone to one port of this machine, or answers with another status.
struct TestProxy {
    heads: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl TestProxy {
    async fn start(status: &'static str, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    log.lock().unwrap().push(String::from_utf8(head).unwrap());
                    let answer = format!("HTTP/1.1 {status}\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if status.starts_with("200") {
                        let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                    }
                });
            }
        });
        Self { heads, port }
    }

    fn url(&self) -> String {
        format!("http://user:canary@127.0.0.1:{}", self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn through(server: &Server, proxies: Proxies, approved: &str) -> HttpFetcher {
    let approved = BTreeSet::from([approved.to_owned()]);
    client(&[server], FetcherOptions { approved, proxies, ..Default::default() })
}

/// A place that only the proxy knows.
const URL: &str = "https://notary.invalid:4443";

#[tokio::test]
async fn a_server_is_asked_through_the_proxy_with_tls_end_to_end() {
    let server = Server::named(&["notary.invalid"], |_| ok("{}")).await;
    let proxy = TestProxy::start("200 Connection established", server.port).await;
    let client = through(&server, Proxies::new(&proxy.url(), "").unwrap(), URL);
    for _ in 0..2 {
        assert_eq!(document(client.fetch(request(URL)).await.outcome), b"{}");
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "the connection is kept");
    assert!(heads[0].starts_with("CONNECT notary.invalid:4443 HTTP/1.1\r\n"), "{}", heads[0]);
    assert_eq!(header(&heads[0], "proxy-authorization"), "Basic dXNlcjpjYW5hcnk=");
    assert_eq!(header(&server.requests()[0], "proxy-authorization"), "");
    // Whoever is behind the proxy must have the name's own certificate.
    let other = Server::start(|_| ok("{}")).await;
    let proxy = TestProxy::start("200 OK", other.port).await;
    let client = through(&other, Proxies::new(&proxy.url(), "").unwrap(), URL);
    let (code, detail) = failed(client.fetch(request(URL)).await.outcome);
    assert_eq!(code, DenyCode::Unreachable);
    assert!(detail.ends_with("certificate was refused: it is for another name"), "{detail}");
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_named_and_may_be_asked_again() {
    let server = Server::start(|_| ok("{}")).await;
    let proxy = TestProxy::start("407 Proxy Authentication Required", server.port).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://user:canary@{}", gone.local_addr().unwrap());
    drop(gone);
    for (proxy, expected) in [
        (proxy.url(), "the proxy of HTTPS_PROXY answered with status 407"),
        (nowhere, "the proxy of HTTPS_PROXY could not be talked to"),
    ] {
        let client = through(&server, Proxies::new(&proxy, "").unwrap(), URL);
        let answer = client.fetch(request(URL)).await;
        assert_eq!(answer.retry_after, Some(0));
        let (code, detail) = failed(answer.outcome);
        assert_eq!(code, DenyCode::Unreachable);
        assert_eq!(detail, format!("trust server {URL}: {expected}"));
    }
}

#[tokio::test]
async fn exempt_servers_and_this_machine_are_asked_directly() {
    let server = Server::start(|_| ok("{}")).await;
    let proxy = TestProxy::start("500 No", server.port).await;
    let client = through(&server, Proxies::new(&proxy.url(), "").unwrap(), &server.url());
    assert_eq!(document(client.fetch(request(&server.url())).await.outcome), b"{}");
    let client = through(&server, Proxies::new(&proxy.url(), ".invalid").unwrap(), URL);
    let (_, detail) = failed(client.fetch(request(URL)).await.outcome);
    assert!(detail.ends_with("its name cannot be resolved"), "{detail}");
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn the_address_rule_holds_before_the_proxy_is_asked() {
    let server = Server::start(|_| ok("{}")).await;
    let proxy = TestProxy::start("200 OK", server.port).await;
    let proxies = Proxies::new(&proxy.url(), "").unwrap();
    // Nobody approved of these.
    let client = through(&server, proxies, "https://approved.invalid");
    for url in ["https://169.254.169.254", "https://localhost.:4443", "https://0.0.0.0"] {
        let (code, detail) = failed(client.fetch(request(url)).await.outcome);
        assert_eq!(code, DenyCode::TrustServerRefused, "{url}: {detail}");
    }
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_ca_of_one_host_is_believed_there_and_nowhere_else() {
    let one = Server::start(|_| ok("{}")).await;
    let two = Server::start(|_| ok("{}")).await;
    let directory = tempfile::tempdir().unwrap();
    let of = |server: &Server| vec![ca_file(directory.path(), server)];
    let host = |server: &Server| format!("127.0.0.1:{}", server.port);
    let approved = BTreeSet::from([one.url(), two.url()]);
    let ask = async |host_ca: BTreeMap<String, Vec<std::path::PathBuf>>, server: &Server| {
        let approved = approved.clone();
        let options = FetcherOptions { approved, host_ca, ..Default::default() };
        HttpFetcher::new(options).unwrap().fetch(request(&server.url())).await.outcome
    };
    let own = BTreeMap::from([(host(&one), of(&one)), (host(&two), of(&two))]);
    assert_eq!(document(ask(own.clone(), &one).await), b"{}");
    assert_eq!(document(ask(own, &two).await), b"{}");
    let swapped = BTreeMap::from([(host(&one), of(&two)), (host(&two), of(&one))]);
    assert_eq!(failed(ask(swapped, &one).await).0, DenyCode::Unreachable);
    // A host without a port is meant with all of them.
    let all = BTreeMap::from([("127.0.0.1".to_owned(), of(&two))]);
    assert_eq!(document(ask(all, &two).await), b"{}");
    let missing = BTreeMap::from([("h".to_owned(), vec![directory.path().join("none.pem")])]);
    let options = FetcherOptions { host_ca: missing, ..Default::default() };
    assert!(matches!(HttpFetcher::new(options), Err(HostError::Tls { .. })));
}
