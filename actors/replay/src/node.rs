//! One incarnation of a node, run again delivery by delivery.

use std::sync::Arc;

use portreeve_protocol::entry::{
    Answered, Checkpoint, Delivered, Gap, MachineState, Panicked, Started,
};
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::notary::NotaryInput;
use portreeve_protocol::{
    ActorKind, BlobSource, Cause, Delivery, DenyClass, DenyCode, Effect, EventId, Input, Mono,
    Outside, ProtocolError, RULES_VERSION, Sha256, codec,
};

use crate::ledger::{Last, Ledger};
use crate::machines::Machines;
use crate::path::Step;
use crate::verify::{Fault, Stop, blob_stop};
use crate::{FindingKind, difference, input_name, start};

/// Whether the machine panicked on the delivery.
#[derive(Clone, Copy)]
enum Panic {
    No,
    Yes,
}

/// One incarnation of a node.
pub(crate) struct Node {
    ledger: Ledger,
    /// Deliveries are missing, so the state of the machines is not known.
    lost: bool,
    /// The journal could not be written for a while, so that answers may be missing.
    gapped: bool,
    machines: Machines,
    started: Arc<Started>,
    /// Room for what is told of the effects of one delivery.
    told: codec::Told,
}

impl Node {
    /// The node as it starts; the blobs of `started` are filled in.
    pub(crate) fn new(started: Arc<Started>) -> Self {
        Self {
            ledger: Ledger::default(),
            lost: false,
            gapped: false,
            machines: Machines::new(Arc::clone(&started)),
            started,
            told: codec::Told::default(),
        }
    }

    /// The node as a checkpoint has it; the blobs of its `started` are filled in.
    pub(crate) fn resume(
        checkpoint: &Checkpoint,
        blobs: &dyn BlobSource,
    ) -> Result<Self, ProtocolError> {
        let ledger = Ledger::of(checkpoint)?;
        let mut node = Self { ledger, ..Self::new(Arc::clone(&checkpoint.started)) };
        if !node.foreign() {
            for MachineState { actor, state } in &checkpoint.machines {
                node.machines.resume(actor, state, blobs)?;
            }
        }
        Ok(node)
    }

    /// Holds a checkpoint against the node as it is; a sentence if it is not of this node. False if
    /// it cannot be compared, because the state of the machines is not known.
    pub(crate) fn met(&self, checkpoint: &Checkpoint) -> Result<bool, Stop> {
        let fault = |text: String| Err(Fault::new(FindingKind::CheckpointMismatch, text).into());
        let (stated, known) = (&checkpoint.started, &self.started);
        let of = |started: &Started| (started.node.clone(), started.incarnation, started.rules);
        if of(stated) != of(known) || stated.settings_digest != known.settings_digest {
            return fault("it is of another start of the node".to_owned());
        }
        if self.lost || self.gapped || self.foreign() {
            return Ok(false);
        }
        let restored = self.machines.restored();
        let started = Started { restored, ..Started::clone(known) };
        let machines = self.machines.states(self.ledger.keepers())?;
        let own = self.ledger.checkpoint(Arc::new(started), machines);
        let Some(what) = difference::of_checkpoints(checkpoint, &own)? else { return Ok(true) };
        fault(format!("the records before it lead to another state: {what}"))
    }

    /// Digest of what the next incarnation must start with; `None` if that is not known.
    pub(crate) fn leaves(&self) -> Result<Option<Sha256>, ProtocolError> {
        if self.lost || self.foreign() {
            return Ok(None);
        }
        start::digest(&self.machines.restored()).map(Some)
    }

    /// How many effects have not led to a delivery yet.
    pub(crate) fn outstanding(&self) -> usize {
        self.ledger.outstanding.len()
    }

    /// Whether the incarnation followed other rules.
    fn foreign(&self) -> bool {
        self.started.rules != RULES_VERSION
    }

    /// Deliveries are missing here.
    pub(crate) fn gap(&mut self, gap: &Gap) {
        self.gapped = true;
        if gap.lost > 0 {
            self.lost = true;
            self.ledger.lost();
        }
    }

