//! Trust bundles on web servers that do not do what they should.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve_bundle::{BundleKey, RootPlan, Terms, Workshop, make_key, make_root, publish};
use portreeve_host::bundle::{BundleConfig, BundlePlace, BundleWatch, Looker};
use portreeve_host::clock::Clock;
use portreeve_host::metrics::Metrics;
use portreeve_host::notary_client::{Fetcher, FetcherOptions, HttpFetcher, Proxies};
use portreeve_protocol::Wall;
use portreeve_protocol::anchors::{TrustAnchors, TrustServer};
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::messages::admission::AdmissionInput;

use crate::server::{Reply, Server, ca_file, document, failed, header, ok, request, status};

const NOW: Wall = Wall(1_800_000_000_000_000);
const LATER: Wall = Wall(1_900_000_000_000_000);

/// A published bundle in a directory, which says this.
async fn made(place: &Path, says: &TrustAnchors) {
    let key = make_key(&place.join("key.pem")).unwrap();
    let keys = vec![key];
    let plan = RootPlan {
        expires: LATER,
        online_keys: keys.clone(),
        root_keys: keys.clone(),
        root_threshold: None,
        targets_keys: keys.clone(),
        targets_threshold: None,
    };
    let workshop = Workshop::at(place);
    make_root(&workshop, &plan, says).await.unwrap();
    publish(&workshop, &keys, Terms { now: NOW, online: LATER, targets: LATER }).await.unwrap();
}

/// A server of a bundle, but for what `other` says of a path.
async fn serving(
    place: &Path,
    other: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let place = place.to_owned();
    Server::start(move |request| {
        let path = request.split(' ').nth(1).unwrap().trim_start_matches("/b/").to_owned();
        other(&path).unwrap_or_else(|| match fs::read_to_string(place.join(path)) {
            Ok(text) => ok(&text),
            Err(_) => status(404, "", "nothing here"),
        })
    })
    .await
}

