//! Every input that a journal may hold, and every effect a digest may cover.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::*;
use portreeve_protocol::messages::journal::Release;
use portreeve_protocol::messages::notary::*;
use portreeve_protocol::messages::policy::*;
use portreeve_protocol::messages::verify::{VerifyInput, VerifyRequest};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::seal::SealFault;
use portreeve_protocol::*;

use crate::samples::*;

pub fn review() -> ReviewFacts {
    let image = |list, container: &str| ImageFact {
        container: container.into(),
        image: "nginx:1.27".into(),
        list,
        pointer: "/spec/containers/0/image".into(),
    };
    ReviewFacts {
        annotated: true,
        budget: 9_000_000,
        dry_run: false,
        images: vec![
            image(ContainerList::Init, "init"),
            image(ContainerList::Main, "web"),
            image(ContainerList::Ephemeral, "debug"),
            image(ContainerList::Volume, ""),
        ],
        kind: GroupKind {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            version: "v1".to_owned(),
        },
        malformed: None,
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
        old_images: vec![image(ContainerList::Main, "web")],
        old_seal: SealFact::Valid(Box::new(claims())),
        operation: Operation::Update,
        owners: vec![OwnerFact {
            api_version: "apps/v1".to_owned(),
            controller: true,
            kind: "ReplicaSet".to_owned(),
            name: "web-1".to_owned(),
            uid: "u-1".to_owned(),
        }],
        path: ReviewPath::Admit,
        peer: Peer { address: "192.0.2.1".to_owned(), authenticated: true },
        pull_secrets: vec!["registry".to_owned()],
        seal: SealFact::Invalid(SealFault::NotGenuine),
        sealing: true,
        service_account: "default".to_owned(),
        sub_resource: Some("status".to_owned()),
        uid: decision().uid,
        user: "system:serviceaccount:shop:ci".to_owned(),
        version: ReviewVersion::V1,
    }
}

pub fn smallest_review() -> ReviewFacts {
    ReviewFacts {
        dry_run: true,
        images: Vec::new(),
        malformed: Some("`spec` is no object".to_owned()),
        old_images: Vec::new(),
        old_seal: SealFact::Absent,
        operation: Operation::Delete,
        owners: Vec::new(),
        path: ReviewPath::Validate,
        pull_secrets: Vec::new(),
        sub_resource: None,
        version: ReviewVersion::V1Beta1,
        ..review()
    }
}

fn resolution(outcome: ResolutionOutcome) -> AdmissionInput {
    let last_verified = matches!(outcome, ResolutionOutcome::Unavailable(_)).then(|| {
        let tag = VerifiedTag { evidence: evidence().into(), view: view() };
        Box::new(LastVerified { at: Mono(3_000_000), tag })
    });
    // A resolution of a node with a trust bundle, and those of nodes without.
    let verified = matches!(outcome, ResolutionOutcome::Verified(_));
    AdmissionInput::Resolution(Arc::new(Resolution {
        anchor: verified.then(|| anchor().digest()),
        checked_at: Mono(4_000_000),
        gun: GUN.to_owned(),
        last_verified,
        outcome,
        server: SERVER.to_owned(),
        tag: "1.27".to_owned(),
        tentative: false,
    }))
}

/// What a trust bundle says of a root.
pub fn anchor() -> RootAnchor {
    RootAnchor {
        authorities: vec!["a PEM text".to_owned()],
        first_use: false,
        floors: BTreeMap::from([("root".to_owned(), 3)]),
        keyids: BTreeSet::from([sha("root key")]),
    }
}

fn bundles() -> Vec<AdmissionInput> {
    let failed = BundleFailed {
        code: BundleCode::Rollback,
        detail: "its timestamp has version 3, and 4 was seen before".to_owned(),
    };
    vec![AdmissionInput::BundleFailed(failed), AdmissionInput::BundleLoaded(Box::new(bundle()))]
}

fn owners() -> Vec<AdmissionInput> {
    let found = FoundOwner {
        controller: Some(review().owners.remove(0)),
        seal: SealFact::Valid(Box::new(claims())),
        uid: "u-2".to_owned(),
    };
    let outcomes = [
        OwnerOutcome::Absent,
        OwnerOutcome::Found(Box::new(found)),
        OwnerOutcome::Unavailable(denial()),
    ];
    let input = |outcome| {
        AdmissionInput::OwnerFound(OwnerFound { micros: 900, outcome, review: review_event() })
    };
    outcomes.into_iter().map(input).collect()
}

fn operators() -> Vec<AdmissionInput> {
    let (gun, reason) = (GUN.to_owned(), "it was built from the wrong commit".to_owned());
    let revoke = RevokeSeal { digest: sha("manifest"), gun: gun.clone(), reason: reason.clone() };
    vec![
        AdmissionInput::AcknowledgeClock(AcknowledgeClock { reason }),
        AdmissionInput::Forgotten(Forgotten { gun, server: SERVER.to_owned() }),
        AdmissionInput::RevokeSeal(revoke),
    ]
}

