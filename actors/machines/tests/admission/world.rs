//! An admission machine, a clock, and words to say what happens to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::Admission;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::evidence::{Evidence, RoleEvidence, SigningKey, TagView, TargetEntry};
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, AdmissionTimer, BundleLoaded, ContainerList, GroupKind,
    ImageFact, Operation, OwnerFact, Peer, Resolution, ResolutionOutcome, ReviewFacts, ReviewPath,
    ReviewVersion, VerifiedTag,
};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::policy::{
    Mode, Policy, PolicyGroup, PolicyRef, PolicySnapshot, PolicyState, Rule, SignerKey,
    SignerRequirement, TrustRequirement,
};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    ActorId, ContainerVerdict, Decision, Delivery, DenyCode, EventId, Fact, Machine, Mono, Now,
    Outbox, Settings, Sha256, Verdict, Wall,
};

/// The trust server of most tests.
pub const SERVER: &str = "https://notary.example";
/// When all evidence of the tests expires.
pub const EXPIRES: Wall = Wall(2_000_000_000_000_000);

/// One machine and its circumstances.
pub struct World {
    machine: Admission,
    pub now: Now,
    seq: u64,
}

impl World {
    pub fn new(settings: Settings) -> Self {
        Self::after(settings, Restored::default())
    }

    /// A machine to which the incarnation before left this bundle.
    pub fn restored(settings: Settings, bundle: BundleLoaded) -> Self {
        Self::after(settings, Restored { bundle: Some(Box::new(bundle)), ..Restored::default() })
    }

    fn after(settings: Settings, restored: Restored) -> Self {
        let started = Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 1,
            node: "node".parse().unwrap(),
            restored,
            rules: portreeve_protocol::RULES_VERSION,
            settings,
            settings_digest: Sha256::ZERO,
            wall: Wall(0),
        };
        let now = Now { mono: Mono(1_000 * SECOND), wall: Wall(1_900_000_000_000_000) };
        Self { machine: Admission::new(&started), now, seq: 0 }
    }

    /// A machine under these ClusterImagePolicies.
    pub fn with(cluster: Vec<Policy>) -> Self {
        let mut world = Self::new(Settings::default());
        world.policies(cluster);
        world
    }

    /// A machine under one ClusterImagePolicy with one rule.
    pub fn with_rule(pattern: &str, trust: Option<TrustRequirement>) -> Self {
        Self::with(vec![policy("default", vec![rule(pattern, trust)])])
    }

    pub fn policies(&mut self, policies: Vec<Policy>) {
        self.publish(policies, true);
    }

    pub fn publish(&mut self, policies: Vec<Policy>, watched: bool) {
        let mut snapshot = PolicySnapshot { revision: 7, watched, ..PolicySnapshot::default() };
        for policy in policies {
            match policy.id.namespace.clone() {
                None => snapshot.cluster.push(policy),
                Some(namespace) => snapshot.namespaces.entry(namespace).or_default().push(policy),
            }
        }
        assert!(self.deliver(&AdmissionInput::Policies(Arc::new(snapshot))).is_empty());
    }

    pub fn pass(&mut self, micros: u64) {
        self.now.mono = self.now.mono.plus(micros);
        self.now.wall.0 += i64::try_from(micros).unwrap();
    }

    /// Delivers an input under the next event id.
    pub fn deliver(&mut self, input: &AdmissionInput) -> Vec<AdmissionEffect> {
        self.seq += 1;
        let event = self.event(self.seq);
        let delivery = Delivery { event: event.clone(), now: self.now, root: event };
        let mut out = Outbox::default();
        self.machine.handle(&delivery, input, &mut out);
        out.into_effects()
    }

    /// The event id of the `seq`-th delivery.
    pub fn event(&self, seq: u64) -> EventId {
        let node = "node".parse().unwrap();
        EventId { node, incarnation: 1, actor: ActorId::Admission, seq }
    }

    /// The event id of the last delivery.
    pub fn last(&self) -> EventId {
        self.event(self.seq)
    }

    pub fn review(&mut self, facts: &ReviewFacts) -> Vec<AdmissionEffect> {
        self.deliver(&AdmissionInput::Review(facts.clone().into()))
    }

    /// Sends a Pod with these images; gives what comes of it at once.
    pub fn pod(&mut self, images: &[&str]) -> Vec<AdmissionEffect> {
        self.review(&pod(images))
    }

    /// Sends a Pod that must be decided at once.
    pub fn decide(&mut self, images: &[&str]) -> Decision {
        answer(&self.pod(images))
    }

    pub fn resolution(&mut self, resolution: Resolution) -> Vec<AdmissionEffect> {
        self.deliver(&AdmissionInput::Resolution(Arc::new(resolution)))
    }

    /// Tells what the trust server says about a tag, checked just now.
    pub fn tell(
        &mut self,
        gun: &str,
        tag: &str,
        outcome: ResolutionOutcome,
    ) -> Vec<AdmissionEffect> {
        let resolution = resolution(gun, tag, self.now.mono, outcome);
        self.resolution(resolution)
    }

    /// All that the machine keeps.
    pub fn state(&self) -> serde_json::Value {
        self.machine.keep().unwrap().state
    }

    pub fn deadline(&mut self, event: &EventId) -> Vec<AdmissionEffect> {
        self.deliver(&AdmissionInput::Timer(AdmissionTimer::Deadline(event.clone())))
    }
}