    /// Checks a delivery, recorded by schema version `schema`, and runs it again; false if what it
    /// did cannot be compared. If its decisions are still the text `recorded`, they are put into
    /// it.
    pub(crate) fn delivered(
        &mut self,
        delivered: &mut Delivered,
        schema: u32,
        recorded: Option<&str>,
        blobs: &dyn BlobSource,
    ) -> Result<bool, Stop> {
        let event = &delivered.event;
        self.identified(event, &delivered.input)?;
        self.in_order(event, delivered.now.mono, Some(delivered.lamport))?;
        let step = self.caused(delivered)?;
        let step = Arc::new(step);
        let placed =
            |fault: Fault| Fault { path: step.path(), event: Some(event.clone()), ..fault };
        // Nobody else holds the input of a record that was just read, so nothing is copied here.
        Arc::make_mut(&mut delivered.input)
            .hydrate(blobs)
            .map_err(|error| blob_stop(error).placed(placed))?;
        let unparsable =
            |error: ProtocolError| placed(Fault::new(FindingKind::Unparsable, error.to_string()));
        let stateless = event.actor.kind() == ActorKind::Verify;
        if self.foreign() || (self.lost && !stateless) {
            if let Some(text) = recorded {
                delivered.decisions = codec::read_decisions(text).map_err(unparsable)?;
            }
            self.await_answers(delivered);
            return Ok(false);
        }
        let delivery =
            Delivery { event: event.clone(), now: delivered.now, root: delivered.root.clone() };
        let Some(effects) = self.machines.deliver(&delivery, &delivered.input) else {
            return Err(placed(misdelivered(event, &delivered.input)).into());
        };
        self.told.tell_in_schema(schema, &effects)?;
        let replayed = self.told.digest();
        let decided = match recorded {
            Some(recorded) => self.told.decides(recorded),
            None => effects.iter().filter_map(Effect::decision).eq(delivered.decisions.iter()),
        };
        if replayed != delivered.effects || !decided {
            if let Some(text) = recorded {
                delivered.decisions = codec::read_decisions(text).map_err(unparsable)?;
            }
            let (divergence, text) = difference::describe(delivered, &effects, replayed)?;
            let kind = FindingKind::Divergence(Box::new(divergence));
            return Err(placed(Fault::new(kind, text)).into());
        }
        if recorded.is_some() {
            delivered.decisions = effects.iter().filter_map(Effect::decision).cloned().collect();
        }
        self.await_answers(delivered);
        // Behind a gap no cause is checked, so nothing would ever be consumed.
        if !self.lost {
            self.ledger.outstanding.add(&step, &effects);
        }
        Ok(true)
    }

    fn await_answers(&mut self, delivered: &Delivered) {
        for decision in &delivered.decisions {
            let code = decision.denial.as_ref().map(|denial| denial.code);
            self.ledger.await_answer(decision.review.clone(), (decision.allowed, code));
        }
    }

    /// Checks a delivery on which the machine panicked, and passes it over as the host did.
    pub(crate) fn panicked(&mut self, panicked: &Panicked) -> Result<(), Stop> {
        let Panicked { cause, event, input, now, root } = panicked;
        self.identified(event, input)?;
        self.in_order(event, now.mono, None)?;
        self.cause_of(event, root, cause, now.mono, input, Panic::Yes)?;
        Ok(())
    }

    /// The event must be of this incarnation, and the input for this kind of actor.
    fn identified(&self, event: &EventId, input: &Input) -> Result<(), Stop> {
        let started = &self.started;
        if event.node != started.node || event.incarnation != started.incarnation {
            let text = format!(
                "the event is not of incarnation {} of {}",
                started.incarnation,
                started.node.as_str()
            );
            return Err(of(event, Fault::new(FindingKind::OrderBroken, text)).into());
        }
        if event.actor.kind() != input.kind() || event.actor.kind() == ActorKind::Journal {
            return Err(misdelivered(event, input).into());
        }
        Ok(())
    }

    /// An actor's sequence numbers have no holes, and its clocks do not go back.
    fn in_order(&mut self, event: &EventId, mono: Mono, lamport: Option<u64>) -> Result<(), Stop> {
        let heard = self.ledger.last(&event.actor);
        let holes_allowed = self.lost;
        let next = heard.seq.saturating_add(1);
        let text = if event.seq != next && !(holes_allowed && event.seq > next) {
            format!("the delivery should be number {next} of its actor")
        } else if mono < heard.mono {
            format!("the monotonic clock went back from {} to {} us", heard.mono.0, mono.0)
        } else if lamport.is_some_and(|lamport| lamport <= heard.lamport) {
            format!("the Lamport time does not rise above {} of the delivery before", heard.lamport)
        } else {
            let lamport = lamport.unwrap_or(heard.lamport);
            self.ledger.hear(&event.actor, Last { lamport, mono, seq: event.seq });
            return Ok(());
        };
        Err(of(event, Fault::new(FindingKind::OrderBroken, text)).into())
    }

