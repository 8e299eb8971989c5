//! A tiny host: runs the real machines in one thread, writes the journal as the real host does, and
//! answers fetches from a recorded collection.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::entry::{
    Answered, Delivered, Gap, MachineState, Panicked, Restored, Started,
};
use portreeve_protocol::messages::admission::{
    AdmissionInput, ContainerList, GroupKind, ImageFact, Operation, OwnerFound, OwnerOutcome, Peer,
    ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::messages::notary::{
    DocumentName, FetchOutcome, FetchRequest, Fetched, NotaryInput,
};
use portreeve_protocol::messages::policy::{
    PolicyInput, PolicyObject, Relisted, SignerSecret, SourceObject,
};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::*;
use portreeve_replay::explain::{Found, Selection};
use portreeve_replay::{Explanation, Ledger, Line, ReplayError, explain, find, split};
use serde_json::{Value, json};

pub const SEGMENT: &str = "00000001.ndjson";
pub const SERVER: &str = "https://notary.lab:4443";
pub const GUN: &str = "registry.lab:5000/team/signers";
/// 2026-11-23T06:34:54Z, when the collection was recorded.
const RECORDED: i64 = 1_795_415_694_000_000;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/corpus/notary-v1/signers-alice-bob/srv/",
            $name
        ))
    };
}

const DOCUMENTS: [(&str, &[u8]); 7] = [
    ("root", recorded!("root.json")),
    ("snapshot", recorded!("snapshot.json")),
    ("targets", recorded!("targets.json")),
    ("targets/alice", recorded!("targets/alice.json")),
    ("targets/bob", recorded!("targets/bob.json")),
    ("targets/releases", recorded!("targets/releases.json")),
    ("timestamp", recorded!("timestamp.json")),
];
const CASE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/corpus/notary-v1/signers-alice-bob/case.json"
));
const ALICE: &str = "ca794c44adc7508458d7825be8b5a414075ec0b683397a305779156207daf8b8";

/// Blobs in memory.
#[derive(Default)]
pub struct Blobs(pub RefCell<BTreeMap<Sha256, Arc<[u8]>>>);

impl BlobSource for Blobs {
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
        let found = self.0.borrow().get(digest).cloned();
        found.ok_or(ProtocolError::BlobMissing { digest: *digest })
    }
}

struct Waiting {
    cause: Cause,
    input: Arc<Input>,
    root: EventId,
    to: ActorId,
}

pub struct Rig {
    pub blobs: Blobs,
    pub journal: Vec<u8>,
    pub mono: u64,
    pub prev: Sha256,
    pub down: bool,
    /// Whether the next review that has to wait is followed by a checkpoint.
    pub cut_at_next_wait: bool,
    admission: Admission,
    lamport: u64,
    ledger: Ledger,
    notary: BTreeMap<String, NotaryFetcher>,
    policy: PolicyCache,
    queue: VecDeque<Waiting>,
    /// Of the records that are written.
    pub schema: u32,
    seqs: BTreeMap<ActorId, u64>,
    started: Arc<Started>,
    timers: BTreeMap<(ActorId, TimerKey), (Mono, Cause, EventId)>,
    verifier: Verifier,
}

pub fn settings() -> Settings {
    Settings { approved_servers: [SERVER.to_owned()].into(), ..Settings::default() }
}

