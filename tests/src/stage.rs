//! A policy machine and an admission machine without a node around them: reviews go in as bytes,
//! answers come out as bytes, and trust servers say at once what a table says. It is as fast as the
//! machines are and gives the same every time.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_host::node::Answer;
use portreeve_host::seals::{SealKeys, Sealer};
use portreeve_host::webhook::{Circumstances, SealChange, decided, parse};
use portreeve_machines::{Admission, PolicyCache};
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::evidence::{Evidence, RoleEvidence, SigningKey, TagView, TargetEntry};
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, FoundOwner, OwnerFact, OwnerFound, OwnerOutcome, OwnerQuery,
    Peer, Resolution, ResolutionOutcome, ReviewPath, VerifiedTag,
};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::messages::policy::{
    PolicyEffect, PolicyInput, PolicyObject, Relisted, SourceObject,
};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::seal::{SealClaims, SealFact};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    ActorId, Decision, Delivery, Denial, DenyCode, EventId, Machine, Mono, Now, Outbox, Settings,
    Sha256, Wall,
};
use serde_json::Value;

use crate::TestError;

/// When all evidence of the stage expires.
const EXPIRES: Wall = Wall(2_000_000_000_000_000);
/// The key that seals are made with; known to everybody, and of no use but here.
const SEAL_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// What trust servers say, and the policies.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Collections whose server is out of reach.
    pub down: Vec<String>,
    /// The policies: name, namespace, and text of `spec`.
    pub policies: Vec<(String, Option<String>, String)>,
    /// Collection, tag, and the digest that is signed for it.
    pub signed: BTreeMap<(String, String), Sha256>,
}

/// What is found where an owner reference points.
#[derive(Debug, Clone, Default)]
pub enum Controllers {
    /// Nothing.
    #[default]
    Absent,
    /// An object with the uid that the reference names.
    Genuine(Option<OwnerFact>, Option<SealClaims>),
    /// An object of that name with another uid.
    Other(Option<SealClaims>),
}

/// The machines, between reviews.
pub struct Stage {
    admission: Admission,
    node: &'static str,
    script: Script,
    sealer: Sealer,
    seq: u64,
}

/// The answer to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The body of the HTTP answer.
    pub bytes: Vec<u8>,
    /// The decision it was written from.
    pub decision: Decision,
}

impl Told {
    /// The body without the name of the event, which is another one for every delivery.
    #[must_use]
    pub fn of_any_event(&self) -> String {
        let event = format!("\"event\":\"{}\"", self.decision.review);
        String::from_utf8_lossy(&self.bytes).replace(&event, "\"event\":\"\"")
    }

    /// The answer with its patch decoded.
    ///
    /// # Errors
    /// `Content` if it is no answer.
    pub fn legible(&self) -> Result<Value, TestError> {
        let mut answer = json(&self.bytes)?;
        let patch = crate::review::patch(&answer["response"]).map_err(wrong)?;
        if !patch.is_empty() {
            answer["response"]["patch"] = Value::Array(patch);
        }
        Ok(answer)
    }
}

impl Script {
    /// Reads a script as the golden files hold it.
    ///
    /// # Errors
    /// `Content` if it is none.
    pub fn read(text: &str) -> Result<Self, TestError> {
        let whole = json(text.as_bytes())?;
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |name: &str| whole[name].as_array().cloned().unwrap_or_default();
        let mut script =
            Self { down: list("down").iter().map(string).collect(), ..Self::default() };
        for policy in list("policies") {
            let namespace = policy["namespace"].as_str().map(str::to_owned);
            let spec = policy["spec"].to_string();
            script.policies.push((string(&policy["name"]), namespace, spec));
        }
        for entry in list("signed") {
            let digest = string(&entry["digest"]).parse().map_err(wrong)?;
            script.signed.insert((string(&entry["gun"]), string(&entry["tag"])), digest);
        }
        Ok(script)
    }

    /// What the trust server says about a tag.
    fn outcome(&self, gun: &str, tag: &str) -> ResolutionOutcome {
        if self.down.iter().any(|down| down == gun) {
            let denial = Denial::new(DenyCode::Unreachable, "it did not answer in time");
            return ResolutionOutcome::Unavailable(denial);
        }
        if !self.signed.keys().any(|(known, _)| known == gun) {
            return ResolutionOutcome::Absent;
        }
        let digest = self.signed.get(&(gun.to_owned(), tag.to_owned()));
        ResolutionOutcome::Verified(Box::new(verified(gun, tag, digest.copied())))
    }
}

