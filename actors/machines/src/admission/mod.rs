//! Decides reviews.

mod answer;
mod drain;
mod hop;
mod image;
mod known;
mod message;
mod patch;
pub mod pattern;
mod pending;
mod policies;
mod resolution;
mod review;
mod select;
pub mod server;
mod timer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::admission::{AdmissionEffect, AdmissionInput};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{ActorKind, Delivery, EventId, Input, Machine, Outbox, Settings};

use known::{Known, Question};
use pending::Pending;

/// Decides reviews.
#[derive(Debug)]
pub struct Admission {
    draining: bool,
    known: Known,
    /// The reviews that wait for trust servers, by the event in which they came.
    pending: BTreeMap<EventId, Pending>,
    /// The last policies told; `None` before the first.
    policies: Option<Arc<PolicySnapshot>>,
    settings: Settings,
    /// Each open question to the reviews that wait for it.
    waiting: BTreeMap<Question, BTreeSet<EventId>>,
}

impl Admission {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(started: &Started) -> Self {
        Self {
            draining: false,
            known: Known::default(),
            pending: BTreeMap::new(),
            policies: None,
            settings: started.settings.clone(),
            waiting: BTreeMap::new(),
        }
    }
}

impl Machine for Admission {
    type Input = AdmissionInput;
    type Effect = AdmissionEffect;

    const KIND: ActorKind = ActorKind::Admission;

    fn handle(
        &mut self,
        delivery: &Delivery,
        input: &AdmissionInput,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        match input {
            AdmissionInput::Drain => self.drain(delivery, out),
            AdmissionInput::HopRefused(refused) => self.hop_refused(delivery, refused, out),
            AdmissionInput::Policies(policies) => self.policies(policies),
            AdmissionInput::Resolution(resolution) => self.resolution(delivery, resolution, out),
            AdmissionInput::Review(facts) => self.review(delivery, facts, out),
            AdmissionInput::Timer(timer) => self.timer(delivery, timer, out),
        }
    }

    fn accept(input: &Input) -> Option<&AdmissionInput> {
        if let Input::Admission(input) = input { Some(input) } else { None }
    }
}