pub fn started(incarnation: u32, restored: Restored) -> Started {
    let settings = settings();
    Started {
        build: "test".to_owned(),
        incarnation,
        jitter_seed: 7,
        node: "web-1".parse().unwrap(),
        restored,
        rules: RULES_VERSION,
        settings_digest: codec::digest(&settings).unwrap(),
        settings,
        wall: Wall(RECORDED),
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::on(Vec::new(), Sha256::ZERO, Blobs::default(), started(1, Restored::default()))
    }

    /// As [`Rig::new`], by a build that writes an older schema; its restart is by this build.
    pub fn of_schema(schema: u32) -> Self {
        let mut rig = Self { schema, ..Self::new() };
        rig.journal.clear();
        rig.prev = Sha256::ZERO;
        rig.write(Entry::Started(Arc::clone(&rig.started)));
        rig
    }

    /// Goes on with a journal.
    pub fn on(journal: Vec<u8>, prev: Sha256, blobs: Blobs, started: Started) -> Self {
        let started = Arc::new(started);
        let mut rig = Self {
            admission: Admission::new(&started),
            blobs,
            cut_at_next_wait: false,
            down: false,
            journal,
            lamport: 0,
            ledger: Ledger::default(),
            mono: 0,
            notary: BTreeMap::new(),
            policy: PolicyCache::new(&started),
            prev,
            queue: VecDeque::new(),
            schema: codec::SCHEMA,
            seqs: BTreeMap::new(),
            started: Arc::clone(&started),
            timers: BTreeMap::new(),
            verifier: Verifier::new(&started),
        };
        let servers = started.restored.trust.iter().map(|kept| kept.server.clone());
        rig.notary = servers.map(|it| (it.clone(), NotaryFetcher::new(&started, &it))).collect();
        rig.write(Entry::Started(started));
        rig
    }

    /// The next incarnation on the same journal, with what this one leaves.
    pub fn restart(self) -> Self {
        let trust = self.notary.values().flat_map(NotaryFetcher::trusted).collect();
        let next = started(self.started.incarnation + 1, Restored { trust, ..Restored::default() });
        Self::on(self.journal, self.prev, self.blobs, next)
    }

    pub fn write(&mut self, entry: Entry) {
        if self.schema == codec::SCHEMA {
            self.prev = codec::write_line(&entry, self.prev, &mut self.journal).unwrap();
            return;
        }
        let record = Record { entry, prev: self.prev, v: self.schema };
        let record = codec::canonical(&as_before(&record)).unwrap();
        self.prev = Sha256::of(&record);
        let head = format!("{{\"hash\":\"{}\",\"record\":", self.prev);
        self.journal.extend([head.as_bytes(), &record, b"}\n"].concat());
    }

    /// Writes a checkpoint and forgets the journal before it, as retention does.
    pub fn cut(&mut self) {
        let mut machines = Vec::new();
        let mut keep = |actor: ActorId, kept: Kept| {
            machines.push(MachineState { actor, state: kept.state });
        };
        keep(ActorId::Admission, self.admission.keep().unwrap());
        for (server, fetcher) in &self.notary {
            keep(ActorId::Notary(server.clone()), fetcher.keep().unwrap());
        }
        keep(ActorId::Policy, self.policy.keep().unwrap());
        let trust = self.notary.values().flat_map(NotaryFetcher::trusted).collect();
        let restored = Restored { trust, ..Restored::default() };
        let started = Started { restored, ..Started::clone(&self.started) };
        let checkpoint = self.ledger.checkpoint(Arc::new(started), machines);
        self.journal.clear();
        self.write(Entry::Checkpoint(Box::new(checkpoint)));
    }

    pub fn lines(&self) -> impl Iterator<Item = Result<Line, ReplayError>> {
        split(SEGMENT, &self.journal)
    }

    /// What is found in the journal, all of which can be read.
    pub fn found(&self, selection: &Selection, limit: usize) -> Found {
        let found = find(self.lines(), selection, limit);
        assert_eq!(found.broken_off, None);
        found
    }

    /// What was found in the journal, in full.
    pub fn told(&self, found: Found) -> Vec<Explanation> {
        let events = found.matches.into_iter().map(|found| found.event).collect();
        let told = explain(self.lines(), &self.blobs, events);
        assert_eq!(told.broken_off, None);
        told.reviews
    }

    pub fn gap(&mut self, lost: u64) {
        let why = "No space left on device".to_owned();
        self.write(Entry::Gap(Gap { denied: 1, exempt: 0, lost, why }));
    }

    /// The policies and Secrets that all tests run under.
    pub fn policies(&mut self) {
        let policy = |name: &str, namespace: Option<&str>, spec: &str| {
            let id = PolicyRef {
                group: PolicyGroup::Portieris,
                name: name.to_owned(),
                namespace: namespace.map(ToOwned::to_owned),
            };
            let spec = spec.to_owned();
            SourceObject::Policy(PolicyObject { id, resource_version: None, spec })
        };
        let case: Value = serde_json::from_str(CASE).unwrap();
        let objects = vec![
            policy("all", None, r#"{"repositories":[{"name":"*","policy":{}}]}"#),
            policy(
                "signed",
                Some("shop"),
                r#"{"repositories":[{"name":"registry.lab:5000/*","policy":{"trust":{"enabled":true,
                "signerSecrets":[{"name":"alice"}],"trustServer":"https://notary.lab:4443"}}},
                {"name":"*","policy":{}},{"name":"quay.io/*","policy":{}}]}"#,
            ),
            SourceObject::SignerSecret(SignerSecret {
                name: "alice".to_owned(),
                namespace: "shop".to_owned(),
                public_key: case["keys"][ALICE]["pem"].as_str().unwrap().to_owned(),
                resource_version: None,
                secret: "alice".to_owned(),
            }),
        ];
        let input = PolicyInput::Relisted(Relisted { objects });
        self.outside(ActorId::Policy, Outside::Objects, input.into());
    }

    /// Decides a review of a Deployment with these images in the namespace `shop`, and records that
    /// the answers were sent.
    pub fn review(&mut self, uid: &str, images: &[&str]) -> EventId {
        let facts = review(uid, images);
        let input = AdmissionInput::Review(facts.into());
        self.outside(ActorId::Admission, Outside::Webhook, input.into())
    }

    pub fn outside(&mut self, to: ActorId, source: Outside, input: Input) -> EventId {
        let root = self.next_event(&to);
        let cause = Cause::Outside(source);
        self.queue.push_back(Waiting { cause, input: Arc::new(input), root: root.clone(), to });
        self.settle();
        root
    }

    /// Two reviews, each a uid and an image, the second received before anything follows from the
    /// first.
    pub fn two_reviews(&mut self, reviews: [(&str, &str); 2]) {
        let first = self.next_event(&ActorId::Admission);
        let second = EventId { seq: first.seq + 1, ..first.clone() };
        for ((uid, image), root) in reviews.into_iter().zip([first, second]) {
            let input = AdmissionInput::Review(review(uid, &[image]).into());
            self.queue.push_back(Waiting {
                cause: Cause::Outside(Outside::Webhook),
                input: Arc::new(input.into()),
                root,
                to: ActorId::Admission,
            });
        }
        self.settle();
    }

    fn next_event(&self, actor: &ActorId) -> EventId {
        EventId {
            node: self.started.node.clone(),
            incarnation: self.started.incarnation,
            actor: actor.clone(),
            seq: self.seqs.get(actor).copied().unwrap_or_default() + 1,
        }
    }

    /// Fires every timer that is due once `micros` more have passed.
    pub fn wait(&mut self, micros: u64) {
        self.mono += micros;
        let due: Vec<_> = self
            .timers
            .iter()
            .filter(|(_, it)| it.0.0 <= self.mono)
            .map(|(it, _)| it.clone())
            .collect();
        for (to, key) in due {
            let (_, cause, root) = self.timers.remove(&(to.clone(), key.clone())).unwrap();
            let input: Input = match key {
                TimerKey::Admission(timer) => AdmissionInput::Timer(timer).into(),
                TimerKey::Notary(timer) => NotaryInput::Timer(timer).into(),
            };
            self.queue.push_back(Waiting { cause, input: Arc::new(input), root, to });
        }
        self.settle();
    }

    /// Records that a machine panicked on a review; nothing else happens.
    pub fn panic_on(&mut self, uid: &str) {
        let event = self.next_event(&ActorId::Admission);
        self.seqs.insert(ActorId::Admission, event.seq);
        let input = AdmissionInput::Review(review(uid, &["nginx"]).into());
        self.write(Entry::Panicked(Panicked {
            cause: Cause::Outside(Outside::Webhook),
            event: event.clone(),
            input: Arc::new(input.into()),
            now: self.now(),
            root: event,
        }));
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: Wall(RECORDED + self.mono as i64) }
    }

    fn settle(&mut self) {
        while let Some(Waiting { cause, input, root, to }) = self.queue.pop_front() {
            self.mono += 137;
            self.lamport += 1;
            let event = self.next_event(&to);
            self.seqs.insert(to, event.seq);
            for blob in input.blobs() {
                self.blobs.0.borrow_mut().insert(blob.digest(), Arc::from(blob.bytes()));
            }
            let now = self.now();
            let delivery = Delivery { event: event.clone(), now, root: root.clone() };
            let effects = self.handle(&delivery, &input);
            let decisions: Vec<_> = effects.iter().filter_map(Effect::decision).cloned().collect();
            let mut told = codec::Told::default();
            told.tell_in_schema(self.schema, &effects).unwrap();
            let waits = decisions.is_empty() && is_review(&input);
            let delivered = Delivered {
                cause,
                decisions: decisions.clone(),
                effects: told.digest(),
                event: event.clone(),
                input,
                lamport: self.lamport,
                now,
                root: root.clone(),
            };
            self.ledger.delivered(&delivered, &effects);
            self.write(Entry::Delivered(delivered));
            if waits && std::mem::take(&mut self.cut_at_next_wait) {
                self.cut();
            }
            for (effect, index) in effects.into_iter().zip(0..) {
                self.perform(&event, index, &root, effect);
            }
            for decision in decisions {
                let answered = Answered {
                    allowed: decision.allowed,
                    code: decision.denial.as_ref().map(|denial| denial.code),
                    review: decision.review.clone(),
                    wall: now.wall,
                };
                self.ledger.answered(&answered);
                self.write(Entry::Answered(vec![answered]));
            }
        }
    }

    fn handle(&mut self, delivery: &Delivery, input: &Input) -> Vec<Effect> {
        match &delivery.event.actor {
            ActorId::Admission => run(&mut self.admission, delivery, input),
            ActorId::Journal => panic!("the gate is not journaled"),
            ActorId::Notary(server) => {
                let started = &self.started;
                let fetcher = self.notary.entry(server.clone());
                run(fetcher.or_insert_with(|| NotaryFetcher::new(started, server)), delivery, input)
            }
            ActorId::Policy => run(&mut self.policy, delivery, input),
            ActorId::Verify(_) => run(&mut self.verifier, delivery, input),
        }
    }

    fn perform(&mut self, event: &EventId, index: u32, root: &EventId, effect: Effect) {
        let cause = Cause::Effect { event: event.clone(), index };
        let root = root.clone();
        match effect {
            Effect::Answer(_) | Effect::Note(_) | Effect::RecordGap(_) | Effect::Release(_) => {}
            Effect::Arm { at, key } => {
                self.timers.insert((event.actor.clone(), key), (at, cause, root));
            }
            Effect::Disarm { key } => {
                self.timers.remove(&(event.actor.clone(), key));
            }
            Effect::Fetch(request) => {
                let input = Arc::new(NotaryInput::Fetched(self.fetch(request)).into());
                self.queue.push_back(Waiting { cause, input, root, to: event.actor.clone() });
            }
            Effect::LookUpOwner(query) => {
                let (outcome, review) = (OwnerOutcome::Absent, query.review);
                let found = AdmissionInput::OwnerFound(OwnerFound { micros: 1, outcome, review });
                let (input, to) = (Arc::new(found.into()), event.actor.clone());
                self.queue.push_back(Waiting { cause, input, root, to });
            }
            Effect::Send { message, to } => {
                // Another member than the one named takes it, as may happen in a pool.
                let to = if to == ActorId::Verify(0) { ActorId::Verify(3) } else { to };
                self.queue.push_back(Waiting { cause, input: message, root, to });
            }
        }
    }

    fn fetch(&self, request: FetchRequest) -> Fetched {
        let FetchRequest { document, flight, gun, .. } = request;
        let named = |role: &str| DOCUMENTS.iter().find(|(name, _)| *name == role);
        let found = match &document {
            _ if gun != GUN => None,
            DocumentName::Hashed { role, sha256 } => {
                named(role).filter(|(_, bytes)| Sha256::of(bytes) == *sha256)
            }
            DocumentName::Root => named("root"),
            DocumentName::RootVersion(_) => None,
            DocumentName::Timestamp => named("timestamp"),
        };
        let outcome = match found {
            _ if self.down => FetchOutcome::Failed(Denial::new(
                DenyCode::Unreachable,
                format!("{SERVER} could not be reached"),
            )),
            None => FetchOutcome::Absent,
            Some((_, bytes)) => FetchOutcome::Document(Blob::new(*bytes)),
        };
        Fetched {
            credential: None,
            document,
            flight,
            gun,
            micros: 2_500,
            outcome,
            retry_after: None,
        }
    }
}