/// The one answer among effects.
pub fn answer(effects: &[AdmissionEffect]) -> Decision {
    let answers = answers(effects);
    assert_eq!(answers.len(), 1, "{effects:?}");
    answers[0].clone()
}

pub fn answers(effects: &[AdmissionEffect]) -> Vec<Decision> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            AdmissionEffect::Answer(decision) => Some(Decision::clone(decision)),
            AdmissionEffect::Arm(..)
            | AdmissionEffect::Disarm(_)
            | AdmissionEffect::LookUpOwner(_)
            | AdmissionEffect::Note(_)
            | AdmissionEffect::Resolve { .. } => None,
        })
        .collect()
}

/// The questions among effects: server and question.
pub fn questions(effects: &[AdmissionEffect]) -> Vec<(String, Resolve)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            AdmissionEffect::Resolve { server, resolve } => Some((server.clone(), resolve.clone())),
            AdmissionEffect::Answer(_)
            | AdmissionEffect::Arm(..)
            | AdmissionEffect::Disarm(_)
            | AdmissionEffect::LookUpOwner(_)
            | AdmissionEffect::Note(_) => None,
        })
        .collect()
}

/// Whether the fact of the decision says that no trust server was asked.
pub fn warm(effects: &[AdmissionEffect]) -> bool {
    effects
        .iter()
        .any(|it| matches!(it, AdmissionEffect::Note(Fact::ReviewDecided { warm: true, .. })))
}

pub fn code(decision: &Decision) -> Option<DenyCode> {
    assert_eq!(decision.allowed, decision.denial.is_none());
    decision.denial.as_ref().map(|denial| denial.code)
}

pub fn codes(decision: &Decision) -> Vec<Option<DenyCode>> {
    decision.verdicts.iter().map(code_of).collect()
}

pub fn code_of(verdict: &ContainerVerdict) -> Option<DenyCode> {
    match &verdict.verdict {
        Verdict::Allowed(_) => None,
        Verdict::Denied(denial) => Some(denial.code),
    }
}

pub fn policy(name: &str, rules: Vec<Rule>) -> Policy {
    Policy { id: id(name, None), rules: PolicyState::Valid(rules) }
}

pub fn policy_in(namespace: &str, name: &str, rules: Vec<Rule>) -> Policy {
    Policy { id: id(name, Some(namespace)), rules: PolicyState::Valid(rules) }
}

pub fn invalid(name: &str, namespace: Option<&str>) -> Policy {
    let why = "`spec` is not understood".to_owned();
    Policy { id: id(name, namespace), rules: PolicyState::Invalid(why) }
}

fn id(name: &str, namespace: Option<&str>) -> PolicyRef {
    PolicyRef {
        group: PolicyGroup::Portieris,
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
    }
}

