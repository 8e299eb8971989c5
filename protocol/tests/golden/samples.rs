//! One value of every persisted shape, written out by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::decision::{BundleRef, ContainerVerdict, RuleRef, SealOf, Verified};
use portreeve_protocol::entry::{
    Answered, Awaited, Checkpoint, Delivered, Gap, Heard, MachineState, Outstanding, Panicked,
    Restored, Started,
};
use portreeve_protocol::evidence::{
    DroppedRole, Evidence, Floor, Floors, RoleEvidence, SigningKey, TagView, TargetEntry,
    TrustedCollection,
};
use portreeve_protocol::messages::admission::{BundleLoaded, BundleVersions};
use portreeve_protocol::policy::{
    Mode, Policy, PolicyGroup, PolicyRef, PolicyState, Rule, SignerKey, SignerRequirement,
    TrustRequirement,
};
use portreeve_protocol::seal::SealEntry;
use portreeve_protocol::settings::{BundleExpired, BundleSettings, TrustServerRule};
use portreeve_protocol::*;

pub const SERVER: &str = "https://notary.docker.io";
pub const GUN: &str = "docker.io/library/nginx";

pub fn event(actor: ActorId, seq: u64) -> EventId {
    let node = "web-1".parse().expect("a node name");
    EventId { node, incarnation: 3, actor, seq }
}

pub fn notary() -> ActorId {
    ActorId::Notary(SERVER.to_owned())
}

pub fn now() -> Now {
    Now { mono: Mono(5_000_250), wall: Wall(1_795_415_688_123_456) }
}

pub fn review_event() -> EventId {
    event(ActorId::Admission, 17)
}

pub fn sha(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}

pub fn denial() -> Denial {
    Denial::new(DenyCode::SignerMissing, "signer `alice` has not signed tag `1.27`")
}

pub fn evidence() -> Evidence {
    let key = SigningKey { keyid: sha("keyid"), spki: sha("spki") };
    let role = RoleEvidence {
        expires: Wall(1_800_000_000_000_000),
        sha256: sha("timestamp.json"),
        signed_by: vec![key],
        threshold: 1,
        version: 42,
    };
    Evidence {
        dropped: vec![DroppedRole {
            role: "targets/bob".to_owned(),
            why: Denial::new(DenyCode::Expired, "it expired on 2026-01-01"),
        }],
        expires: Wall(1_800_000_000_000_000),
        first_use: true,
        gun: GUN.to_owned(),
        roles: BTreeMap::from([
            ("root".to_owned(), role.clone()),
            ("targets/releases".to_owned(), role),
        ]),
    }
}

pub fn view() -> TagView {
    let image = TargetEntry::Image { length: 1_234, sha256: sha("manifest") };
    let unusable = TargetEntry::Unusable("no sha256".to_owned());
    TagView {
        entries: BTreeMap::from([
            ("targets".to_owned(), unusable),
            ("targets/releases".to_owned(), image),
        ]),
        tag: "1.27".to_owned(),
    }
}

pub fn floors() -> Floors {
    let floor = Floor { keys: vec![sha("keyid")], sha256: sha("root.json"), version: 2 };
    BTreeMap::from([("root".to_owned(), floor)])
}

pub fn collection() -> TrustedCollection {
    TrustedCollection {
        documents: vec![Blob::new(&b"{\"signed\":1}"[..])],
        first_use: true,
        floors: floors(),
        gun: GUN.to_owned(),
        namespace: "shop".to_owned(),
        root: Blob::new(&b"{\"signed\":2}"[..]),
        server: SERVER.to_owned(),
        timestamp: Some(Blob::new(&b"{\"signed\":3}"[..])),
    }
}

pub fn policy_ref(namespace: Option<&str>) -> PolicyRef {
    PolicyRef {
        group: PolicyGroup::Portieris,
        name: "default".to_owned(),
        namespace: namespace.map(ToOwned::to_owned),
    }
}

pub fn rule_ref() -> RuleRef {
    RuleRef { index: 0, pattern: "docker.io/*".to_owned(), policy: policy_ref(Some("shop")) }
}