fn run<M: Machine>(machine: &mut M, delivery: &Delivery, input: &Input) -> Vec<Effect> {
    let mut out = Outbox::default();
    machine.handle(delivery, M::accept(input).unwrap(), &mut out);
    out.into_effects().into_iter().map(Into::into).collect()
}

fn is_review(input: &Input) -> bool {
    matches!(input, Input::Admission(AdmissionInput::Review(_)))
}

pub fn review(uid: &str, images: &[&str]) -> ReviewFacts {
    let images = images.iter().enumerate().map(|(index, image)| ImageFact {
        container: format!("c{index}").into(),
        image: (*image).into(),
        list: ContainerList::Main,
        pointer: format!("/spec/template/spec/containers/{index}/image").into(),
    });
    ReviewFacts {
        annotated: false,
        budget: 9_000_000,
        dry_run: false,
        images: images.collect(),
        kind: GroupKind {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            version: "v1".to_owned(),
        },
        malformed: None,
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
        old_images: Vec::new(),
        old_seal: Default::default(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "192.0.2.1".to_owned(), authenticated: false },
        pull_secrets: Vec::new(),
        seal: Default::default(),
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: uid.to_owned(),
        user: "system:serviceaccount:shop:ci".to_owned(),
        version: ReviewVersion::V1,
    }
}

