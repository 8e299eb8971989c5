//! A run made by hand, for the tests of oracles: one replica, one trust server that serves one
//! collection, a policy that asks for alice's signature, and whatever a test adds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::decision::Verified;
use portreeve_protocol::entry::{Delivered, Restored, Started};
use portreeve_protocol::evidence::{Evidence, RoleEvidence, TagView};
use portreeve_protocol::messages::admission::{
    AdmissionInput, ContainerList, GroupKind, ImageFact, Operation, Peer, Resolution,
    ResolutionOutcome, ReviewFacts, ReviewPath, ReviewVersion, VerifiedTag,
};
use portreeve_protocol::messages::policy::{PolicyInput, Relisted};
use portreeve_protocol::policy::{
    Mode, Policy, PolicyGroup, PolicySnapshot, PolicyState, Rule, SignerKey, SignerRequirement,
    TrustRequirement,
};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    ActorId, Admitted, Cause, ContainerVerdict, Decision, Denial, DenyCode, Entry, EventId, Input,
    Mono, Now, Outside, RULES_VERSION, SealFact, Settings, Sha256, Verdict, Wall,
};

use super::{Run, Violation};
use crate::history::{Answered, Seen, Sight};
use crate::node::Journal;
use crate::outcome::{Counts, Left};
use crate::scenario::{
    CollectionPlan, PolicyPlan, RulePlan, SignedTag, SignerPlan, TrustPlan, TrustServerPlan,
};
use crate::trace::Trace;
use crate::truth::{Edition, Served, Shelf, Stand, Truth};
use crate::{Outcome, Scenario};

/// The seed of alice's key.
pub const ALICE: u64 = 1;
/// The collection.
pub const GUN: &str = "registry.example/shop/web";
/// The image that the collection has.
pub const IMAGE: &str = "registry.example/shop/web:1.0";
/// The trust server.
pub const SERVER: &str = "https://notary.example:4443";
/// The wall clock at the start.
pub const START: Wall = Wall(1_795_415_688_000_000);

const DAY: i64 = 86_400_000_000;

/// The signed digest.
pub fn digest() -> Sha256 {
    Sha256::of(b"registry.example/shop/web:1.0")
}

/// The id of the root key.
pub fn root_key() -> Sha256 {
    Sha256::of(b"root key")
}

/// What is signed.
pub fn tag() -> SignedTag {
    let (signers, tag) = (vec!["alice".to_owned()], "1.0".to_owned());
    SignedTag { digest: digest(), length: 1_000, signers, tag }
}

/// The policy: alice must have signed what the shop runs.
pub fn policy() -> PolicyPlan {
    let trust = TrustPlan {
        server: Some(SERVER.to_owned()),
        signers: vec!["alice".to_owned()],
        ..TrustPlan::default()
    };
    let rule = |pattern: &str, trust| RulePlan {
        mode: Mode::Enforce,
        mutate_image: true,
        pattern: pattern.to_owned(),
        trust,
    };
    PolicyPlan {
        group: PolicyGroup::Portieris,
        malformed: false,
        name: "shop".to_owned(),
        namespace: None,
        rules: vec![
            rule("registry.example/shop/*", Some(trust)),
            rule("registry.example/tools/*", None),
        ],
    }
}

/// The policies as a replica obeys them, if it knows all there is.
pub fn obeyed(scenario: &Scenario) -> PolicySnapshot {
    let signer = |secret: &String| SignerRequirement {
        key: SignerKey::Usable { name: secret.clone(), spki: digest() },
        secret: format!("{}/{secret}", scenario.settings.operator_namespace),
    };
    let trust = |plan: &TrustPlan| TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: BTreeSet::new(),
        server: plan.server.clone(),
        signers: plan.signers.iter().map(signer).collect(),
        strict_roles: plan.strict_roles,
    };
    let rule = |plan: &RulePlan| Rule {
        mode: plan.mode,
        mutate_image: plan.mutate_image,
        pattern: plan.pattern.clone(),
        trust: plan.trust.as_ref().map(trust),
    };
    let policy = |plan: &PolicyPlan| {
        let rules = PolicyState::Valid(plan.rules.iter().map(rule).collect());
        Policy { id: plan.id(), rules }
    };
    let cluster = scenario.policies.iter().map(policy).collect();
    PolicySnapshot { cluster, namespaces: BTreeMap::new(), revision: 1, watched: true }
}

