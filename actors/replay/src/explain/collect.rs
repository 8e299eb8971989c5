//! Gathers what a journal says about some reviews.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use portreeve_protocol::decision::ContainerVerdict;
use portreeve_protocol::entry::{Answered, Checkpoint, Delivered, Panicked};
use portreeve_protocol::messages::admission::{AdmissionInput, ReviewFacts};
use portreeve_protocol::messages::notary::{Fetched, NotaryInput};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{
    Admitted, BlobSource, Cause, CredentialRef, Decision, DenyClass, Entry, EventId, Input, Now,
    Verdict,
};

use super::cut::{Cut, Waiting};
use super::proofs::Proofs;
use super::select::refused;
use super::states::States;
use super::{
    AnswerState, ContainerExplanation, CredentialUse, EventLine, Explanation, FetchLine, StateAge,
    TrustSource, candidates, text,
};
use crate::chain::At;

/// Events remembered, so that the chain of a deciding event can be told.
const REMEMBERED: usize = 1 << 16;
/// Events told of one review.
const EVENTS: usize = 2_000;

/// Reads records one after the other.
pub(super) struct Collector {
    /// By the event of the review.
    cases: BTreeMap<EventId, Case>,
    order: VecDeque<EventId>,
    picks: BTreeSet<EventId>,
    policies: Option<Arc<PolicySnapshot>>,
    proofs: Proofs,
    remembered: BTreeMap<EventId, Told>,
    states: States,
}

/// An event in a few words.
#[derive(Clone)]
struct Told {
    mono: u64,
    parent: Option<EventId>,
    root: EventId,
    text: String,
}

/// One of the reviews.
struct Case {
    /// One for each verdict of the decision, where something was known of the image.
    ages: Vec<Option<StateAge>>,
    asked: Vec<Asked>,
    fetches: Vec<FetchLine>,
    policies: Option<Arc<PolicySnapshot>>,
    received: Now,
    seen: BTreeSet<EventId>,
    /// The other review in whose service it was decided.
    served_by: Option<EventId>,
    told: Explanation,
}

/// Credentials that were offered for a collection, and the one that was taken.
struct Asked {
    accepted: bool,
    credential: CredentialRef,
    gun: String,
}

impl Collector {
    /// Gathers what is said about the reviews that came in these events.
    pub(super) fn new(picks: BTreeSet<EventId>) -> Self {
        Self {
            cases: BTreeMap::new(),
            order: VecDeque::new(),
            picks,
            policies: None,
            proofs: Proofs::default(),
            remembered: BTreeMap::new(),
            states: States::default(),
        }
    }

    pub(super) fn record(&mut self, at: &At, entry: Entry) {
        match entry {
            Entry::Answered(answered) => answered.iter().for_each(|one| self.answered(one)),
            Entry::Delivered(delivered) => self.delivered(at, &delivered),
            Entry::Checkpoint(checkpoint) => self.cut(at, &checkpoint),
            Entry::Gap(_) => {
                for case in self.cases.values_mut() {
                    if case.told.answer == AnswerState::NotRecorded {
                        case.told.answer = AnswerState::UnknownOrDenied;
                    }
                }
            }
            Entry::Panicked(panicked) => self.panicked(at, &panicked),
            Entry::Started(_) => {
                self.policies = None;
                self.states = States::default();
                self.remembered.clear();
                self.order.clear();
            }
        }
    }

    /// Goes on from a checkpoint. Where the records before it are here, it tells nothing new.
    fn cut(&mut self, at: &At, checkpoint: &Checkpoint) {
        let Some(cut) = Cut::of(checkpoint) else { return };
        for answer in &cut.answers {
            self.proofs.told(answer);
            self.states.told(answer);
        }
        self.policies = cut.policies;
        for waiting in cut.waiting {
            let Waiting { event, facts, policies, received } = waiting;
            if self.picks.contains(&event) && !self.cases.contains_key(&event) {
                self.insert(at, &event, received, &facts, Some(policies));
            }
        }
    }

    fn answered(&mut self, answered: &Answered) {
        let Answered { allowed, code, review, wall } = answered;
        if let Some(case) = self.cases.get_mut(review) {
            let (allowed, code, wall) = (*allowed, *code, *wall);
            case.told.answer = AnswerState::Sent { allowed, code, wall };
        }
    }

    fn delivered(&mut self, at: &At, delivered: &Delivered) {
        let Delivered { cause, event, input, now, root, .. } = delivered;
        self.remember(event, root, cause, *now, input);
        self.proofs.learn(input);
        self.states.learn(input);
        if let Input::Admission(AdmissionInput::Policies(policies)) = &**input {
            self.policies = Some(Arc::clone(policies));
        }
        self.open(at, event, *now, input);
        let told = self.remembered.get(event);
        if let (Some(told), Some(case)) = (told, self.cases.get_mut(root)) {
            case.tell(event, told);
            // What a review has asked for that was answered at once is for those that come later.
            if case.told.decided_by.as_ref() != Some(root) {
                case.fetches.extend(fetch(event, input));
                case.asked(input);
            }
        }
        for decision in &delivered.decisions {
            self.decided(delivered, decision);
        }
        // Little follows from a review that is decided at once, and most are.
        if delivered.decisions.iter().any(|decision| decision.review == *event) {
            self.remembered.remove(event);
            self.order.pop_back();
        }
    }