/// A record in the form of its schema, which is an older one. Up to 6, decisions held what their
/// seals say and the changes of references; up to 5, the annotations that their verdicts say, and a
/// record held one answer.
fn as_before(record: &Record) -> Value {
    let mut value = serde_json::to_value(record).unwrap();
    match &record.entry {
        Entry::Answered(_) if record.v < 6 => {
            let answered = &mut value["entry"]["Answered"];
            *answered = answered[0].take();
        }
        Entry::Delivered(delivered) => {
            for (place, decision) in delivered.decisions.iter().enumerate() {
                let held = &mut value["entry"]["Delivered"]["decisions"][place];
                held["seal"] = json!(decision.claims());
                for (told, verdict) in decision.verdicts.iter().zip(0..) {
                    pin_in_full(told, &mut held["verdicts"][verdict]["verdict"]);
                }
                if record.v < 6 {
                    for (name, text) in decision.annotations() {
                        held["audit"][name] = text.into();
                    }
                }
            }
        }
        Entry::Answered(_)
        | Entry::Checkpoint(_)
        | Entry::Gap(_)
        | Entry::Panicked(_)
        | Entry::Started(_) => {}
    }
    value
}

/// Puts the change of a reference in the place of the flag that says that there is one.
fn pin_in_full(told: &ContainerVerdict, verdict: &mut Value) {
    for how in ["Sealed", "Verified"] {
        let admitted = verdict.pointer_mut(&format!("/Allowed/{how}"));
        let Some(Value::Object(admitted)) = admitted else { continue };
        admitted.remove("pinned");
        admitted.insert("pin".to_owned(), json!(told.pin().map(|to| json!({"to": to}))));
    }
}

/// A record as a newer build may write it, behind the one that hashes to `prev`.
pub fn newer_line(prev: Sha256) -> Vec<u8> {
    let v = codec::SCHEMA + 1;
    let body = format!("{{\"entry\":{{\"Unheard\":{{}}}},\"prev\":\"{prev}\",\"v\":{v}}}");
    let hash = Sha256::of(body.as_bytes());
    format!("{{\"hash\":\"{hash}\",\"record\":{body}}}\n").into_bytes()
}