impl Stage {
    /// Machines that have read the policies of `script`, on the node of this name.
    ///
    /// # Errors
    /// `Content` if the policies come to no snapshot.
    pub fn new(node: &'static str, script: &Script) -> Result<Self, TestError> {
        let started = started(node)?;
        let mut policy = PolicyCache::new(&started);
        let objects = script.policies.iter().map(|(name, namespace, spec)| {
            let (name, namespace, spec) = (name.clone(), namespace.clone(), spec.clone());
            let id = PolicyRef { group: PolicyGroup::Portieris, name, namespace };
            SourceObject::Policy(PolicyObject { id, resource_version: None, spec })
        });
        let relisted = PolicyInput::Relisted(Relisted { objects: objects.collect() });
        let mut out = Outbox::default();
        policy.handle(&delivery(node, ActorId::Policy, 1)?, &relisted, &mut out);
        let keys = SealKeys::parse(SEAL_KEY).map_err(wrong)?;
        let mut stage = Self {
            admission: Admission::new(&started),
            node,
            script: script.clone(),
            sealer: keys.into(),
            seq: 0,
        };
        for effect in out.into_effects() {
            if let PolicyEffect::Publish(snapshot) = effect {
                stage.deliver(&AdmissionInput::Policies(snapshot))?;
            }
        }
        Ok(stage)
    }

    /// The text of a seal.
    #[must_use]
    pub fn seal(&self, claims: &SealClaims) -> Option<String> {
        self.sealer.seal(claims)
    }

    /// Sends a review and answers whatever is asked, in the order given by `turn`: the questions
    /// are turned by so many places before they are answered.
    ///
    /// # Errors
    /// `Content` if it is no review, or there is no answer.
    pub fn review(
        &mut self,
        body: &[u8],
        path: ReviewPath,
        controllers: &Controllers,
        turn: usize,
    ) -> Result<Told, TestError> {
        let circumstances = Circumstances {
            budget: 9 * SECOND,
            path,
            peer: Peer { address: "127.0.0.1".to_owned(), authenticated: true },
            sealer: self.sealer.clone(),
        };
        let facts = parse(body, circumstances).map_err(|why| wrong(why.0))?;
        let (version, annotated, owners) = (facts.version, facts.annotated, facts.owners.clone());
        let mut effects = self.deliver(&AdmissionInput::Review(facts.into()))?;
        for _ in 0..ROUNDS {
            if let Some(decision) = answer(&effects) {
                let text = decision.seal.as_ref().and_then(|seal| self.sealer.give(seal));
                let seal = text.map(|text| SealChange { annotated, text });
                let told = Answer { decision: Arc::clone(&decision), record: None };
                let bytes = decided(version, &told, seal.as_ref()).map_err(wrong)?;
                return Ok(Told { bytes, decision: Decision::clone(&decision) });
            }
            let mut replies = self.replies(&effects, controllers, &owners);
            effects.clear();
            let places = turn.checked_rem(replies.len()).unwrap_or_default();
            replies.rotate_left(places);
            for reply in replies {
                effects.extend(self.deliver(&reply)?);
            }
        }
        Err(wrong("the review is not answered"))
    }

    fn deliver(&mut self, input: &AdmissionInput) -> Result<Vec<AdmissionEffect>, TestError> {
        self.seq += 1;
        let mut out = Outbox::default();
        let delivery = delivery(self.node, ActorId::Admission, self.seq)?;
        self.admission.handle(&delivery, input, &mut out);
        Ok(out.into_effects())
    }

    fn replies(
        &self,
        effects: &[AdmissionEffect],
        controllers: &Controllers,
        owners: &[OwnerFact],
    ) -> Vec<AdmissionInput> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                AdmissionEffect::Answer(_)
                | AdmissionEffect::Arm(..)
                | AdmissionEffect::Disarm(_)
                | AdmissionEffect::Note(_) => None,
                AdmissionEffect::LookUpOwner(query) => {
                    Some(AdmissionInput::OwnerFound(found(query, controllers, owners)))
                }
                AdmissionEffect::Resolve { server, resolve } => {
                    Some(AdmissionInput::Resolution(Arc::new(self.resolution(server, resolve))))
                }
            })
            .collect()
    }

    fn resolution(&self, server: &str, resolve: &Resolve) -> Resolution {
        let (gun, tag) = (resolve.gun.clone(), resolve.tag.clone());
        let outcome = self.script.outcome(&gun, &tag);
        let server = server.to_owned();
        let (checked_at, last_verified) = (NOW.mono, None);
        Resolution {
            anchor: resolve.anchor.as_ref().map(|anchor| anchor.digest()),
            checked_at,
            gun,
            last_verified,
            outcome,
            server,
            tag,
            tentative: false,
        }
    }
}