    /// The step of a delivery whose cause holds.
    fn caused(&mut self, delivered: &Delivered) -> Result<Step, Stop> {
        let Delivered { cause, event, input, now, root, .. } = delivered;
        let parent = self.cause_of(event, root, cause, now.mono, input, Panic::No)?;
        if let Some(parent) = parent.as_ref().filter(|parent| parent.lamport >= delivered.lamport) {
            let text = format!("the Lamport time does not rise above {}", parent.lamport);
            let fault = Fault::new(FindingKind::OrderBroken, text);
            return Err(Fault { path: parent.path(), ..of(event, fault) }.into());
        }
        Ok(Step::new(event.clone(), root.clone(), delivered.lamport, input_name(input), parent))
    }

    /// The step of the event that caused this one; `None` if the cause lies outside, or in what was
    /// lost.
    fn cause_of(
        &mut self,
        event: &EventId,
        root: &EventId,
        cause: &Cause,
        mono: Mono,
        input: &Input,
        panic: Panic,
    ) -> Result<Option<Arc<Step>>, Stop> {
        let mismatch = |text: String| of(event, Fault::new(FindingKind::CauseMismatch, text));
        match cause {
            Cause::Outside(source) => {
                if !may_begin(*source, input) {
                    let name = input_name(input);
                    let text = format!("no {name} comes from outside by {source:?}");
                    return Err(mismatch(text).into());
                }
                if root != event {
                    let text = format!("it begins a chain but states the root {root}");
                    return Err(mismatch(text).into());
                }
                Ok(None)
            }
            Cause::Effect { .. } if self.lost || self.foreign() => Ok(None),
            Cause::Effect { event: emitter, index } => {
                let place = (emitter.clone(), *index);
                let step = match panic {
                    Panic::No => self.ledger.outstanding.claim(&place, &event.actor, mono, input),
                    Panic::Yes => {
                        self.ledger.outstanding.claim_panicked(&place, &event.actor, mono, input)
                    }
                }
                .map_err(mismatch)?;
                if step.root != *root {
                    let text = format!("its chain began with {}, not with {root}", step.root);
                    return Err(Fault { path: step.path(), ..mismatch(text) }.into());
                }
                Ok(Some(step))
            }
        }
    }

    /// An answer must be the decision, or a denial by the host in its place; of a review that came.
    pub(crate) fn answered(&mut self, answered: &Answered) -> Result<(), Stop> {
        let Answered { allowed, code, review, .. } = answered;
        let class = code.map(DenyCode::class);
        let in_its_place =
            !allowed && matches!(class, Some(DenyClass::Internal | DenyClass::Unavailable));
        let fits = match self.ledger.unanswered.remove(review) {
            Some(decided) => decided == (*allowed, *code) || in_its_place,
            None => {
                let came = review.seq <= self.ledger.last(&review.actor).seq;
                self.lost || review.seq <= self.ledger.forgotten || (came && in_its_place)
            }
        };
        if fits {
            return Ok(());
        }
        let word = if *allowed { "allow" } else { "deny" };
        let text = format!("the answer to {review} was sent as {word}, which was not decided");
        Err(of(review, Fault::new(FindingKind::AnswerMismatch, text)).into())
    }
}

/// What each source outside the machines may begin. Nothing else may enter by itself: a resolution
/// or a verification from nowhere would be a forged one.
fn may_begin(source: Outside, input: &Input) -> bool {
    match input {
        Input::Admission(AdmissionInput::Review(_)) => source == Outside::Webhook,
        Input::Admission(
            AdmissionInput::BundleFailed(_)
            | AdmissionInput::BundleLoaded(_)
            | AdmissionInput::Drain,
        ) => source == Outside::Host,
        Input::Admission(AdmissionInput::AcknowledgeClock(_) | AdmissionInput::RevokeSeal(_))
        | Input::Notary(NotaryInput::Forget(_)) => source == Outside::Operator,
        Input::Policy(_) => source == Outside::Objects,
        Input::Admission(
            AdmissionInput::Forgotten(_)
            | AdmissionInput::HopRefused(_)
            | AdmissionInput::OwnerFound(_)
            | AdmissionInput::Policies(_)
            | AdmissionInput::Resolution(_)
            | AdmissionInput::Timer(_),
        )
        | Input::Journal(_)
        | Input::Notary(
            NotaryInput::Fetched(_)
            | NotaryInput::Resolve(_)
            | NotaryInput::Timer(_)
            | NotaryInput::Verification(_)
            | NotaryInput::VerifierRefused(_),
        )
        | Input::Verify(_) => false,
    }
}

fn misdelivered(event: &EventId, input: &Input) -> Fault {
    let text = format!("{} is not an input for {}", input_name(input), event.actor);
    of(event, Fault::new(FindingKind::OrderBroken, text))
}

fn of(event: &EventId, fault: Fault) -> Fault {
    Fault { event: Some(event.clone()), ..fault }
}
