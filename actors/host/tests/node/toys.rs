//! Machines that do as the names in their inputs say.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_host::node::cast::Cast;
use portreeve_protocol::decision::{Admitted, ContainerVerdict, Verdict};
use portreeve_protocol::entry::Started;
use portreeve_protocol::evidence::Floors;
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, AdmissionTimer, Resolution, ResolutionOutcome,
};
use portreeve_protocol::messages::notary::{
    DocumentName, FetchOutcome, FetchRequest, NotaryEffect, NotaryInput, NotaryTimer, Resolve,
    Verification, VerifyOutcome,
};
use portreeve_protocol::messages::policy::{PolicyEffect, PolicyInput};
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput, VerifyRequest};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{
    ActorKind, Decision, Delivery, Denial, DenyCode, EventId, Fact, Input, Machine, Mono, Outbox,
    Sha256,
};

pub fn cast() -> Cast<Toy, ToyNotary, ToyPolicy, ToyVerifier> {
    Cast {
        admission: |_| Toy::default(),
        notary: |_, server| ToyNotary { server: server.to_owned() },
        policy: |_| ToyPolicy { revision: 0 },
        trusted: |_| Vec::new(),
        verify: |_| ToyVerifier,
    }
}

/// A cast whose policy cache cannot be made.
pub fn stillborn() -> Cast<Toy, ToyNotary, ToyPolicy, ToyVerifier> {
    Cast { policy: |_: &Started| panic!("no policy cache today"), ..cast() }
}

/// Decides by name: `allow`, `exempt`, `deny`, `panic`, `silent`, `timer`, `resolve SERVER GUN`.
#[derive(Default)]
pub struct Toy {
    draining: bool,
    waiting: BTreeMap<EventId, (String, String)>,
}

fn decision(review: &EventId, uid: &str, denial: Option<Denial>, verdicts: bool) -> Arc<Decision> {
    let verdict = ContainerVerdict {
        container: "main".into(),
        image: "registry.example/app:1".into(),
        pointer: "/spec/containers/0/image".into(),
        rules: Vec::new().into(),
        verdict: Verdict::Allowed(Admitted::TrustNotRequired),
    };
    Arc::new(Decision {
        allowed: denial.is_none(),
        audit: BTreeMap::new(),
        denial,
        message: String::new(),
        bundle: None,
        policy_revision: 0,
        review: review.clone(),
        seal: None,
        uid: uid.to_owned(),
        verdicts: verdicts.then_some(verdict).into_iter().collect(),
        warnings: Vec::new(),
    })
}

impl Toy {
    fn review(&mut self, delivery: &Delivery, name: &str, uid: &str) -> Vec<AdmissionEffect> {
        let event = &delivery.event;
        if self.draining {
            let why = Denial::new(DenyCode::Draining, "the toy drains");
            return vec![AdmissionEffect::Answer(decision(event, uid, Some(why), true))];
        }
        let mut words = name.split(' ');
        match words.next() {
            Some("allow") => vec![AdmissionEffect::Answer(decision(event, uid, None, true))],
            Some("exempt") => vec![AdmissionEffect::Answer(decision(event, uid, None, false))],
            Some("deny") => {
                let why = Denial::new(DenyCode::NoPolicy, "the toy says no");
                vec![AdmissionEffect::Answer(decision(event, uid, Some(why), true))]
            }
            Some("panic") => panic!("the toy panics"),
            Some("timer") => {
                self.waiting.insert(event.clone(), (uid.to_owned(), String::new()));
                let timer = AdmissionTimer::Deadline(event.clone());
                let moved = AdmissionTimer::Deadline(event.clone());
                vec![
                    AdmissionEffect::Arm(Mono(u64::MAX), timer),
                    AdmissionEffect::Arm(delivery.now.mono.plus(2_000), moved),
                ]
            }
            Some("resolve") => {
                let server = words.next().unwrap().to_owned();
                let gun = words.next().unwrap().to_owned();
                self.waiting.insert(event.clone(), (uid.to_owned(), gun.clone()));
                let resolve = Resolve {
                    anchor: None,
                    credentials: Default::default(),
                    dry_run: false,
                    gun,
                    namespace: String::new(),
                    not_before: Mono(0),
                    sealed_roots: Default::default(),
                    tag: "1".to_owned(),
                };
                vec![AdmissionEffect::Resolve { server, resolve }]
            }
            _ => {
                self.waiting.insert(event.clone(), (uid.to_owned(), String::new()));
                Vec::new()
            }
        }
    }