pub fn admission() -> Vec<AdmissionInput> {
    let snapshot = PolicySnapshot {
        cluster: policies(),
        namespaces: BTreeMap::from([("shop".to_owned(), policies())]),
        revision: 4,
        watched: true,
    };
    let refused = HopRefused {
        to: notary(),
        why: Denial::new(DenyCode::Overloaded, "the fetcher's mailbox is full"),
    };
    let verified = VerifiedTag { evidence: evidence().into(), view: view() };
    let rest = vec![
        AdmissionInput::Drain,
        AdmissionInput::HopRefused(refused),
        AdmissionInput::Policies(Arc::new(snapshot)),
        resolution(ResolutionOutcome::Absent),
        resolution(ResolutionOutcome::Refused(denial())),
        resolution(ResolutionOutcome::Unavailable(denial())),
        resolution(ResolutionOutcome::Verified(Box::new(verified))),
        AdmissionInput::Review(review().into()),
        AdmissionInput::Review(smallest_review().into()),
        AdmissionInput::Timer(AdmissionTimer::Deadline(review_event())),
    ];
    rest.into_iter().chain(owners()).chain(operators()).chain(bundles()).collect()
}

fn fetched(document: DocumentName, outcome: FetchOutcome) -> NotaryInput {
    let gun = GUN.to_owned();
    let failed = matches!(outcome, FetchOutcome::Failed(_));
    NotaryInput::Fetched(Fetched {
        credential: credentials().into_iter().next().filter(|_| !failed),
        document,
        flight: 7,
        gun,
        micros: 1_500,
        outcome,
        retry_after: failed.then_some(1_000_000),
    })
}

pub fn credentials() -> [CredentialRef; 2] {
    let (name, namespace) = ("registry".to_owned(), "shop".to_owned());
    [
        CredentialRef::PullSecret { name: name.clone(), namespace: namespace.clone() },
        CredentialRef::ServiceAccount { name, namespace },
    ]
}

pub fn documents() -> [DocumentName; 4] {
    [
        DocumentName::Hashed { role: "targets/releases".to_owned(), sha256: sha("releases") },
        DocumentName::Root,
        DocumentName::RootVersion(2),
        DocumentName::Timestamp,
    ]
}

fn verification(outcome: VerifyOutcome) -> NotaryInput {
    let verification = Verification { flight: 7, gun: GUN.to_owned(), outcome };
    NotaryInput::Verification(Box::new(verification))
}

pub fn notary_inputs() -> Vec<NotaryInput> {
    let [hashed, root, version, timestamp] = documents();
    let wanted = Wanted { length: 512, role: "snapshot".to_owned(), sha256: sha("snapshot") };
    let verified = VerifiedCollection {
        evidence: evidence(),
        floors: floors(),
        tags: BTreeMap::from([("1.27".to_owned(), view())]),
    };
    let resolve = Resolve {
        anchor: Some(Arc::new(anchor())),
        credentials: credentials().into(),
        dry_run: true,
        gun: GUN.to_owned(),
        namespace: "shop".to_owned(),
        not_before: Mono(1),
        sealed_roots: [sha("keyid")].into(),
        tag: "1.27".to_owned(),
    };
    let document = FetchOutcome::Document(Blob::new(&b"{\"signed\":3}"[..]));
    vec![
        fetched(hashed, document),
        fetched(root, FetchOutcome::Absent),
        fetched(version, FetchOutcome::Failed(denial())),
        fetched(timestamp, FetchOutcome::Absent),
        NotaryInput::Forget(Forget { gun: GUN.to_owned(), reason: "the key was lost".to_owned() }),
        NotaryInput::Resolve(resolve),
        NotaryInput::Timer(NotaryTimer::FlightDeadline { flight: 7, gun: GUN.to_owned() }),
        NotaryInput::Timer(NotaryTimer::Retry { flight: 7, gun: GUN.to_owned() }),
        verification(VerifyOutcome::Missing(vec![wanted])),
        verification(VerifyOutcome::Refused(denial())),
        verification(VerifyOutcome::Verified(Box::new(verified))),
        NotaryInput::VerifierRefused(VerifierRefused {
            flight: 7,
            gun: GUN.to_owned(),
            why: denial(),
        }),
    ]
}

