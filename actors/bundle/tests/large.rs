//! A bundle of ten thousand anchors is loaded in under a second and under 64 MiB.
//!
//! The load is measured in a process of its own: this test binary, run again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_bundle::{
    Asked, Directory, RootPlan, Terms, Workshop, load, make_key, make_root, publish,
};
use portreeve_protocol::anchors::{Anchor, AnchorSigner, TrustAnchors};
use portreeve_protocol::{Sha256, Wall};

const ANCHORS: usize = 10_000;
const NOW: Wall = Wall(1_800_000_000_000_000);
const LATER: Wall = Wall(1_900_000_000_000_000);
/// Where the child finds the bundle.
const PLACE: &str = "PORTREEVE_LARGE_BUNDLE";

const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

async fn make(place: &Path) {
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
    let mut anchors = TrustAnchors::empty();
    anchors.anchors = (0..ANCHORS).map(anchor).collect();
    let workshop = Workshop::at(place);
    make_root(&workshop, &plan, &anchors).await.unwrap();
    publish(&workshop, &keys, Terms { now: NOW, online: LATER, targets: LATER }).await.unwrap();
}

fn anchor(number: usize) -> Anchor {
    Anchor {
        gun: format!("registry.example/team-{}/app-{number}", number % 97),
        root_key_ids: [Sha256::of(&number.to_be_bytes())].into(),
        signers: vec![AnchorSigner { name: "alice".to_owned(), public_key: PUBLIC.to_owned() }],
        trust_server: Some("https://notary.example".to_owned()),
        ..Anchor::default()
    }
}

/// Milliseconds this process has computed, whatever else the machine does meanwhile. A load waits
/// for nothing but its files.
fn busy() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

/// Peak resident memory of this process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_anchors_load_in_under_a_second_and_64_mib() {
    if let Ok(place) = std::env::var(PLACE) {
        let place = PathBuf::from(place);
        let given = std::fs::read(place.join("root.json")).unwrap();
        let asked = Asked { before: None, given: &given, now: NOW, store: None };
        let begun = busy();
        let loaded = load(Arc::new(Directory::now(&place)), asked).await.unwrap();
        let millis = busy() - begun;
        assert_eq!(loaded.anchors.anchors.len(), ANCHORS);
        let text = loaded.message.anchors.length();
        std::fs::write(place.join("measured"), format!("{millis} {} {text}", peak())).unwrap();
        return;
    }
    let place = tempfile::tempdir().unwrap();
    make(place.path()).await;
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ten_thousand_anchors_load_in_under_a_second_and_64_mib"])
        .env(PLACE, place.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let measured = std::fs::read_to_string(place.path().join("measured")).unwrap();
    let numbers: Vec<u64> = measured.split(' ').map(|it| it.parse().unwrap()).collect();
    assert!(numbers[0] < 1_000, "{} ms for {} bytes", numbers[0], numbers[2]);
    assert!(numbers[1] < 64 << 10, "{} KiB for {} bytes", numbers[1], numbers[2]);
}
