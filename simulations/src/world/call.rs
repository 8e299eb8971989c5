//! The calls that the API server makes to webhooks, for whoever creates and changes workloads:
//! which replica is asked, how long it waits, what it makes of the answers, and when clients try
//! again.

use std::borrow::Cow;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{AdmissionInput, Operation, ReviewFacts, ReviewPath};
use portreeve_protocol::seal::SealClaims;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{ActorId, Cause, ContainerVerdict, Input, Outside, SealFact, limits};

use super::object::{self, Pins};
use super::{Happening, World};
use crate::SimulationError;
use crate::fault::{Link, Place, Traffic};
use crate::history::{Answered, Sight};
use crate::node::Envelope;
use crate::scenario::{Later, PlannedReview};

/// What a client wants.
#[derive(Debug)]
pub(super) struct Intent<'a> {
    /// The replica that is asked for what, if it is only to see whether all came right.
    pub(super) probe: Option<(usize, usize)>,
    pub(super) plan: Cow<'a, PlannedReview>,
    /// How often the client has tried.
    tries: u8,
}

/// A call to a webhook.
#[derive(Debug)]
pub(super) struct Call {
    done: bool,
    facts: Arc<ReviewFacts>,
    intent: usize,
    step: Step,
}

/// How far the object of a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The mutating webhook.
    Admit,
    /// The mutating webhook once more.
    Again,
    /// The validating webhook.
    Validate,
}

/// What the API server needs of an answer.
#[derive(Debug)]
pub(super) struct Reply {
    allowed: bool,
    pins: Pins,
    seal: Option<SealClaims>,
}

impl Reply {
    pub(super) fn of(answered: &Answered) -> Self {
        let allowed = answered.allowed();
        let decision = &answered.decision;
        let pin =
            |verdict: &ContainerVerdict| Some((verdict.pointer.clone(), verdict.pin()?.into()));
        let pins = decision.verdicts.iter().filter(|_| allowed).filter_map(pin).collect();
        Self { allowed, pins, seal: decision.claims().filter(|_| allowed) }
    }
}

impl<'a> Intent<'a> {
    pub(super) const fn new(plan: Cow<'a, PlannedReview>, probe: Option<(usize, usize)>) -> Self {
        Self { probe, plan, tries: 0 }
    }
}

impl<'a> World<'a> {
    /// A client does what was planned.
    pub(super) fn review(&mut self, index: usize) -> Result<(), SimulationError> {
        let plan = Cow::Borrowed(&self.scenario.reviews[index]);
        self.intend(Intent::new(plan, None));
        Ok(())
    }

    /// A client begins to want something.
    pub(super) fn intend(&mut self, intent: Intent<'a>) {
        let facts = intent.plan.facts.clone();
        self.api.intents.push(intent);
        let intent = self.api.intents.len() - 1;
        let step = if facts.path == ReviewPath::Validate { Step::Validate } else { Step::Admit };
        self.place_call(facts, intent, step, 0);
    }

    fn place_call(&mut self, mut facts: ReviewFacts, intent: usize, step: Step, after: u64) {
        if facts.operation == Operation::Update
            && let Some(old) = self.api.workload(&facts)
        {
            facts.old_images.clone_from(&old.images);
            facts.old_seal = old.seal.clone();
        }
        let copies = self.api.intents[intent].plan.copies.as_deref();
        if let Some(name) = copies.filter(|_| facts.seal == SealFact::Absent)
            && let Some(seal) = self.api.seal(&facts.namespace, name)
        {
            (facts.seal, facts.annotated) = (seal.clone(), true);
        }
        self.api.calls.push(Call { done: false, facts: Arc::new(facts), intent, step });
        let call = self.api.calls.len() - 1;
        let at = self.scheduler.now().plus(after);
        self.scheduler.schedule(at, Happening::Call(call));
    }

    /// Asks a replica.
    pub(super) fn call(&mut self, call: usize) -> Result<(), SimulationError> {
        let at = self.scheduler.now();
        let to = self.api.intents[self.api.calls[call].intent].plan.to;
        let Some(replica) = to.or_else(|| self.endpoint()) else { return Ok(()) };
        let facts = Arc::clone(&self.api.calls[call].facts);
        let patience = facts.budget.saturating_add(limits::DEADLINE_MARGIN);
        self.mark('?', Some(replica), &[facts.uid.as_bytes()], || facts.uid.clone());
        self.scheduler.schedule(at.plus(patience), Happening::TimedOut(call));
        let (from, to) = (Place::ApiServer, Place::Replica(replica));
        let passage = self.passage(&Link { from, to, traffic: Traffic::Review });
        for copy in 0..u64::from(passage.copies) {
            let arrival = at.plus(passage.delay).plus(copy);
            self.scheduler.schedule(arrival, Happening::Received { call, replica });
        }
        Ok(())
    }

    /// Any replica that the API server takes to be ready.
    fn endpoint(&mut self) -> Option<usize> {
        let all = 0..self.replicas.len();
        let mut ready: Vec<usize> =
            all.clone().filter(|replica| self.replicas[*replica].is_ready()).collect();
        if ready.is_empty() || self.delays.unnoticed() {
            ready = all.collect();
        }
        let choice = self.delays.choice(ready.len());
        ready.get(choice).copied()
    }