fn looker(place: &Path, server: &Server, with_ca: bool) -> Looker {
    let url = BundlePlace::parse(&format!("{}/b", server.url())).unwrap();
    let ca = if with_ca { vec![ca_file(place, server)] } else { Vec::new() };
    Looker {
        before: None,
        clock: Clock::showing(NOW),
        config: BundleConfig::read(url, &place.join("root.json"), ca, 1).unwrap(),
        fetcher: HttpFetcher::new(FetcherOptions::default()).unwrap(),
        proxies: Proxies::default(),
        store: None,
        trust_ca: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_fetched_over_https_and_its_trust_servers_are_believed() {
    let trust = Server::start(|_| ok("a timestamp")).await;
    let place = tempfile::tempdir().unwrap();
    let mut says = TrustAnchors::empty();
    let ca = Some(trust.ca_pem().to_owned());
    says.trust_servers.push(TrustServer { ca, url: trust.url() });
    made(place.path(), &says).await;
    let server = serving(place.path(), |_| None).await;
    let mut looker = looker(place.path(), &server, true);
    let before = failed(looker.fetcher.fetch(request(&trust.url())).await.outcome);
    assert!(before.1.contains("loopback"), "{}", before.1);
    let loaded = looker.look().await.unwrap();
    assert_eq!(loaded.versions.targets, 1);
    assert!(server.asked().iter().any(|it| it == "GET /b/metadata/2.root.json"));
    let agents = server.requests();
    assert!(agents.iter().all(|it| header(it, "user-agent").starts_with("portreeve/")));
    let outcome = looker.fetcher.fetch(request(&trust.url())).await.outcome;
    assert_eq!(document(outcome), b"a timestamp");
    // A bundle that names it no more takes it back.
    looker.fetcher.vouch(&Default::default()).unwrap();
    assert!(
        failed(looker.fetcher.fetch(request(&trust.url())).await.outcome).1.contains("loopback")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_withhold_a_bundle_has_its_code_and_holds_nobody_up() {
    type Says = Arc<dyn Fn() -> Reply + Send + Sync>;
    let say =
        |head: &'static str| -> Says { Arc::new(move || Reply::SayAndClose(head.to_owned())) };
    let endless = || -> Says {
        Arc::new(|| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            Reply::Endless(head, format!("400\r\n{}\r\n", " ".repeat(1_024)))
        })
    };
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"signed\":";
    let broken = "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n";
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{";
    let place = tempfile::tempdir().unwrap();
    made(place.path(), &TrustAnchors::empty()).await;
    for (path, says, expected) in [
        ("metadata/2.root.json", say(broken), BundleCode::RootUnread),
        ("metadata/2.root.json", say(moved), BundleCode::RootUnread),
        ("metadata/2.root.json", say(cut), BundleCode::RootUnread),
        ("metadata/2.root.json", endless(), BundleCode::Oversize),
        ("metadata/timestamp.json", endless(), BundleCode::Oversize),
        ("metadata/timestamp.json", say(long), BundleCode::Oversize),
        ("metadata/timestamp.json", say(cut), BundleCode::Unreachable),
        ("metadata/timestamp.json", say(broken), BundleCode::Unreachable),
        ("metadata/1.snapshot.json", say(moved), BundleCode::Unreachable),
        ("metadata/1.targets.json", endless(), BundleCode::Oversize),
        ("metadata/timestamp.json", Arc::new(|| Reply::Close), BundleCode::Unreachable),
    ] {
        let server = serving(place.path(), move |asked| (asked == path).then(|| says())).await;
        let mut looker = looker(place.path(), &server, true);
        for _ in 0..2 {
            let begun = Instant::now();
            let failed = looker.look().await.unwrap_err();
            assert_eq!(failed.code, expected, "{path}: {}", failed.detail);
            assert!(begun.elapsed() < Duration::from_secs(20), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_not_waited_for_and_a_strange_one_is_not_believed() {
    let place = tempfile::tempdir().unwrap();
    made(place.path(), &TrustAnchors::empty()).await;
    let silent =
        serving(place.path(), |path| (path == "metadata/timestamp.json").then_some(Reply::Silence))
            .await;
    let mut looks = looker(place.path(), &silent, true);
    let failed = looks.look().await.unwrap_err();
    assert_eq!(failed.code, BundleCode::Unreachable);
    assert!(failed.detail.contains("within 5 s"), "{}", failed.detail);
    let server = serving(place.path(), |_| None).await;
    let mut looks = looker(place.path(), &server, false);
    let failed = looks.look().await.unwrap_err();
    assert_eq!(failed.code, BundleCode::RootUnread);
    assert!(failed.detail.contains("no CA trusted here"), "{}", failed.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_bundle_is_told_when_it_comes_however_far_the_next_look_is_off() {
    let place = tempfile::tempdir().unwrap();
    made(place.path(), &TrustAnchors::empty()).await;
    let keys = [BundleKey::read(&place.path().join("key.pem")).unwrap()];
    let end = Wall(NOW.0 + 4_000_000);
    let terms = Terms { now: NOW, online: end, targets: LATER };
    publish(&Workshop::at(place.path()), &keys, terms).await.unwrap();
    let server = serving(place.path(), |_| None).await;
    let mut looker = looker(place.path(), &server, true);
    looker.config.refresh = 720 * 3_600_000_000;
    let (clock, metrics) = (looker.clock.clone(), Arc::new(Metrics::new("test")));
    let (teller, mut told) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |input| teller.send(input).unwrap();
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let _watch = BundleWatch::start(looker, Arc::clone(&metrics), log, tell).await;
    assert!(matches!(told.recv().await, Some(AdmissionInput::BundleLoaded(_))));
    let next = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap();
    let Some(AdmissionInput::BundleFailed(failed)) = next else { panic!("{next:?}") };
    assert_eq!(failed.code, BundleCode::Expired, "{}", failed.detail);
    assert!(clock.now().wall > end);
    assert!(metrics.encode().contains("portreeve_bundle_expired 1"));
}

#[test]
fn a_bundle_is_fetched_over_tls_only_but_from_this_machine() {
    assert!(BundlePlace::parse("http://bundle.example/b").is_err());
    assert!(BundlePlace::parse("ftp://bundle.example").is_err());
    assert!(BundlePlace::parse("https://user@bundle.example").is_err());
    assert!(matches!(BundlePlace::parse("http://127.0.0.1:80/b"), Ok(BundlePlace::Web(_))));
    assert!(matches!(BundlePlace::parse("https://bundle.example"), Ok(BundlePlace::Web(_))));
    assert!(matches!(BundlePlace::parse("./bundle"), Ok(BundlePlace::Directory(_))));
}
