//! The scripted scenario: the cases of the demo, as data. The same scenario runs under the real
//! host, and what is decided must be the same.

use portreeve_protocol::messages::admission::{
    ContainerList, GroupKind, ImageFact, Operation, OwnerFact, Peer, ReviewFacts, ReviewPath,
    ReviewVersion,
};
use portreeve_protocol::policy::{Mode, PolicyGroup};
use portreeve_protocol::{SealFact, Settings, Sha256, Wall};

use crate::Scenario;
use crate::fault::ServerDown;
use crate::scenario::{
    CollectionPlan, PlannedReview, PolicyPlan, RulePlan, SignedTag, SignerPlan, TrustPlan,
    TrustServerPlan,
};

/// The trust server that works.
pub const SERVER: &str = "https://notary.example:4443";
/// The trust server that takes no connection.
pub const DOWN: &str = "https://down.example:4443";

const HOUR: i64 = 3_600_000_000;
const SECOND: u64 = 1_000_000;
const ALICE: u64 = 1;
const IMPOSTOR: u64 = 2;

/// A cluster whose policies demand that alice has signed, a trust server with images of hers, of
/// others and of nobody, a second server that is down, and a review of each kind.
#[must_use]
pub fn scripted() -> Scenario {
    let start = Wall(1_795_415_688_000_000);
    Scenario {
        audited: true,
        bundle: None,
        changes: Vec::new(),
        faults: vec![ServerDown { from: 0, server: DOWN.to_owned(), until: None }.into()],
        heal: None,
        most_events: 100_000,
        policies: vec![policy()],
        policy_changes: Vec::new(),
        published: Wall(start.0 - HOUR),
        replicas: vec!["sim-0".to_owned()],
        reviews: reviews(),
        servers: vec![
            TrustServerPlan { collections: collections(), url: SERVER.to_owned() },
            TrustServerPlan { collections: Vec::new(), url: DOWN.to_owned() },
        ],
        settings: Settings {
            approved_servers: [SERVER, DOWN].map(str::to_owned).into(),
            ..Settings::default()
        },
        signers: vec![signer("alice", "alice", ALICE), signer("stale-alice", "alice", IMPOSTOR)],
        start,
    }
}

/// The digest of the manifest that stands behind a tag of the scripted scenario.
#[must_use]
pub fn image(gun: &str, tag: &str) -> Sha256 {
    Sha256::of(format!("{gun}:{tag}").as_bytes())
}

fn signer(secret: &str, name: &str, keys: u64) -> SignerPlan {
    let namespace = Settings::default().operator_namespace;
    SignerPlan { keys, name: name.to_owned(), namespace, secret: secret.to_owned() }
}

fn policy() -> PolicyPlan {
    let rule = |pattern: &str, trust: Option<TrustPlan>| RulePlan {
        mode: Mode::Enforce,
        mutate_image: true,
        pattern: pattern.to_owned(),
        trust,
    };
    let trusting = |pattern: &str, server: &str, secret: Option<&str>| {
        let (server, signers) = (Some(server.to_owned()), secret.map(str::to_owned));
        let signers = signers.into_iter().collect();
        rule(pattern, Some(TrustPlan { server, signers, ..TrustPlan::default() }))
    };
    PolicyPlan {
        group: PolicyGroup::Portieris,
        malformed: false,
        name: "demo".to_owned(),
        namespace: None,
        rules: vec![
            rule("registry.example/tools/*", None),
            trusting("registry.example/shop/*", SERVER, Some("alice")),
            trusting("registry.example/any/*", SERVER, None),
            trusting("registry.example/stale/*", SERVER, Some("stale-alice")),
            trusting("registry.example/far/*", DOWN, None),
        ],
    }
}

fn collections() -> Vec<CollectionPlan> {
    let collection = |gun: &str, signers: &[&str]| {
        let signers: Vec<_> = signers.iter().map(|&name| name.to_owned()).collect();
        let tag = "1.0".to_owned();
        CollectionPlan {
            gun: gun.to_owned(),
            keys: ALICE,
            signers: signers.clone(),
            tags: vec![SignedTag { digest: image(gun, &tag), length: 1_000, signers, tag }],
        }
    };
    vec![
        collection("registry.example/shop/web", &["alice"]),
        collection("registry.example/shop/worker", &["bob"]),
        collection("registry.example/shop/cache", &["alice", "bob"]),
        collection("registry.example/any/base", &[]),
        collection("registry.example/stale/web", &["alice"]),
    ]
}