    fn end(&mut self, gun: &str, denial: Option<Denial>) -> Vec<AdmissionEffect> {
        let ends: Vec<EventId> = self
            .waiting
            .iter()
            .filter(|(_, (_, waited))| waited == gun)
            .map(|(review, _)| review.clone())
            .collect();
        ends.into_iter()
            .map(|review| {
                let (uid, _) = self.waiting.remove(&review).unwrap();
                AdmissionEffect::Answer(decision(&review, &uid, denial.clone(), true))
            })
            .collect()
    }
}

impl Machine for Toy {
    type Input = AdmissionInput;
    type Effect = AdmissionEffect;

    const KIND: ActorKind = ActorKind::Admission;

    fn handle(
        &mut self,
        delivery: &Delivery,
        input: &AdmissionInput,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let effects = match input {
            AdmissionInput::Review(facts) => self.review(delivery, &facts.name, &facts.uid),
            AdmissionInput::Drain => {
                self.draining = true;
                let guns: Vec<String> = self.waiting.values().map(|(_, gun)| gun.clone()).collect();
                let why = Denial::new(DenyCode::Draining, "the toy drains");
                guns.iter().flat_map(|gun| self.end(gun, Some(why.clone()))).collect()
            }
            AdmissionInput::HopRefused(refused) => {
                let root = &delivery.root;
                let gun = self.waiting.get(root).map(|(_, gun)| gun.clone()).unwrap_or_default();
                self.end(&gun, Some(refused.why.clone()))
            }
            AdmissionInput::AcknowledgeClock(_)
            | AdmissionInput::BundleFailed(_)
            | AdmissionInput::BundleLoaded(_)
            | AdmissionInput::Forgotten(_)
            | AdmissionInput::OwnerFound(_)
            | AdmissionInput::Policies(_)
            | AdmissionInput::RevokeSeal(_) => Vec::new(),
            AdmissionInput::Resolution(resolution) => {
                let denial = match &resolution.outcome {
                    ResolutionOutcome::Absent => {
                        Some(Denial::new(DenyCode::NotSigned, "the toy finds nothing"))
                    }
                    ResolutionOutcome::Refused(why) | ResolutionOutcome::Unavailable(why) => {
                        Some(why.clone())
                    }
                    ResolutionOutcome::Verified(_) => None,
                };
                self.end(&resolution.gun, denial)
            }
            AdmissionInput::Timer(AdmissionTimer::Deadline(review)) => {
                let (uid, _) = self.waiting.remove(review).unwrap();
                vec![AdmissionEffect::Answer(decision(review, &uid, None, true))]
            }
        };
        effects.into_iter().for_each(|effect| out.push(effect));
    }

    fn accept(input: &Input) -> Option<&AdmissionInput> {
        if let Input::Admission(input) = input { Some(input) } else { None }
    }
}

/// Fetches one document, has it verified, and publishes what it was told.
pub struct ToyNotary {
    server: String,
}

impl ToyNotary {
    fn publish(&self, gun: &str, outcome: ResolutionOutcome) -> NotaryEffect {
        NotaryEffect::Publish(Arc::new(Resolution {
            anchor: None,
            checked_at: Mono(0),
            gun: gun.to_owned(),
            last_verified: None,
            outcome,
            server: self.server.clone(),
            tag: "1".to_owned(),
            tentative: false,
        }))
    }
}

impl Machine for ToyNotary {
    type Input = NotaryInput;
    type Effect = NotaryEffect;

    const KIND: ActorKind = ActorKind::Notary;

