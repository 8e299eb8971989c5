//! The lab's server, asked over real TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use portreeve_lab::server::tuf_path;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer, Route, pem};
use portreeve_protocol::Wall;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const GUN: &str = "registry.lab:5000/team/app";

/// Sends one request and returns the whole answer, head and body.
async fn get(server: &NotaryServer, tls: &LoopbackTls, path: &str) -> String {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from(pem::decode("CERTIFICATE", tls.ca_pem()).unwrap());
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn published_documents_are_served_and_others_are_not_found() {
    let tls = LoopbackTls::new().unwrap();
    let server = NotaryServer::start(&tls).await.unwrap();
    let now = Wall(1_795_415_688_000_000);
    let mut collection = Collection::new(GUN, Keys::deterministic(1), now).unwrap();
    server.publish(GUN, collection.publish(now).unwrap());

    let root = get(&server, &tls, &tuf_path(GUN, "root.json")).await;
    assert!(root.starts_with("HTTP/1.1 200 "), "{root}");
    let text = std::str::from_utf8(&collection.documents()["root.json"]).unwrap();
    assert!(root.ends_with(text));

    let missing = get(&server, &tls, &tuf_path(GUN, "9.root.json")).await;
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    assert!(missing.contains("METADATA_NOT_FOUND"));
    assert!(get(&server, &tls, "/v2/").await.starts_with("HTTP/1.1 200 "));

    let statuses: Vec<_> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 404, 200]);
    assert_eq!(server.answered(), 3);
}

#[tokio::test]
async fn a_route_may_state_status_padding_and_chunks() {
    let tls = LoopbackTls::new().unwrap();
    let server = NotaryServer::start(&tls).await.unwrap();
    server.set("/down", Route::status(500, &b"{}"[..]));
    server.set("/padded", Route { pad_spaces: 100_000, ..Route::document(&b"{}"[..]) });
    server.set("/chunked", Route { chunked: true, ..Route::document(&b"{}"[..]) });

    assert!(get(&server, &tls, "/down").await.starts_with("HTTP/1.1 500 "));
    let padded = get(&server, &tls, "/padded").await;
    assert!(padded.to_lowercase().contains("content-length: 100002"));
    assert!(padded.ends_with(&" ".repeat(100_000)));
    let chunked = get(&server, &tls, "/chunked").await.to_lowercase();
    assert!(chunked.contains("transfer-encoding: chunked"));
    assert!(!chunked.contains("content-length"));

    server.forget("/down");
    assert!(get(&server, &tls, "/down").await.starts_with("HTTP/1.1 404 "));
}
