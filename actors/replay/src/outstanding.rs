//! Effects that were emitted and have not led to a delivery yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::notary::{DocumentName, NotaryInput};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{ActorId, ActorKind, Effect, EventId, Input, Mono, codec, entry};

use crate::path::Step;

/// Effects that may be outstanding at once: every review in flight with every image it may have.
pub(crate) const OUTSTANDING: usize = 1 << 20;
/// Timers that were disarmed or moved but may have fired just before; the oldest are forgotten.
const OBSOLETE: usize = 256;

type Place = (EventId, u32);

/// The effects of one incarnation that may still cause something.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    effects: BTreeMap<Place, Pending>,
    obsolete: VecDeque<Place>,
    timers: BTreeMap<(ActorId, TimerKey), Place>,
}

#[derive(Debug)]
struct Pending {
    effect: Arc<Effect>,
    expected: Expected,
    step: Arc<Step>,
}

#[derive(Debug)]
enum Expected {
    Fetched { document: DocumentName, flight: u64, gun: String },
    Owner { review: EventId },
    Message { message: Arc<Input>, to: ActorId, verify: Option<(u64, String)> },
    Refusal { to: ActorId, verify: Option<(u64, String)> },
    Timer { at: Mono, key: TimerKey },
}

impl Outstanding {
    /// How many effects are outstanding.
    pub(crate) fn len(&self) -> usize {
        self.effects.len()
    }

    /// Takes note of what `step` emitted.
    pub(crate) fn add(&mut self, step: &Arc<Step>, effects: &[Effect]) {
        for (effect, index) in effects.iter().zip(0..) {
            if let Effect::Disarm { key } = effect {
                let earlier = self.timers.remove(&(step.event.actor.clone(), key.clone()));
                self.retire(earlier);
            }
            let Some(expected) = Expected::of(effect) else { continue };
            let place = (step.event.clone(), index);
            if let Expected::Timer { key, .. } = &expected {
                let timer = (step.event.actor.clone(), key.clone());
                let earlier = self.timers.insert(timer, place.clone());
                self.retire(earlier);
            }
            let effect = Arc::new(effect.clone());
            self.effects.insert(place, Pending { effect, expected, step: Arc::clone(step) });
        }
    }

    /// Whether any of `effects` would be noted.
    pub(crate) fn concern(effects: &[Effect]) -> bool {
        effects.iter().any(|effect| match effect {
            Effect::Arm { .. }
            | Effect::Disarm { .. }
            | Effect::Fetch(_)
            | Effect::LookUpOwner(_)
            | Effect::Send { .. } => true,
            Effect::Answer(_) | Effect::Note(_) | Effect::RecordGap(_) | Effect::Release(_) => {
                false
            }
        })
    }

    /// What is outstanding, for a checkpoint.
    pub(crate) fn list(&self) -> Vec<entry::Outstanding> {
        let describe = |((event, index), pending): (&Place, &Pending)| entry::Outstanding {
            effect: Effect::clone(&pending.effect),
            event: event.clone(),
            index: *index,
            lamport: pending.step.lamport,
            panicked: matches!(pending.expected, Expected::Refusal { .. }),
            retired: self
                .obsolete
                .iter()
                .zip(0..)
                .find_map(|((of, at), nth)| ((of, at) == (event, index)).then_some(nth)),
            root: pending.step.root.clone(),
        };
        self.effects.iter().map(describe).collect()
    }

    /// What a checkpoint says is outstanding; `None` if it lists an effect that leads to nothing.
    pub(crate) fn of(list: &[entry::Outstanding]) -> Option<Self> {
        let mut all = Self::default();
        let mut retired = BTreeMap::new();
        for one in list {
            let entry::Outstanding { effect, event, index, lamport, root, .. } = one;
            let place = (event.clone(), *index);
            let mut expected = Expected::of(effect)?;
            match (&expected, one.retired) {
                (_, Some(nth)) => drop(retired.insert(nth, place.clone())),
                (Expected::Timer { key, .. }, None) => {
                    all.timers.insert((event.actor.clone(), key.clone()), place.clone());
                }
                (_, None) => {}
            }
            if one.panicked {
                expected = expected.refused();
            }
            let name = "checkpoint";
            let step = Step::new(event.clone(), root.clone(), *lamport, name, None);
            let effect = Arc::new(effect.clone());
            all.effects.insert(place, Pending { effect, expected, step: Arc::new(step) });
        }
        all.obsolete = retired.into_values().collect();
        Some(all)
    }