/// The scenario.
pub fn scenario() -> Scenario {
    let settings =
        Settings { approved_servers: BTreeSet::from([SERVER.to_owned()]), ..Settings::default() };
    let collection = CollectionPlan {
        gun: GUN.to_owned(),
        keys: ALICE,
        signers: vec!["alice".to_owned()],
        tags: vec![tag()],
    };
    Scenario {
        audited: false,
        bundle: None,
        changes: Vec::new(),
        faults: Vec::new(),
        heal: None,
        most_events: 1_000,
        policies: vec![policy()],
        policy_changes: Vec::new(),
        published: Wall(START.0 - DAY),
        replicas: vec!["sim-0".to_owned()],
        reviews: Vec::new(),
        servers: vec![TrustServerPlan { collections: vec![collection], url: SERVER.to_owned() }],
        signers: vec![SignerPlan {
            keys: ALICE,
            name: "alice".to_owned(),
            namespace: settings.operator_namespace.clone(),
            secret: "alice".to_owned(),
        }],
        settings,
        start: START,
    }
}

/// The truth.
pub fn truth() -> Truth {
    let edition = Edition {
        at: Mono(0),
        expires: Wall(START.0 + 13 * DAY),
        fresh: true,
        root_keys: BTreeSet::from([root_key()]),
        signers: BTreeMap::from([("alice".to_owned(), ALICE)]),
        tags: BTreeMap::from([("1.0".to_owned(), tag())]),
    };
    let served = vec![Stand { from: Mono(0), what: Served::Edition(0) }];
    let shelf = Shelf { editions: vec![edition], served };
    let key = (SERVER.to_owned(), GUN.to_owned());
    Truth { collections: BTreeMap::from([(key, shelf)]) }
}

/// What was verified of the collection, with this version of the timestamp.
pub fn evidence(timestamp: u64) -> Evidence {
    let role = |version| RoleEvidence {
        expires: Wall(START.0 + 13 * DAY),
        sha256: Sha256::of(b"document"),
        signed_by: Vec::new(),
        threshold: 1,
        version,
    };
    let roles = [("root", 1), ("snapshot", 1), ("timestamp", timestamp)];
    Evidence {
        dropped: Vec::new(),
        expires: Wall(START.0 + 13 * DAY),
        first_use: true,
        gun: GUN.to_owned(),
        roles: roles.map(|(name, version)| (name.to_owned(), role(version))).into(),
    }
}

/// What the trust server says of the image, by a timestamp asked for at `checked_at`.
pub fn resolution(checked_at: Mono) -> Resolution {
    let view = TagView { entries: BTreeMap::new(), tag: "1.0".to_owned() };
    let tag = VerifiedTag { evidence: evidence(1).into(), view };
    Resolution {
        anchor: None,
        checked_at,
        gun: GUN.to_owned(),
        last_verified: None,
        outcome: ResolutionOutcome::Verified(Box::new(tag)),
        server: SERVER.to_owned(),
        tag: "1.0".to_owned(),
        tentative: false,
    }
}

/// The opening of an incarnation.
pub fn started(incarnation: u32) -> Started {
    Started {
        build: "test".to_owned(),
        incarnation,
        jitter_seed: 1,
        node: event(incarnation, 1).node,
        restored: Restored::default(),
        rules: RULES_VERSION,
        settings: scenario().settings,
        settings_digest: Sha256::ZERO,
        wall: START,
    }
}

/// A delivery to the admission actor.
pub fn event(incarnation: u32, seq: u64) -> EventId {
    let node = "sim-0".parse();
    let Ok(node) = node else { unreachable!("it is the name of a node") };
    EventId { node, incarnation, actor: ActorId::Admission, seq }
}