pub fn policies() -> Vec<Policy> {
    let signer = |key| SignerRequirement { key, secret: "shop/alice".to_owned() };
    let usable = SignerKey::Usable { name: "alice".to_owned(), spki: sha("spki") };
    let trust = TrustRequirement {
        freshness: Some(10_000_000),
        max_staleness: Some(600_000_000),
        pins: BTreeSet::from([sha("root key")]),
        server: Some(SERVER.to_owned()),
        signers: vec![
            signer(usable),
            signer(SignerKey::Missing),
            signer(SignerKey::Invalid("no PEM text".to_owned())),
        ],
        strict_roles: true,
    };
    let rule =
        |mode, trust| Rule { mode, mutate_image: true, pattern: "docker.io/*".to_owned(), trust };
    let invalid = PolicyRef { group: PolicyGroup::SecurityEnforcement, ..policy_ref(Some("shop")) };
    vec![
        Policy {
            id: policy_ref(Some("shop")),
            rules: PolicyState::Valid(vec![
                rule(Mode::Enforce, Some(trust)),
                rule(Mode::Warn, None),
                rule(Mode::Audit, None),
            ]),
        },
        Policy { id: invalid, rules: PolicyState::Invalid("`repositories` is no list".to_owned()) },
    ]
}

pub fn claims() -> SealClaims {
    let entry = SealEntry {
        container: "web".into(),
        digest: sha("manifest"),
        reference: "nginx:1.27".into(),
        repository: GUN.into(),
        requirement: sha("requirement"),
        root_keys: [sha("keyid")].into(),
    };
    SealClaims {
        generations: vec![vec![entry]],
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
    }
}

fn sealed(by: SealOf) -> Verdict {
    Verdict::Allowed(Admitted::Sealed(Box::new(Sealed {
        by,
        digest: sha("manifest"),
        pinned: false,
        reference: "nginx:1.27".into(),
        repository: GUN.into(),
        requirement: sha("requirement"),
        root_keys: [sha("keyid")].into(),
    })))
}

fn verdict(container: &str, verdict: Verdict) -> ContainerVerdict {
    ContainerVerdict {
        container: container.into(),
        image: "nginx:1.27".into(),
        pointer: "/spec/containers/0/image".into(),
        rules: vec![rule_ref()].into(),
        verdict,
    }
}

pub fn decision() -> Decision {
    let verified = Verified {
        digest: sha("manifest"),
        evidence: evidence().into(),
        pinned: true,
        released_by: "targets/releases".into(),
        server: SERVER.into(),
        signers: vec!["alice".to_owned()],
    };
    let tolerated = Tolerated { denial: denial(), mode: Mode::Warn };
    Decision {
        allowed: false,
        audit: BTreeMap::from([("decision".to_owned(), "deny".to_owned())]),
        bundle: Some(BundleRef { digest: sha("trust.json"), expired: true, version: 3 }),
        denial: Some(denial()),
        message: "container `web`: a message with \"quotes\", é and \u{1F6A2}".to_owned(),
        policy_revision: 4,
        review: review_event(),
        seal: Some(NewSeal::of(claims()).expect("JSON")),
        uid: "0df28fbd-5f5f-11e8-bc74-36e6bb280816".to_owned(),
        verdicts: vec![
            verdict("web", Verdict::Allowed(Admitted::Verified(Box::new(verified)))),
            verdict("log", Verdict::Allowed(Admitted::TrustNotRequired)),
            verdict("bad", Verdict::Denied(denial())),
            verdict("blank", Verdict::Allowed(Admitted::Blank)),
            verdict("same", Verdict::Allowed(Admitted::Unchanged)),
            verdict("child", sealed(SealOf::Owner("ReplicaSet".to_owned(), "web-1".to_owned()))),
            verdict("back", sealed(SealOf::Earlier)),
            verdict("again", sealed(SealOf::Running)),
            verdict("own", sealed(SealOf::Own)),
            verdict("warned", Verdict::Allowed(Admitted::Tolerated(Box::new(tolerated)))),
        ],
        warnings: vec!["the root was taken on first use".to_owned()],
    }
}

