//! How old the trust data was that a decision rests on.

use std::collections::{BTreeMap, VecDeque};

use portreeve_protocol::messages::admission::{AdmissionInput, Resolution, ResolutionOutcome};
use portreeve_protocol::reference::{DEFAULT_TAG, ImageReference};
use portreeve_protocol::{Admitted, Decision, Input, Mono, Verdict, limits};

use super::StateAge;

/// Collection, tag and trust server.
type Question = (String, String, String);

/// What the trust servers said last, as far as the admission actor can have remembered it.
#[derive(Default)]
pub(super) struct States {
    known: BTreeMap<Question, State>,
    order: VecDeque<Question>,
}

#[derive(Clone, Copy)]
struct State {
    /// When the timestamp of the last answer was asked for.
    checked: Option<Mono>,
    /// Whether the server could not be asked since.
    failed: bool,
}

impl States {
    /// Takes in what an input tells.
    pub(super) fn learn(&mut self, input: &Input) {
        let Input::Admission(AdmissionInput::Resolution(told)) = input else { return };
        self.told(told);
    }

    /// Takes in what a trust server said.
    pub(super) fn told(&mut self, told: &Resolution) {
        let question = (told.gun.clone(), told.tag.clone(), told.server.clone());
        let before = self.known.get(&question).and_then(|state| state.checked);
        let state = match &told.outcome {
            ResolutionOutcome::Absent
            | ResolutionOutcome::Refused(_)
            | ResolutionOutcome::Verified(_) => {
                State { checked: Some(told.checked_at), failed: false }
            }
            ResolutionOutcome::Unavailable(_) => {
                let last = told.last_verified.as_ref().map(|last| last.at);
                State { checked: last.or(before), failed: true }
            }
        };
        if self.known.insert(question.clone(), state).is_none() {
            self.order.push_back(question);
        }
        while self.order.len() > limits::RESOLUTIONS {
            let Some(oldest) = self.order.pop_front() else { return };
            self.known.remove(&oldest);
        }
    }

    /// The age of what each verdict rests on, at the time of the decision.
    pub(super) fn ages(&self, decision: &Decision, now: Mono) -> Vec<Option<StateAge>> {
        let stale = decision.audit.contains_key("stale");
        let age = |verdict: &Verdict, image: &str| {
            let server = match verdict {
                Verdict::Allowed(Admitted::Verified(verified)) => Some(&*verified.server),
                Verdict::Allowed(_) | Verdict::Denied(_) => None,
            };
            let state = self.of(&image.parse().ok()?, server)?;
            let micros = now.since(state.checked?);
            Some(StateAge { micros, stale: stale && state.failed && server.is_some() })
        };
        decision.verdicts.iter().map(|it| age(&it.verdict, &it.image)).collect()
    }

    /// The state of the image at `server`; where none is named, the only one there is.
    fn of(&self, reference: &ImageReference, server: Option<&str>) -> Option<State> {
        let tag = reference.tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
        let first = (reference.gun(), tag, server.unwrap_or_default().to_owned());
        let mut states = self
            .known
            .range(first.clone()..)
            .take_while(|((gun, tag, at), _)| {
                (gun, tag) == (&first.0, &first.1) && server.is_none_or(|server| server == at)
            })
            .map(|(_, state)| *state);
        states.next().filter(|_| states.next().is_none())
    }
}
