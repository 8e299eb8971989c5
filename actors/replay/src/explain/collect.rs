//! Gathers what a journal says about the reviews of one uid.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use portreeve_protocol::decision::ContainerVerdict;
use portreeve_protocol::entry::{Answered, Delivered, Panicked};
use portreeve_protocol::messages::admission::{AdmissionInput, ReviewFacts};
use portreeve_protocol::messages::notary::NotaryInput;
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{
    Admitted, BlobSource, Cause, Decision, DenyClass, Entry, EventId, Input, Now, Verdict,
};

use super::proofs::Proofs;
use super::{
    AnswerState, ContainerExplanation, EventLine, Explanation, FetchLine, TrustSource, candidates,
    text,
};
use crate::chain::At;

/// Events remembered, so that the chain of a deciding event can be told.
const REMEMBERED: usize = 1 << 16;
/// Events told of one review.
const EVENTS: usize = 2_000;

/// Reads records one after the other.
pub(super) struct Collector {
    cases: Vec<Case>,
    policies: Option<Arc<PolicySnapshot>>,
    proofs: Proofs,
    remembered: BTreeMap<EventId, Told>,
    order: VecDeque<EventId>,
    uid: String,
}

/// An event in a few words.
#[derive(Clone)]
struct Told {
    mono: u64,
    parent: Option<EventId>,
    root: EventId,
    text: String,
}

/// One review of the uid.
struct Case {
    fetches: Vec<FetchLine>,
    policies: Option<Arc<PolicySnapshot>>,
    received: Now,
    seen: BTreeSet<EventId>,
    told: Explanation,
}

impl Collector {
    pub(super) fn new(uid: &str) -> Self {
        Self {
            cases: Vec::new(),
            policies: None,
            proofs: Proofs::default(),
            remembered: BTreeMap::new(),
            order: VecDeque::new(),
            uid: uid.to_owned(),
        }
    }

    pub(super) fn record(&mut self, at: &At, entry: Entry) {
        match entry {
            Entry::Answered(answered) => self.answered(&answered),
            Entry::Delivered(delivered) => self.delivered(at, &delivered),
            Entry::Checkpoint(_) => {}
            Entry::Gap(_) => {
                for case in &mut self.cases {
                    if case.told.answer == AnswerState::NotRecorded {
                        case.told.answer = AnswerState::UnknownOrDenied;
                    }
                }
            }
            Entry::Panicked(panicked) => self.panicked(at, &panicked),
            Entry::Started(_) => {
                self.policies = None;
                self.remembered.clear();
                self.order.clear();
            }
        }
    }

    fn answered(&mut self, answered: &Answered) {
        let Answered { allowed, code, review, wall } = answered;
        if let Some(case) = self.case(review) {
            let (allowed, code, wall) = (*allowed, *code, *wall);
            case.told.answer = AnswerState::Sent { allowed, code, wall };
        }
    }

    fn case(&mut self, review: &EventId) -> Option<&mut Case> {
        self.cases.iter_mut().find(|case| case.told.review == *review)
    }

    fn delivered(&mut self, at: &At, delivered: &Delivered) {
        let Delivered { cause, event, input, now, root, .. } = delivered;
        self.remember(event, root, cause, *now, input);
        self.proofs.learn(input);
        if let Input::Admission(AdmissionInput::Policies(policies)) = &**input {
            self.policies = Some(Arc::clone(policies));
        }
        self.open(at, event, *now, input);
        let told = self.remembered.get(event);
        if let (Some(told), Some(case)) =
            (told, self.cases.iter_mut().find(|case| case.told.review == *root))
        {
            case.tell(event, told);
            case.fetches.extend(fetch(event, input));
        }
        for decision in &delivered.decisions {
            self.decided(delivered, decision);
        }
    }

    /// Begins a case if this is a review of the uid.
    fn open(&mut self, at: &At, event: &EventId, now: Now, input: &Input) -> bool {
        let Input::Admission(AdmissionInput::Review(facts)) = input else { return false };
        if facts.uid != self.uid {
            return false;
        }
        self.cases.push(Case {
            fetches: Vec::new(),
            policies: self.policies.clone(),
            received: now,
            seen: BTreeSet::new(),
            told: empty(at, event, now, facts, self.policies.as_deref()),
        });
        true
    }

    fn panicked(&mut self, at: &At, panicked: &Panicked) {
        let Panicked { event, input, now, .. } = panicked;
        if self.open(at, event, *now, input)
            && let Some(case) = self.cases.last_mut()
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
        let Some(case) = self.cases.iter_mut().find(|case| case.told.review == decision.review)
        else {
            return;
        };
        // The deciding event may belong to the chain of another review that had asked before.
        let mut path = Vec::new();
        let mut next = Some(&delivered.event);
        while let Some((event, told)) = next.and_then(|it| self.remembered.get_key_value(it)) {
            path.push((event, told));
            next = told.parent.as_ref().filter(|_| path.len() < EVENTS);
        }
        for (event, told) in path.into_iter().rev() {
            case.tell(event, told);
        }
        case.told.decision = Some(self.proofs.filled(decision));
        case.told.decided_by = Some(delivered.event.clone());
        case.told.micros = Some(delivered.now.mono.since(case.received.mono));
    }

    pub(super) fn finish(self, blobs: &dyn BlobSource) -> Vec<Explanation> {
        self.cases.into_iter().map(|case| case.finish(blobs)).collect()
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

    fn finish(mut self, blobs: &dyn BlobSource) -> Explanation {
        if let Some(decision) = self.told.decision.clone() {
            let containers = decision.verdicts.iter().map(|it| self.container(it, blobs));
            self.told.containers = containers.collect();
        }
        self.told
    }

    fn container(
        &self,
        verdict: &ContainerVerdict,
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
        ContainerExplanation {
            candidates: policies
                .map(|it| candidates::of(it, namespace, &verdict.image))
                .unwrap_or_default(),
            missing_blobs: missing,
            source: self.source(verdict),
            verdict: verdict.clone(),
        }
    }

    fn source(&self, verdict: &ContainerVerdict) -> TrustSource {
        let of_trust = match &verdict.verdict {
            Verdict::Allowed(Admitted::Verified(_)) => true,
            Verdict::Allowed(_) => false,
            Verdict::Denied(denial) => {
                matches!(denial.code.class(), DenyClass::Trust | DenyClass::Unavailable)
            }
        };
        let Some(reference) = verdict.image.parse::<ImageReference>().ok().filter(|_| of_trust)
        else {
            return TrustSource::NotAsked;
        };
        let gun = reference.gun();
        let fetched: Vec<_> = self.fetches.iter().filter(|it| it.gun == gun).cloned().collect();
        if !fetched.is_empty() {
            return TrustSource::Fetched(fetched);
        }
        if self.told.decided_by.as_ref() == Some(&self.told.review) {
            return TrustSource::Kept;
        }
        let begins = self.told.events.iter().find(|line| line.shared);
        begins.map_or(TrustSource::Kept, |line| TrustSource::Shared { root: line.event.clone() })
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