pub fn rule(pattern: &str, trust: Option<TrustRequirement>) -> Rule {
    Rule { mode: Mode::Enforce, mutate_image: true, pattern: pattern.to_owned(), trust }
}

/// A demand for trust from [`SERVER`], by these signers.
pub fn trust(signers: &[(&str, Sha256)]) -> Option<TrustRequirement> {
    let signer = |(name, spki): &(&str, Sha256)| SignerRequirement {
        key: SignerKey::Usable { name: (*name).to_owned(), spki: *spki },
        secret: format!("portreeve/{name}"),
    };
    Some(TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: Default::default(),
        server: Some(SERVER.to_owned()),
        signers: signers.iter().map(signer).collect(),
        strict_roles: false,
    })
}

pub fn digest(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}

pub fn resolution(gun: &str, tag: &str, at: Mono, outcome: ResolutionOutcome) -> Resolution {
    Resolution {
        anchor: None,
        checked_at: at,
        gun: gun.to_owned(),
        last_verified: None,
        outcome,
        server: SERVER.to_owned(),
        tag: tag.to_owned(),
        tentative: false,
    }
}

/// Verified data in which `targets/releases` and each signer name `image` for the tag.
pub fn signed(gun: &str, tag: &str, image: Sha256, signers: &[(&str, Sha256)]) -> VerifiedTag {
    let mut roles = BTreeMap::new();
    let mut entries = BTreeMap::new();
    let role = |key: Sha256| RoleEvidence {
        expires: EXPIRES,
        sha256: digest("document"),
        signed_by: vec![SigningKey { keyid: key, spki: key }],
        threshold: 1,
        version: 3,
    };
    for name in ["root", "timestamp", "snapshot", "targets", "targets/releases"] {
        roles.insert(name.to_owned(), role(digest(name)));
    }
    let entry = TargetEntry::Image { length: 1_000, sha256: image };
    entries.insert("targets/releases".to_owned(), entry.clone());
    for (name, key) in signers {
        roles.insert(format!("targets/{name}"), role(*key));
        entries.insert(format!("targets/{name}"), entry.clone());
    }
    let evidence = Evidence {
        dropped: Vec::new(),
        expires: EXPIRES,
        first_use: false,
        gun: gun.to_owned(),
        roles,
    };
    VerifiedTag { evidence: evidence.into(), view: TagView { entries, tag: tag.to_owned() } }
}

pub fn verified(tag: VerifiedTag) -> ResolutionOutcome {
    ResolutionOutcome::Verified(Box::new(tag))
}

/// Verified data that does not name the tag.
pub fn without_tag(gun: &str, tag: &str) -> ResolutionOutcome {
    let mut found = signed(gun, tag, Sha256::ZERO, &[]);
    found.view.entries.clear();
    verified(found)
}

/// The creation of a Pod with one main container per image.
pub fn pod(images: &[&str]) -> ReviewFacts {
    let image = |(index, image): (usize, &&str)| ImageFact {
        container: format!("c{index}").into(),
        image: (*image).into(),
        list: ContainerList::Main,
        pointer: format!("/spec/containers/{index}/image").into(),
    };
    ReviewFacts {
        annotated: false,
        budget: 9 * SECOND,
        dry_run: false,
        images: images.iter().enumerate().map(image).collect(),
        kind: kind("", "Pod"),
        malformed: None,
        name: "web".to_owned(),
        namespace: "apps".to_owned(),
        old_images: Vec::new(),
        old_seal: Default::default(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "127.0.0.1".to_owned(), authenticated: true },
        pull_secrets: Vec::new(),
        seal: Default::default(),
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: "uid".to_owned(),
        user: "someone".to_owned(),
        version: ReviewVersion::V1,
    }
}

pub fn kind(group: &str, kind: &str) -> GroupKind {
    GroupKind { group: group.to_owned(), kind: kind.to_owned(), version: "v1".to_owned() }
}

/// A controller's owner reference, as anyone can write it.
pub fn owner() -> OwnerFact {
    OwnerFact {
        api_version: "apps/v1".to_owned(),
        controller: true,
        kind: "ReplicaSet".to_owned(),
        name: "web-1".to_owned(),
        uid: "f00d".to_owned(),
    }
}