    /// A call comes to a replica. Where nothing listens, the connection is refused.
    pub(super) fn receive(&mut self, call: usize, replica: usize) -> Result<(), SimulationError> {
        let facts = Arc::clone(&self.api.calls[call].facts);
        let input = Arc::new(Input::Admission(AdmissionInput::Review(facts)));
        let probe = self.api.intents[self.api.calls[call].intent].probe.is_some();
        let process = &mut self.replicas[replica];
        let Some(node) = process.node() else {
            self.break_off(call);
            return Ok(());
        };
        let event = node.next(ActorId::Admission);
        process.calls.insert(event.clone(), call);
        self.see(replica, Sight::Received { event, input: Arc::clone(&input), probe });
        let (cause, to) = (Cause::Outside(Outside::Webhook), ActorId::Admission);
        self.deliver(replica, Envelope { cause, input, lamport: 0, root: None, to })?;
        if let Some(node) = self.replicas[replica].node() {
            let (waiting, held) = node.waiting();
            let deciding = u64::try_from(waiting.saturating_sub(held)).unwrap_or_default();
            self.counts.most_reviews = self.counts.most_reviews.max(deciding);
        }
        Ok(())
    }

    /// Sends the answer to a call back.
    pub(super) fn reply(&mut self, replica: usize, call: usize, reply: Reply) {
        let (from, to) = (Place::Replica(replica), Place::ApiServer);
        let passage = self.passage(&Link { from, to, traffic: Traffic::Answer });
        if passage.copies > 0 {
            let at = self.scheduler.now().plus(passage.delay);
            let answer = Some(Box::new(reply));
            self.scheduler.schedule(at, Happening::Answered { answer, call });
        }
    }

    /// The connection of a call breaks.
    pub(super) fn break_off(&mut self, call: usize) {
        let at = self.scheduler.now();
        self.scheduler.schedule(at, Happening::Answered { answer: None, call });
    }

    /// The API server waits no longer.
    pub(super) fn timed_out(&mut self, call: usize) -> Result<(), SimulationError> {
        self.answered(call, None)
    }

    /// A call ends: with an answer, or without one.
    pub(super) fn answered(
        &mut self,
        call: usize,
        reply: Option<Box<Reply>>,
    ) -> Result<(), SimulationError> {
        let Call { done, facts, intent, step } = &mut self.api.calls[call];
        if std::mem::replace(done, true) {
            return Ok(());
        }
        let (uid, intent, step) = (facts.uid.clone(), *intent, *step);
        let allowed = reply.as_ref().map(|reply| reply.allowed);
        let word = match allowed {
            None => "gave up",
            Some(true) => "allowed",
            Some(false) => "denied",
        };
        self.mark('.', None, &[uid.as_bytes(), word.as_bytes()], || format!("{uid} {word}"));
        let sight = match allowed {
            None => Sight::GaveUp { uid },
            Some(allowed) => Sight::Reached { allowed, uid },
        };
        self.see(0, sight);
        match reply.filter(|reply| reply.allowed) {
            Some(reply) => self.go_on(call, intent, step, *reply),
            None => self.try_again(intent),
        }
        Ok(())
    }

    /// A client tries again, if it still wants to.
    fn try_again(&mut self, intent: usize) {
        let want = &mut self.api.intents[intent];
        if want.tries >= want.plan.retries {
            return;
        }
        want.tries += 1;
        let mut facts = want.plan.facts.clone();
        facts.uid = format!("{}~{}", facts.uid, want.tries);
        let after = SECOND << want.tries.min(5);
        let step = if facts.path == ReviewPath::Validate { Step::Validate } else { Step::Admit };
        self.place_call(facts, intent, step, after);
    }

    /// An object that was allowed goes on its way.
    fn go_on(&mut self, call: usize, intent: usize, step: Step, reply: Reply) {
        if let Some(probe) = self.api.intents[intent].probe {
            self.api.settled.insert(probe);
            return;
        }
        let plan = &self.api.intents[intent].plan;
        let (later, validated) = (plan.later.clone(), plan.validated);
        let uid = plan.facts.uid.clone();
        let mut facts = ReviewFacts::clone(&self.api.calls[call].facts);
        object::mutate(&mut facts, &reply.pins, reply.seal);
        match (step, later) {
            (Step::Admit, Later::Again) => {
                facts.uid = format!("{uid}+again");
                return self.place_call(facts, intent, Step::Again, 0);
            }
            (Step::Admit, Later::Changed(image)) => object::change(&mut facts, &image),
            (Step::Admit, Later::Nothing) | (Step::Again | Step::Validate, _) => {}
        }
        if validated && step != Step::Validate {
            facts.uid = format!("{uid}+validate");
            facts.path = ReviewPath::Validate;
            return self.place_call(facts, intent, Step::Validate, 0);
        }
        self.admitted(intent, facts);
    }

    /// An object is stored, and its controller does its work.
    fn admitted(&mut self, intent: usize, facts: ReviewFacts) {
        if facts.dry_run || facts.sub_resource.is_some() {
            return;
        }
        if facts.operation == Operation::Delete {
            self.api.remove(&facts);
            return;
        }
        let plan = &self.api.intents[intent].plan;
        let (children, uid) = (plan.children, plan.facts.uid.clone());
        let stored = format!("uid-of-{uid}");
        let seal = facts.seal.clone();
        self.api.store(&facts, stored.clone(), seal);
        for child in object::children(&facts, &uid, &stored, children) {
            self.intend(Intent::new(Cow::Owned(child), None));
        }
    }
}
