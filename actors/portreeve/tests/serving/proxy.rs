//! The password of a proxy is nobody's business.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use http::Method;
use rustix::process::Signal;

use crate::process::{GUN, Place, bytes_below};

const PASSWORD: &str = "cn4ry-of-the-proxy";

/// A proxy that wants other credentials than it gets; what it was sent.
fn refusing_proxy() -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(String::new()));
    let heads = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4_096];
            let length = stream.read(&mut head).unwrap_or_default();
            heads.lock().unwrap().push_str(&String::from_utf8_lossy(&head[..length]));
            // The client may be gone.
            let _ = stream.write_all(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    (port, heard)
}

#[test]
fn the_password_of_a_proxy_appears_nowhere() {
    let place = Place::new();
    // A server on this machine is asked directly, so the policy names one that is not.
    let policy = std::fs::read_to_string(place.path("objects/policy.yaml")).unwrap();
    let far = "https://notary.example:4443";
    place.write("objects/policy.yaml", &policy.replace(&place.notary.url(), far));
    let (port, heard) = refusing_proxy();
    let url = format!("http://user:{PASSWORD}@127.0.0.1:{port}");
    let flags = ["--drain-delay", "0s", "--log-level", "trace", "--allow-trust-server", far];
    let mut server = place.start(&flags, &[("HTTPS_PROXY", &url), ("NO_PROXY", "")]);
    let mut told = place.runtime.block_on(async {
        let mut client = place.client(&server).await;
        let answer = client.admit("through-a-proxy", &format!("{GUN}:1")).await.unwrap();
        assert_eq!(answer["allowed"], false, "{answer}");
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(message.contains("proxy"), "what failed is named: {message}");
        let (_, metrics) = client.send(Method::GET, "/metrics", String::new()).await.unwrap();
        format!("{answer}\n{metrics}")
    });
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
    told.push_str(&server.written());
    let explained = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .args(["explain", "through-a-proxy", "--journal"])
        .arg(place.path("data"))
        .output()
        .unwrap();
    told.push_str(&String::from_utf8_lossy(&explained.stdout));
    // `user:PASSWORD` as the proxy is to be told it.
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{PASSWORD}"));
    assert!(heard.lock().unwrap().contains(&basic), "the proxy is told: {heard:?}");
    for secret in [PASSWORD, &basic] {
        assert!(!told.contains(secret), "{told}");
        for (path, bytes) in bytes_below(&place.path("data")) {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn a_proxy_that_cannot_be_understood_is_an_error_without_its_password() {
    let place = Place::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .args(["serve", "--listen", "127.0.0.1:0", "--objects"])
        .arg(place.path("objects"))
        .arg("--tls-cert")
        .arg(place.path("tls.crt"))
        .arg("--tls-key")
        .arg(place.path("tls.key"))
        .arg("--data-dir")
        .arg(place.path("data"))
        .env("HTTPS_PROXY", format!("ftp://user:{PASSWORD}@proxy.example:no-port"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("HTTPS_PROXY") && !said.contains(PASSWORD), "{said}");
}