fn reviews() -> Vec<PlannedReview> {
    let mut reviews = Vec::new();
    let mut plan = |at, facts| reviews.push(PlannedReview::once(at, SECOND / 50, facts));
    let deployment = |uid, images: &[&str]| review(uid, "apps", "Deployment", images);
    // A burst, so that collections are asked for while others are.
    let burst = SECOND / 10;
    plan(burst, deployment("signed", &["registry.example/shop/web:1.0"]));
    plan(burst, deployment("signed-twin", &["registry.example/shop/web:1.0"]));
    plan(burst, deployment("unsigned", &["registry.example/shop/unsigned:1.0"]));
    plan(burst, deployment("unsigned-tag", &["registry.example/shop/web:2.0"]));
    plan(burst, deployment("wrong-signer", &["registry.example/shop/worker:1.0"]));
    plan(burst, deployment("wrong-key", &["registry.example/stale/web:1.0"]));
    plan(burst, deployment("server-down", &["registry.example/far/app:1.0"]));
    plan(burst, deployment("signed-by-targets", &["registry.example/any/base:1.0"]));
    plan(burst, deployment("not-covered", &["registry.example/other/app:1.0"]));
    plan(burst, deployment("trust-not-required", &["registry.example/tools/shell:1.0"]));
    let owner = OwnerFact {
        api_version: "apps/v1".to_owned(),
        controller: true,
        kind: "ReplicaSet".to_owned(),
        name: "web-5d4f".to_owned(),
        uid: "00000000-0000-0000-0000-000000000000".to_owned(),
    };
    let forged = review("forged-owner", "", "Pod", &["registry.example/shop/unsigned:1.0"]);
    plan(burst, ReviewFacts { owners: vec![owner], ..forged });
    let both = ["registry.example/shop/cache:1.0", "registry.example/tools/shell:1.0"];
    plan(2 * SECOND, deployment("two-containers", &both));
    // Later, when the first answers are known.
    plan(3 * SECOND, deployment("signed-warm", &["registry.example/shop/web:1.0"]));
    let pinned = "registry.example/shop/web:1.0@sha256:";
    let named = format!("{pinned}{}", image("registry.example/shop/web", "1.0"));
    plan(3 * SECOND, deployment("pinned-already", &[&named]));
    let other = format!("{pinned}{}", image("registry.example/shop/web", "0.9"));
    plan(3 * SECOND, deployment("other-digest", &[&other]));
    let gone = deployment("deleted", &[]);
    plan(4 * SECOND, ReviewFacts { operation: Operation::Delete, ..gone });
    reviews
}

/// The creation of a workload in the namespace `shop`.
pub(crate) fn review(uid: &str, group: &str, kind: &str, images: &[&str]) -> ReviewFacts {
    let pod_spec = if kind == "Pod" { "/spec" } else { "/spec/template/spec" };
    let image = |(index, image): (usize, &&str)| ImageFact {
        container: format!("c{index}").into(),
        image: (*image).into(),
        list: ContainerList::Main,
        pointer: format!("{pod_spec}/containers/{index}/image").into(),
    };
    ReviewFacts {
        annotated: false,
        budget: 9 * SECOND,
        dry_run: false,
        images: images.iter().enumerate().map(image).collect(),
        kind: GroupKind {
            group: group.to_owned(),
            kind: kind.to_owned(),
            version: "v1".to_owned(),
        },
        malformed: None,
        name: uid.to_owned(),
        namespace: "shop".to_owned(),
        old_images: Vec::new(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "127.0.0.1".to_owned(), authenticated: false },
        old_seal: SealFact::Absent,
        pull_secrets: Vec::new(),
        seal: SealFact::Absent,
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: uid.to_owned(),
        user: "system:serviceaccount:kube-system:deployment-controller".to_owned(),
        version: ReviewVersion::V1,
    }
}