    /// Consumes an effect without a look at what it led to.
    pub(crate) fn spend(&mut self, place: &Place, panicked: bool) {
        let Some(pending) = self.remove(place) else { return };
        if panicked && let Expected::Message { .. } = pending.expected {
            let expected = pending.expected.refused();
            self.effects.insert(place.clone(), Pending { expected, ..pending });
        }
    }

    fn remove(&mut self, place: &Place) -> Option<Pending> {
        let pending = self.effects.remove(place)?;
        if let Expected::Timer { key, .. } = &pending.expected {
            let timer = (place.0.actor.clone(), key.clone());
            if self.timers.get(&timer) == Some(place) {
                self.timers.remove(&timer);
            } else {
                self.obsolete.retain(|retired| retired != place);
            }
        }
        Some(pending)
    }

    /// A timer is not awaited any more. It may have fired before the machine said so, and be on its
    /// way, so it is kept a while.
    fn retire(&mut self, place: Option<Place>) {
        self.obsolete.extend(place.filter(|place| self.effects.contains_key(place)));
        while self.obsolete.len() > OBSOLETE {
            if let Some(place) = self.obsolete.pop_front() {
                self.effects.remove(&place);
            }
        }
    }

    /// Consumes the effect that is said to have caused the delivery of `input` to `actor`.
    ///
    /// # Errors
    /// A sentence that says why it did not.
    pub(crate) fn claim(
        &mut self,
        place: &Place,
        actor: &ActorId,
        mono: Mono,
        input: &Input,
    ) -> Result<Arc<Step>, String> {
        self.take(place, actor, mono, input).map(|pending| pending.step)
    }

    /// As [`Outstanding::claim`], for a delivery on which the machine panicked: what it was sent
    /// may yet be refused to the sender, but not be delivered again.
    ///
    /// # Errors
    /// As [`Outstanding::claim`].
    pub(crate) fn claim_panicked(
        &mut self,
        place: &Place,
        actor: &ActorId,
        mono: Mono,
        input: &Input,
    ) -> Result<Arc<Step>, String> {
        let pending = self.take(place, actor, mono, input)?;
        let step = Arc::clone(&pending.step);
        if let Expected::Message { .. } = pending.expected {
            let expected = pending.expected.refused();
            self.effects.insert(place.clone(), Pending { expected, ..pending });
        }
        Ok(step)
    }

    fn take(
        &mut self,
        place: &Place,
        actor: &ActorId,
        mono: Mono,
        input: &Input,
    ) -> Result<Pending, String> {
        let (event, index) = place;
        let stated = format!("effect {index} of {event} is stated as the cause, but");
        let Some(pending) = self.remove(place) else {
            return Err(format!(
                "{stated} it is not outstanding: it was never emitted, or it has led to another \
                 delivery, or it leads to none"
            ));
        };
        // A mismatch ends the verification, so it does no harm that the effect is gone.
        pending.fits(event, actor, mono, input).map_err(|why| format!("{stated} {why}"))?;
        Ok(pending)
    }
}

impl Expected {
    /// What `effect` leads to; `None` if it leads to no delivery.
    fn of(effect: &Effect) -> Option<Self> {
        Some(match effect {
            Effect::Arm { at, key } => Self::Timer { at: *at, key: key.clone() },
            Effect::Fetch(request) => Self::Fetched {
                document: request.document.clone(),
                flight: request.flight,
                gun: request.gun.clone(),
            },
            Effect::LookUpOwner(query) => Self::Owner { review: query.review.clone() },
            Effect::Send { message, to } => Self::Message {
                message: Arc::clone(message),
                to: to.clone(),
                verify: flight_of(message),
            },
            Effect::Answer(_)
            | Effect::Disarm { .. }
            | Effect::Note(_)
            | Effect::RecordGap(_)
            | Effect::Release(_) => return None,
        })
    }