    /// Begins a case if this is one of the reviews.
    fn open(&mut self, at: &At, event: &EventId, now: Now, input: &Input) -> bool {
        let Input::Admission(AdmissionInput::Review(facts)) = input else { return false };
        if !self.picks.contains(event) {
            return false;
        }
        self.insert(at, event, now, facts, self.policies.clone());
        true
    }

    fn insert(
        &mut self,
        at: &At,
        event: &EventId,
        received: Now,
        facts: &ReviewFacts,
        policies: Option<Arc<PolicySnapshot>>,
    ) {
        let case = Case {
            ages: Vec::new(),
            asked: Vec::new(),
            fetches: Vec::new(),
            received,
            seen: BTreeSet::new(),
            served_by: None,
            told: empty(at, event, received, facts, policies.as_deref()),
            policies,
        };
        self.cases.insert(event.clone(), case);
    }

    fn panicked(&mut self, at: &At, panicked: &Panicked) {
        let Panicked { event, input, now, .. } = panicked;
        if self.open(at, event, *now, input)
            && let Some(case) = self.cases.get_mut(event)
        {
            case.told.panicked = true;
        }
    }

    fn remember(
        &mut self,
        event: &EventId,
        root: &EventId,
        cause: &Cause,
        now: Now,
        input: &Input,
    ) {
        let parent = match cause {
            Cause::Effect { event, .. } => Some(event.clone()),
            Cause::Outside(_) => None,
        };
        let text = text::input(input);
        let told = Told { mono: now.mono.0, parent, root: root.clone(), text };
        self.remembered.insert(event.clone(), told);
        self.order.push_back(event.clone());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.remembered.remove(&oldest);
        }
    }

    fn decided(&mut self, delivered: &Delivered, decision: &Arc<Decision>) {
        let Some(case) = self.cases.get_mut(&decision.review) else { return };
        // The deciding event may belong to the chain of another review that had asked before.
        let mut path = Vec::new();
        let mut next = Some(&delivered.event);
        while let Some((event, told)) = next.and_then(|it| self.remembered.get_key_value(it)) {
            path.push((event, told));
            next = told.parent.as_ref().filter(|_| path.len() < EVENTS);
        }
        let root = path.last().map(|(_, told)| &told.root);
        case.served_by = root.filter(|root| **root != decision.review).cloned();
        for (event, told) in path.into_iter().rev() {
            case.tell(event, told);
        }
        case.ages = self.states.ages(decision, delivered.now.mono);
        case.told.decision = Some(self.proofs.filled(decision));
        case.told.decided_by = Some(delivered.event.clone());
        case.told.micros = Some(delivered.now.mono.since(case.received.mono));
    }

    pub(super) fn finish(self, blobs: &dyn BlobSource) -> Vec<Explanation> {
        self.cases.into_values().map(|case| case.finish(blobs)).collect()
    }
}

impl Asked {
    fn is(&self, gun: &str, credential: &CredentialRef) -> bool {
        self.gun == gun && self.credential == *credential
    }
}

impl Case {
    fn tell(&mut self, event: &EventId, told: &Told) {
        if self.told.events.len() >= EVENTS {
            self.told.events_cut = true;
            return;
        }
        if !self.seen.insert(event.clone()) {
            return;
        }
        let above = |parent: &EventId| self.told.events.iter().find(|it| it.event == *parent);
        let depth = told.parent.as_ref().and_then(above).map_or(0, |it| it.depth + 1);
        let offset = i64::try_from(told.mono).unwrap_or(i64::MAX)
            - i64::try_from(self.received.mono.0).unwrap_or(i64::MAX);
        self.told.events.push(EventLine {
            depth,
            event: event.clone(),
            offset,
            parent: told.parent.clone(),
            shared: told.root != self.told.review,
            text: told.text.clone(),
        });
    }

    /// Notes which credentials are offered, and which one was taken.
    fn asked(&mut self, input: &Input) {
        match input {
            Input::Notary(NotaryInput::Resolve(resolve)) => {
                for credential in &resolve.credentials {
                    if !self.asked.iter().any(|it| it.is(&resolve.gun, credential)) {
                        let (credential, gun) = (credential.clone(), resolve.gun.clone());
                        self.asked.push(Asked { accepted: false, credential, gun });
                    }
                }
            }
            Input::Notary(NotaryInput::Fetched(Fetched {
                credential: Some(taken), gun, ..
            })) => {
                let asked = self.asked.iter_mut().find(|it| it.is(gun, taken));
                if let Some(asked) = asked {
                    asked.accepted = true;
                }
            }
            Input::Admission(_)
            | Input::Journal(_)
            | Input::Notary(_)
            | Input::Policy(_)
            | Input::Verify(_) => {}
        }
    }