/// A review of a Deployment with one container.
pub fn facts(uid: &str, image: &str) -> ReviewFacts {
    ReviewFacts {
        annotated: false,
        budget: 9 * SECOND,
        dry_run: false,
        images: vec![ImageFact {
            container: "main".into(),
            image: image.into(),
            list: ContainerList::Main,
            pointer: "/spec/template/spec/containers/0/image".into(),
        }],
        kind: GroupKind {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            version: "v1".to_owned(),
        },
        malformed: None,
        name: uid.to_owned(),
        namespace: "shop".to_owned(),
        old_images: Vec::new(),
        old_seal: SealFact::Absent,
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "127.0.0.1".to_owned(), authenticated: false },
        pull_secrets: Vec::new(),
        seal: SealFact::Absent,
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: uid.to_owned(),
        user: "somebody".to_owned(),
        version: ReviewVersion::V1,
    }
}

/// The verdict on the image: verified, and pinned.
pub fn verified(digest: Sha256) -> Verdict {
    Verdict::Allowed(Admitted::Verified(Box::new(Verified {
        digest,
        evidence: evidence(1).into(),
        pinned: true,
        released_by: "targets/releases".into(),
        server: SERVER.into(),
        signers: vec!["alice".to_owned()],
    })))
}

/// The verdict that there is no such tag.
pub fn denied(code: DenyCode) -> Verdict {
    Verdict::Denied(Denial::new(code, "for a test"))
}

/// A decision with one verdict on each image.
pub fn decision(event: &EventId, facts: &ReviewFacts, verdict: Verdict) -> Decision {
    let judged = |image: &ImageFact| ContainerVerdict {
        container: image.container.clone(),
        image: image.image.clone(),
        pointer: image.pointer.clone(),
        rules: Vec::new().into(),
        verdict: verdict.clone(),
    };
    let verdicts: Vec<_> = facts.images.iter().map(judged).collect();
    let denial = match &verdict {
        Verdict::Allowed(_) => None,
        Verdict::Denied(denial) => Some(denial.clone()),
    };
    Decision {
        allowed: denial.is_none(),
        audit: BTreeMap::new(),
        bundle: None,
        denial,
        message: String::new(),
        policy_revision: 1,
        review: event.clone(),
        seal: None,
        uid: facts.uid.clone(),
        verdicts,
        warnings: Vec::new(),
    }
}

/// A run in the making.
pub struct Story {
    /// The last number of a delivery.
    deliveries: u64,
    /// What it gives.
    pub outcome: Outcome,
    /// What is to happen.
    pub scenario: Scenario,
}

impl Story {
    /// A replica that has started and been told the policies.
    pub fn new() -> Self {
        Self::of(scenario())
    }

    /// As [`Story::new`], of another scenario.
    pub fn of(scenario: Scenario) -> Self {
        let objects = scenario.objects().into_iter().flatten().collect();
        let policies = Some(Arc::new(obeyed(&scenario)));
        let left = Left { given_up: Vec::new(), journal: Journal::default(), policies };
        let mut story = Self { deliveries: 0, outcome: outcome(left), scenario };
        story.see(0, Sight::Started(started(1).into()));
        let told = PolicyInput::Relisted(Relisted { objects });
        story.see(1, Sight::Policies(Arc::new(Input::Policy(told))));
        story
    }

    /// Something is seen of the replica.
    pub fn see(&mut self, at: u64, what: Sight) {
        self.outcome.took = Mono(at);
        self.outcome.history.push(Seen { at: Mono(at), replica: 0, what });
    }

    /// A review is received.
    pub fn review(&mut self, at: u64, facts: &ReviewFacts) -> EventId {
        self.asked(at, facts, false)
    }

    /// A review is received, perhaps a probe.
    pub fn asked(&mut self, at: u64, facts: &ReviewFacts, probe: bool) -> EventId {
        self.deliveries += 1;
        let event = event(1, self.deliveries);
        let input = Arc::new(Input::Admission(AdmissionInput::Review(facts.clone().into())));
        self.see(at, Sight::Received { event: event.clone(), input, probe });
        event
    }