pub fn policy_inputs() -> Vec<PolicyInput> {
    let policy = SourceObject::Policy(PolicyObject {
        id: policy_ref(None),
        resource_version: Some("1001".to_owned()),
        spec: "{\"repositories\":[]}".to_owned(),
    });
    let secret = SourceObject::SignerSecret(SignerSecret {
        name: "alice".to_owned(),
        namespace: "shop".to_owned(),
        public_key: "-----BEGIN PUBLIC KEY-----\n".to_owned(),
        resource_version: None,
        secret: "alice".to_owned(),
    });
    let secret_ref =
        ObjectRef::SignerSecret { namespace: "shop".to_owned(), secret: "alice".to_owned() };
    vec![
        PolicyInput::Applied(Applied { object: policy.clone() }),
        PolicyInput::Deleted(Deleted { object: ObjectRef::Policy(policy_ref(Some("shop"))) }),
        PolicyInput::Deleted(Deleted { object: secret_ref }),
        PolicyInput::Relisted(Relisted { objects: vec![policy, secret] }),
        PolicyInput::WatchLost(WatchLost { why: "the directory is gone".to_owned() }),
        PolicyInput::WatchRestored,
    ]
}

pub fn verify_input() -> VerifyInput {
    VerifyInput::Verify(Box::new(VerifyRequest {
        documents: vec![Blob::new(&b"{\"signed\":1}"[..])],
        first_use: true,
        floors: floors(),
        flight: 7,
        gun: GUN.to_owned(),
        pins: evidence::RootPins {
            authorities: vec!["a PEM text".to_owned()],
            keyids: BTreeSet::from([sha("root key")]),
            required: true,
        },
        roots: vec![Blob::new(&b"{\"signed\":2}"[..])],
        server: SERVER.to_owned(),
        tags: BTreeSet::from(["1.27".to_owned()]),
        timestamp: Blob::new(&b"{\"signed\":3}"[..]),
        trusted_root: false,
    }))
}

pub fn effects() -> Vec<Effect> {
    let [hashed, ..] = documents();
    let timer = TimerKey::Notary(NotaryTimer::FlightDeadline { flight: 7, gun: GUN.to_owned() });
    let deadline = TimerKey::Admission(AdmissionTimer::Deadline(review_event()));
    let mut effects = vec![
        Effect::Answer(Arc::new(decision())),
        Effect::Arm { at: Mono(9_000_000), key: timer },
        Effect::Disarm { key: deadline },
        Effect::Fetch(FetchRequest {
            credentials: credentials().into(),
            document: hashed,
            flight: 7,
            gun: GUN.to_owned(),
            limit: 512,
            server: SERVER.to_owned(),
            timeout: 5_000_000,
        }),
        Effect::LookUpOwner(OwnerQuery {
            api_version: "apps/v1".to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "web-1".to_owned(),
            namespace: "shop".to_owned(),
            review: review_event(),
        }),
        Effect::RecordGap(gap()),
        Effect::Release(Release { instead: Some(denial()), review: review_event() }),
        Effect::Send {
            message: Arc::new(Input::Admission(resolution(ResolutionOutcome::Absent))),
            to: ActorId::Admission,
        },
    ];
    effects.extend(facts().into_iter().map(Effect::Note));
    effects
}

pub fn facts() -> Vec<Fact> {
    let (gun, server, why) = (GUN.to_owned(), SERVER.to_owned(), denial());
    let text = "a reason".to_owned();
    vec![
        Fact::BundleExpired { version: 3 },
        Fact::BundleFailed { code: BundleCode::Expired, why: text.clone() },
        Fact::BundleLoaded { anchors: 2, digest: sha("trust.json"), version: 3 },
        Fact::ClockReturned,
        Fact::ClockSteppedBack { micros: 400_000_000 },
        Fact::DelegationDropped {
            gun: gun.clone(),
            role: "targets/bob".to_owned(),
            why: DenyCode::Expired,
        },
        Fact::FetchFailed {
            document: "timestamp.json".to_owned(),
            gun: gun.clone(),
            server: server.clone(),
            why: why.clone(),
        },
        Fact::FetchRetried {
            document: "timestamp.json".to_owned(),
            gun: gun.clone(),
            server: server.clone(),
            why: DenyCode::ServerError,
        },
        Fact::FirstUse { gun: gun.clone(), server: server.clone(), version: 1 },
        Fact::JournalDegraded { why: text.clone() },
        Fact::JournalRestored { denied: 2 },
        Fact::PolicyInvalid { policy: policy_ref(None), why: text.clone() },
        Fact::PoliciesPublished { policies: 2, revision: 4 },
        Fact::Refreshed { gun: gun.clone(), server: server.clone(), timestamp: 42 },
        Fact::Refused { gun: gun.clone(), server: server.clone(), why },
        Fact::ReviewDecided {
            allowed: false,
            code: Some(DenyCode::SignerMissing),
            images: 3,
            micros: 1_234,
            review: review_event(),
            warm: true,
        },
        Fact::RootRotated { gun: gun.clone(), server: server.clone(), version: 2 },
        Fact::SealRevoked {
            digest: sha("manifest"),
            gun: GUN.to_owned(),
            reason: "it was built from the wrong commit".to_owned(),
        },
        Fact::TrustReset { gun, reason: text.clone(), server },
        Fact::Unexpected { actor: notary(), what: text.clone() },
        Fact::WatchLost { why: text },
        Fact::WatchRestored,
    ]
}