    /// What is left to expect of a message on which a machine panicked.
    fn refused(self) -> Self {
        if let Self::Message { to, verify, .. } = self {
            Self::Refusal { to, verify }
        } else {
            self
        }
    }
}

impl Pending {
    fn fits(
        &self,
        emitter: &EventId,
        actor: &ActorId,
        mono: Mono,
        input: &Input,
    ) -> Result<(), String> {
        match &self.expected {
            Expected::Message { message, to, verify } => {
                if refusal_fits(input, to, verify.as_ref()) {
                    return same_actor(emitter, actor);
                }
                if !reaches(to, actor) {
                    return Err(format!("it was a message to {to}"));
                }
                match (codec::canonical(input), codec::canonical(&**message)) {
                    (Ok(found), Ok(sent)) if found == sent => Ok(()),
                    (Ok(_), Ok(_)) => Err("it sent another message than was delivered".to_owned()),
                    (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
                }
            }
            Expected::Fetched { document, flight, gun } => match input {
                Input::Notary(NotaryInput::Fetched(fetched))
                    if (&fetched.document, fetched.flight, &fetched.gun)
                        == (document, *flight, gun) =>
                {
                    same_actor(emitter, actor)
                }
                Input::Notary(_)
                | Input::Admission(_)
                | Input::Journal(_)
                | Input::Policy(_)
                | Input::Verify(_) => {
                    Err(format!("it asked for {document} of {gun} in flight {flight}"))
                }
            },
            Expected::Owner { review } => match input {
                Input::Admission(AdmissionInput::OwnerFound(found)) if found.review == *review => {
                    same_actor(emitter, actor)
                }
                Input::Admission(_)
                | Input::Journal(_)
                | Input::Notary(_)
                | Input::Policy(_)
                | Input::Verify(_) => Err(format!("it looked for the controller of {review}")),
            },
            Expected::Refusal { to, verify } => {
                if !refusal_fits(input, to, verify.as_ref()) {
                    return Err("a machine panicked on what it sent".to_owned());
                }
                same_actor(emitter, actor)
            }
            Expected::Timer { at, key } => {
                if timer_of(input).as_ref() != Some(key) {
                    return Err("it armed another timer".to_owned());
                }
                if mono < *at {
                    return Err(format!("its timer was not due before {} us", at.0));
                }
                same_actor(emitter, actor)
            }
        }
    }
}

fn same_actor(emitter: &EventId, actor: &ActorId) -> Result<(), String> {
    if emitter.actor == *actor {
        Ok(())
    } else {
        Err(format!("what it leads to is for {}", emitter.actor))
    }
}

/// Messages to the pool of verifiers name member 0; any member may take them.
fn reaches(to: &ActorId, actor: &ActorId) -> bool {
    to == actor || (to.kind(), actor.kind()) == (ActorKind::Verify, ActorKind::Verify)
}

/// Whether `input` tells the sender that its message to `to` was not taken.
fn refusal_fits(input: &Input, to: &ActorId, verify: Option<&(u64, String)>) -> bool {
    match input {
        Input::Admission(AdmissionInput::HopRefused(refused)) => refused.to == *to,
        Input::Notary(NotaryInput::VerifierRefused(refused)) => {
            verify.is_some_and(|(flight, gun)| refused.flight == *flight && refused.gun == *gun)
        }
        Input::Admission(_)
        | Input::Journal(_)
        | Input::Notary(_)
        | Input::Policy(_)
        | Input::Verify(_) => false,
    }
}

fn flight_of(message: &Input) -> Option<(u64, String)> {
    if let Input::Verify(VerifyInput::Verify(request)) = message {
        Some((request.flight, request.gun.clone()))
    } else {
        None
    }
}

fn timer_of(input: &Input) -> Option<TimerKey> {
    match input {
        Input::Admission(AdmissionInput::Timer(timer)) => Some(TimerKey::Admission(timer.clone())),
        Input::Notary(NotaryInput::Timer(timer)) => Some(TimerKey::Notary(timer.clone())),
        Input::Admission(_)
        | Input::Journal(_)
        | Input::Notary(_)
        | Input::Policy(_)
        | Input::Verify(_) => None,
    }
}