pub fn answered() -> Vec<Entry> {
    let base = Answered { allowed: true, code: None, review: review_event(), wall: now().wall };
    let denied =
        Answered { allowed: false, code: Some(DenyCode::JournalUnavailable), ..base.clone() };
    vec![Entry::Answered(vec![base.clone(), denied]), Entry::Answered(vec![base])]
}

pub fn gap() -> Gap {
    Gap { denied: 2, exempt: 1, lost: 9, why: "No space left on device (os error 28)".to_owned() }
}

/// A trust bundle as it was taken.
pub fn bundle() -> BundleLoaded {
    BundleLoaded {
        anchors: Blob::new(&b"{\"format\":1,\"anchors\":[]}"[..]),
        expires: now().wall,
        origin: sha("root.json"),
        root: Blob::new(&b"{\"signed\":4}"[..]),
        versions: BundleVersions { root: 1, snapshot: 4, targets: 3, timestamp: 5 },
    }
}

pub fn started(restored: Restored) -> Entry {
    let rule = TrustServerRule {
        registry: ".icr.io".to_owned(),
        server: "https://{host}:4443".to_owned(),
    };
    // Spelt out: the defaults of a build may change, this line may not.
    let settings = Settings {
        approved_only: false,
        approved_servers: BTreeSet::from([SERVER.to_owned()]),
        bundle: restored
            .bundle
            .as_ref()
            .map(|bundle| BundleSettings { expired: BundleExpired::Keep, root: bundle.origin }),
        client_required: false,
        freshness: 30_000_000,
        max_staleness: 600_000_000,
        operator_namespace: "portreeve".to_owned(),
        pin_cas: BTreeMap::from([("docker.io/team".to_owned(), "a PEM text".to_owned())]),
        pins: BTreeMap::from([("docker.io/*".to_owned(), [sha("root key")].into())]),
        require_pins: true,
        trust_servers: vec![rule],
    };
    Entry::Started(Arc::new(Started {
        build: "0.1.0".to_owned(),
        incarnation: 3,
        jitter_seed: u64::MAX,
        node: review_event().node,
        restored,
        rules: 4,
        settings_digest: codec::digest(&settings).expect("settings are plain JSON"),
        settings,
        wall: now().wall,
    }))
}

pub fn checkpoint() -> Entry {
    let Entry::Started(started) = started(Restored::default()) else { panic!("a start") };
    let retired = |retired| Outstanding {
        effect: Effect::Arm {
            at: now().mono,
            key: effect::TimerKey::Admission(messages::admission::AdmissionTimer::Deadline(
                review_event(),
            )),
        },
        event: review_event(),
        index: 2,
        lamport: 7,
        panicked: false,
        retired,
        root: review_event(),
    };
    Entry::Checkpoint(Box::new(Checkpoint {
        awaited: vec![Awaited {
            allowed: false,
            code: Some(DenyCode::NotSigned),
            review: review_event(),
        }],
        forgotten: 4,
        heard: vec![Heard { actor: ActorId::Policy, lamport: 9, mono: now().mono, seq: 3 }],
        machines: vec![MachineState {
            actor: ActorId::Policy,
            state: serde_json::json!({"listed": true}),
        }],
        outstanding: vec![retired(None), retired(Some(1))],
        started,
    }))
}

pub fn delivered(actor: ActorId, cause: Cause, input: Input) -> Entry {
    let is_review = matches!(cause, Cause::Outside(Outside::Webhook));
    Entry::Delivered(Delivered {
        cause,
        decisions: if is_review { vec![Arc::new(decision())] } else { Vec::new() },
        effects: codec::digest::<[Effect]>(&[]).expect("a list of nothing"),
        event: event(actor, 17),
        input: Arc::new(input),
        lamport: 99,
        now: now(),
        root: review_event(),
    })
}

pub fn panicked(input: Input) -> Entry {
    Entry::Panicked(Panicked {
        cause: Cause::Outside(Outside::Webhook),
        event: review_event(),
        input: Arc::new(input),
        now: now(),
        root: review_event(),
    })
}