/// A review asks about its controller, then about its images, and about these again at most once.
const ROUNDS: usize = 4;

/// The hour at which everything happens.
const NOW: Now = Now { mono: Mono(1_000 * SECOND), wall: Wall(1_900_000_000_000_000) };

fn started(node: &str) -> Result<Started, TestError> {
    Ok(Started {
        build: "test".to_owned(),
        incarnation: 1,
        jitter_seed: 1,
        node: node.parse().map_err(wrong)?,
        restored: Restored::default(),
        rules: portreeve_protocol::RULES_VERSION,
        settings: Settings::default(),
        settings_digest: Sha256::ZERO,
        wall: NOW.wall,
    })
}

fn delivery(node: &str, actor: ActorId, seq: u64) -> Result<Delivery, TestError> {
    let node = node.parse().map_err(wrong)?;
    let event = EventId { node, incarnation: 1, actor, seq };
    Ok(Delivery { event: event.clone(), now: NOW, root: event })
}

fn answer(effects: &[AdmissionEffect]) -> Option<Arc<Decision>> {
    effects.iter().find_map(|effect| match effect {
        AdmissionEffect::Answer(decision) => Some(Arc::clone(decision)),
        AdmissionEffect::Arm(..)
        | AdmissionEffect::Disarm(_)
        | AdmissionEffect::LookUpOwner(_)
        | AdmissionEffect::Note(_)
        | AdmissionEffect::Resolve { .. } => None,
    })
}

fn found(query: &OwnerQuery, controllers: &Controllers, owners: &[OwnerFact]) -> OwnerFound {
    let seal = |claims: &Option<SealClaims>| match claims {
        Some(claims) => SealFact::Valid(Box::new(claims.clone())),
        None => SealFact::Absent,
    };
    let named = owners.iter().find(|owner| owner.controller && owner.name == query.name);
    let uid = named.map(|owner| owner.uid.clone()).unwrap_or_default();
    let outcome = match controllers {
        Controllers::Absent => OwnerOutcome::Absent,
        Controllers::Genuine(controller, claims) => {
            let (controller, seal) = (controller.clone(), seal(claims));
            OwnerOutcome::Found(Box::new(FoundOwner { controller, seal, uid }))
        }
        Controllers::Other(claims) => {
            let (uid, seal) = (format!("not-{uid}"), seal(claims));
            OwnerOutcome::Found(Box::new(FoundOwner { controller: None, seal, uid }))
        }
    };
    OwnerFound { micros: 0, outcome, review: query.review.clone() }
}

/// Verified data in which `targets/releases` names `digest` for the tag, or nothing.
fn verified(gun: &str, tag: &str, digest: Option<Sha256>) -> VerifiedTag {
    let role = |name: &str| {
        let key = Sha256::of(name.as_bytes());
        let evidence = RoleEvidence {
            expires: EXPIRES,
            sha256: Sha256::of(b"document"),
            signed_by: vec![SigningKey { keyid: key, spki: key }],
            threshold: 1,
            version: 3,
        };
        (name.to_owned(), evidence)
    };
    let names = ["root", "timestamp", "snapshot", "targets", "targets/releases"];
    let entry = |sha256| {
        let entry = TargetEntry::Image { length: 1_000, sha256 };
        ("targets/releases".to_owned(), entry)
    };
    let evidence = Evidence {
        dropped: Vec::new(),
        expires: EXPIRES,
        first_use: false,
        gun: gun.to_owned(),
        roles: names.into_iter().map(role).collect(),
    };
    let entries = digest.into_iter().map(entry).collect();
    VerifiedTag { evidence: evidence.into(), view: TagView { entries, tag: tag.to_owned() } }
}

fn json(bytes: &[u8]) -> Result<Value, TestError> {
    serde_json::from_slice(bytes).map_err(wrong)
}

fn wrong(why: impl std::fmt::Display) -> TestError {
    TestError::Content { path: "a script, review or answer".to_owned(), why: why.to_string() }
}