    /// A trust server's answer becomes known.
    pub fn resolved(&mut self, at: u64, checked_at: u64) {
        self.see(at, Sight::Resolved(resolution(Mono(checked_at)).into()));
    }

    /// The receipt of a review is recorded.
    pub fn record_review(&mut self, at: u64, event: &EventId, facts: &ReviewFacts) {
        let input = AdmissionInput::Review(facts.clone().into());
        self.write(Now { mono: Mono(at), wall: START }, event.clone(), input, Vec::new());
    }

    /// A decision is recorded, by a replica whose wall clock shows `wall`.
    pub fn record(&mut self, at: u64, wall: Wall, decision: &Arc<Decision>) {
        self.deliveries += 1;
        let event = event(1, self.deliveries);
        let decisions = vec![Arc::clone(decision)];
        self.write(Now { mono: Mono(at), wall }, event, AdmissionInput::Drain, decisions);
    }

    /// A delivery is recorded.
    pub fn write(
        &mut self,
        now: Now,
        event: EventId,
        input: impl Into<Input>,
        decisions: Vec<Arc<Decision>>,
    ) {
        let delivered = Delivered {
            cause: Cause::Outside(Outside::Webhook),
            decisions,
            effects: Sha256::ZERO,
            event: event.clone(),
            input: Arc::new(input.into()),
            lamport: 1,
            now,
            root: event,
        };
        for left in &mut self.outcome.replicas {
            left.journal.write(Entry::Delivered(delivered.clone()));
            left.journal.sync();
        }
    }

    /// An answer leaves; its record is not written by that.
    pub fn leave(&mut self, at: u64, received: u64, decision: Arc<Decision>) {
        let (event, received) = (decision.review.clone(), Mono(received));
        let answered = Answered { decision, event, instead: None, received };
        self.see(at, Sight::Answered(Box::new(answered)));
    }

    /// A review is received at `at`, decided and answered ten milliseconds later.
    pub fn answer(&mut self, at: u64, facts: &ReviewFacts, verdict: Verdict) {
        let event = self.review(at, facts);
        let decision = Arc::new(decision(&event, facts, verdict));
        self.record(at, Wall(START.0 + at.cast_signed()), &decision);
        self.leave(at + 10_000, at, decision);
    }

    /// A review of the image is received just behind an answer of the trust server, and answered.
    pub fn decided(&mut self, at: u64, verdict: Verdict) {
        self.resolved(at - 1_000, at - 2_000);
        self.answer(at, &facts(&format!("uid-{at}"), IMAGE), verdict);
    }

    /// What an oracle finds.
    pub fn found(&self, check: fn(&Run<'_>, &mut Vec<Violation>)) -> Vec<Violation> {
        let mut found = Vec::new();
        let run = Run { outcome: &self.outcome, scenario: &self.scenario, seed: 1 };
        check(&run, &mut found);
        found
    }

    /// Whether an oracle finds something that speaks of `words`, and nothing else.
    #[track_caller]
    pub fn breaks(&self, check: fn(&Run<'_>, &mut Vec<Violation>), words: &str) {
        let found = self.found(check);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|one| one.what.contains(words)), "{found:?}");
    }

    /// Whether an oracle finds nothing.
    #[track_caller]
    pub fn keeps(&self, check: fn(&Run<'_>, &mut Vec<Violation>)) {
        assert_eq!(self.found(check), []);
    }
}

fn outcome(left: Left) -> Outcome {
    Outcome {
        answers: BTreeMap::new(),
        counts: Counts::default(),
        facts: BTreeMap::new(),
        history: Vec::new(),
        marks: BTreeMap::new(),
        replicas: vec![left],
        stuck: None,
        trace: Trace::new(false),
        trace_hash: Sha256::ZERO,
        truth: truth(),
        took: Mono(0),
    }
}
