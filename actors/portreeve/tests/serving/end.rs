//! How a server ends in order.

use rustix::process::Signal;

use crate::process::{GUN, PATIENCE, Place};

#[test]
fn after_sigterm_reviews_are_decided_and_then_denied_and_the_status_is_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let mut server = place.start(&["--drain-delay", "1s"], &[]);
        let signed = format!("{GUN}:1");
        let served = async {
            let mut client = place.client(&server).await;
            assert_eq!(client.admit("before", &signed).await.unwrap()["allowed"], true);
            server.signal(signal);
            let unready = async {
                loop {
                    match client.send(http::Method::GET, "/readyz", String::new()).await {
                        Ok((200, _)) => tokio::task::yield_now().await,
                        Ok(_) => break,
                        // It may be given up before it carries the answer that says so.
                        Err(_) => client = place.client(&server).await,
                    }
                }
            };
            tokio::time::timeout(PATIENCE, unready).await.expect("it is not ready any more");
            // Endpoints are being removed meanwhile, and until they are, reviews come, by new
            // connections: the old ones were given up, so that others are asked.
            let mut client = place.client(&server).await;
            assert_eq!(client.admit("during", &signed).await.unwrap()["allowed"], true);
        };
        place.runtime.block_on(served);
        let status = server.ended();
        assert_eq!(status.code(), Some(0), "{}", server.written());
        let verified = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"))
            .args(["replay", "verify"])
            .arg(place.path("data"))
            .output()
            .unwrap();
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    }
}