    fn finish(mut self, blobs: &dyn BlobSource) -> Explanation {
        if let Some(decision) = self.told.decision.clone() {
            let ages = std::mem::take(&mut self.ages);
            let verdicts = decision.verdicts.iter().zip(ages);
            let containers = verdicts.map(|(it, age)| self.container(it, age, blobs)).collect();
            self.told.containers = containers;
        }
        self.told
    }

    fn container(
        &self,
        verdict: &ContainerVerdict,
        age: Option<StateAge>,
        blobs: &dyn BlobSource,
    ) -> ContainerExplanation {
        let namespace = &self.told.facts.namespace;
        let missing = match &verdict.verdict {
            Verdict::Allowed(Admitted::Verified(verified)) => {
                let documents = verified.evidence.roles.values().map(|role| role.sha256);
                documents.filter(|digest| blobs.bytes(digest).is_err()).collect()
            }
            Verdict::Allowed(_) | Verdict::Denied(_) => Vec::new(),
        };
        let policies = self.policies.as_ref();
        let source = self.source(verdict);
        let asked_for = source != TrustSource::NotAsked;
        ContainerExplanation {
            candidates: policies
                .filter(|_| was_judged(&verdict.verdict))
                .map(|it| candidates::of(it, namespace, &verdict.image))
                .unwrap_or_default(),
            credentials: self.credentials(verdict),
            missing_blobs: missing,
            source,
            state: age.filter(|_| asked_for),
            verdict: verdict.clone(),
        }
    }

    fn credentials(&self, verdict: &ContainerVerdict) -> Vec<CredentialUse> {
        let Ok(reference) = verdict.image.parse::<ImageReference>() else { return Vec::new() };
        let gun = reference.gun();
        let of_image = self.asked.iter().filter(|asked| asked.gun == gun);
        of_image
            .map(|asked| CredentialUse {
                accepted: asked.accepted,
                credential: asked.credential.clone(),
            })
            .collect()
    }

    fn source(&self, verdict: &ContainerVerdict) -> TrustSource {
        let of_trust = match &verdict.verdict {
            Verdict::Allowed(Admitted::Verified(_)) => true,
            Verdict::Allowed(
                Admitted::Blank
                | Admitted::Sealed(_)
                | Admitted::Tolerated(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged,
            )
            | Verdict::Denied(_) => refused(&verdict.verdict).is_some_and(|denial| {
                matches!(denial.code.class(), DenyClass::Trust | DenyClass::Unavailable)
            }),
        };
        let Ok(reference) = verdict.image.parse::<ImageReference>() else {
            return TrustSource::NotAsked;
        };
        let gun = reference.gun();
        let fetched: Vec<_> = self.fetches.iter().filter(|it| it.gun == gun).cloned().collect();
        // A seal may stand in for a server that was asked and did not answer.
        let of_seal = matches!(verdict.verdict, Verdict::Allowed(Admitted::Sealed(_)));
        if !fetched.is_empty() && (of_trust || of_seal) {
            return TrustSource::Fetched(fetched);
        }
        if !of_trust {
            return TrustSource::NotAsked;
        }
        if self.told.decided_by.as_ref() == Some(&self.told.review) {
            return TrustSource::Kept;
        }
        let shared = |root: &EventId| TrustSource::Shared { root: root.clone() };
        self.served_by.as_ref().map_or(TrustSource::Kept, shared)
    }
}

/// Whether any rule was looked at.
const fn was_judged(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Allowed(Admitted::Blank | Admitted::Unchanged) => false,
        Verdict::Allowed(
            Admitted::Sealed(_)
            | Admitted::Tolerated(_)
            | Admitted::TrustNotRequired
            | Admitted::Verified(_),
        )
        | Verdict::Denied(_) => true,
    }
}

fn fetch(event: &EventId, input: &Input) -> Option<FetchLine> {
    let Input::Notary(NotaryInput::Fetched(fetched)) = input else { return None };
    Some(FetchLine {
        document: fetched.document.to_string(),
        event: event.clone(),
        gun: fetched.gun.clone(),
        micros: fetched.micros,
        outcome: text::fetch_outcome(&fetched.outcome),
    })
}

fn empty(
    at: &At,
    event: &EventId,
    now: Now,
    facts: &ReviewFacts,
    policies: Option<&PolicySnapshot>,
) -> Explanation {
    Explanation {
        answer: AnswerState::NotRecorded,
        containers: Vec::new(),
        decided_by: None,
        decision: None,
        events: Vec::new(),
        events_cut: false,
        facts: Box::new(facts.clone()),
        line: at.line,
        micros: None,
        panicked: false,
        policies_watched: policies.map(|policies| policies.watched),
        received: now.wall,
        review: event.clone(),
        segment: Arc::clone(&at.segment),
    }
}