    fn handle(&mut self, _: &Delivery, input: &NotaryInput, out: &mut Outbox<NotaryEffect>) {
        let timer = |gun: &str| NotaryTimer::FlightDeadline { flight: 1, gun: gun.to_owned() };
        let effect = match input {
            NotaryInput::Resolve(resolve) => {
                assert_ne!(resolve.gun, "panicking-fetcher", "the toy panics");
                out.push(NotaryEffect::Arm(Mono(0), timer(&resolve.gun)));
                out.push(NotaryEffect::Disarm(timer(&resolve.gun)));
                NotaryEffect::Fetch(FetchRequest {
                    credentials: Vec::new(),
                    document: DocumentName::Timestamp,
                    flight: 1,
                    gun: resolve.gun.clone(),
                    limit: 100,
                    server: self.server.clone(),
                    timeout: if resolve.gun == "silent-server" { 5_000 } else { 10_000_000 },
                })
            }
            NotaryInput::Fetched(fetched) => match &fetched.outcome {
                FetchOutcome::Absent => self.publish(&fetched.gun, ResolutionOutcome::Absent),
                FetchOutcome::Failed(why) => {
                    self.publish(&fetched.gun, ResolutionOutcome::Unavailable(why.clone()))
                }
                FetchOutcome::Document(blob) => NotaryEffect::Verify(Box::new(VerifyRequest {
                    documents: Vec::new(),
                    first_use: true,
                    floors: Floors::new(),
                    flight: 1,
                    gun: fetched.gun.clone(),
                    pins: Default::default(),
                    roots: Vec::new(),
                    server: self.server.clone(),
                    tags: std::iter::once("1".to_owned()).collect(),
                    timestamp: blob.clone(),
                    trusted_root: false,
                })),
            },
            NotaryInput::Forget(_) => panic!("nobody forgets anything here"),
            NotaryInput::Timer(_) => panic!("a disarmed timer was delivered"),
            NotaryInput::Verification(verification) => match &verification.outcome {
                VerifyOutcome::Refused(why) => {
                    self.publish(&verification.gun, ResolutionOutcome::Refused(why.clone()))
                }
                VerifyOutcome::Missing(_) | VerifyOutcome::Verified(_) => {
                    panic!("the toy verifier only refuses")
                }
            },
            NotaryInput::VerifierRefused(refused) => {
                self.publish(&refused.gun, ResolutionOutcome::Unavailable(refused.why.clone()))
            }
        };
        out.push(effect);
    }

    fn accept(input: &Input) -> Option<&NotaryInput> {
        if let Input::Notary(input) = input { Some(input) } else { None }
    }
}

/// Publishes an empty snapshot for whatever it hears.
pub struct ToyPolicy {
    revision: u64,
}

impl Machine for ToyPolicy {
    type Input = PolicyInput;
    type Effect = PolicyEffect;

    const KIND: ActorKind = ActorKind::Policy;

    fn handle(&mut self, _: &Delivery, _: &PolicyInput, out: &mut Outbox<PolicyEffect>) {
        self.revision += 1;
        let revision = self.revision;
        let snapshot = PolicySnapshot { revision, ..PolicySnapshot::default() };
        out.push(PolicyEffect::Publish(Arc::new(snapshot)));
        out.push(PolicyEffect::Note(Fact::PoliciesPublished { policies: 0, revision }));
    }

    fn accept(input: &Input) -> Option<&PolicyInput> {
        if let Input::Policy(input) = input { Some(input) } else { None }
    }
}

/// Refuses everything, naming the digest it saw; panics on one GUN.
pub struct ToyVerifier;

impl Machine for ToyVerifier {
    type Input = VerifyInput;
    type Effect = VerifyEffect;

    const KIND: ActorKind = ActorKind::Verify;

    fn handle(&mut self, _: &Delivery, input: &VerifyInput, out: &mut Outbox<VerifyEffect>) {
        let VerifyInput::Verify(request) = input;
        assert_ne!(request.gun, "panicking-verifier", "the toy panics");
        let found = Sha256::of(request.timestamp.bytes());
        assert_eq!(found, request.timestamp.digest());
        let why = Denial::new(DenyCode::Signature, found.to_string());
        let verification = Box::new(Verification {
            flight: request.flight,
            gun: request.gun.clone(),
            outcome: VerifyOutcome::Refused(why),
        });
        out.push(VerifyEffect::Conclude { verification, server: request.server.clone() });
    }

    fn accept(input: &Input) -> Option<&VerifyInput> {
        if let Input::Verify(input) = input { Some(input) } else { None }
    }
}
