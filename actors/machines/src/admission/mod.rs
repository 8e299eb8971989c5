//! Decides reviews.

mod answer;
pub mod bundle;
mod clock;
mod demand;
mod drain;
mod hop;
mod image;
mod known;
mod message;
mod operator;
mod owner;
mod patch;
pub mod pattern;
mod pending;
mod plans;
mod policies;
mod requirements;
mod resolution;
mod review;
mod sealing;
mod seals;
pub mod select;
pub mod server;
mod terms;
mod timer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, Resolution, ReviewFacts,
};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{
    ActorKind, BlobSource, Delivery, EventId, Input, Kept, Machine, Now, Outbox, ProtocolError,
    Settings,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use bundle::BundleState;
use clock::Clock;
use known::{Known, Question};
use pending::Pending;
use plans::Plans;
use requirements::Requirements;

/// Decides reviews.
#[derive(Debug, Serialize, Deserialize)]
pub struct Admission {
    /// The trust bundle.
    bundle: BundleState,
    /// The wall clock, as far as it is believed.
    clock: Clock,
    /// Whether the node drains.
    draining: bool,
    /// What trust servers said.
    known: Known,
    /// The reviews that wait for trust servers, by the event in which they came.
    pending: BTreeMap<EventId, Pending>,
    #[serde(skip)]
    plans: Plans,
    /// The last policies told; `None` before the first.
    policies: Option<Arc<PolicySnapshot>>,
    #[serde(skip)]
    requirements: Requirements,
    /// The entries of seals that operators ended.
    revoked: BTreeSet<RevokedSeal>,
    #[serde(skip)]
    settings: Settings,
    /// Each open question to the reviews that wait for it.
    #[serde(with = "crate::pairs")]
    waiting: BTreeMap<Arc<Question>, BTreeSet<EventId>>,
}

impl Admission {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(started: &Started) -> Self {
        Self {
            bundle: BundleState::restored(started.restored.bundle.clone()),
            clock: Clock::default(),
            draining: false,
            known: Known::default(),
            pending: BTreeMap::new(),
            plans: Plans::default(),
            policies: None,
            requirements: Requirements::default(),
            revoked: started.restored.revoked.clone(),
            settings: started.settings.clone(),
            waiting: BTreeMap::new(),
        }
    }

    /// The entries of seals that operators ended, which outlive this incarnation.
    #[must_use]
    pub const fn revoked(&self) -> &BTreeSet<RevokedSeal> {
        &self.revoked
    }

    /// The policies that reviews are decided under; `None` before the first were told.
    #[must_use]
    pub const fn policies_told(&self) -> Option<&Arc<PolicySnapshot>> {
        self.policies.as_ref()
    }

    /// What trust servers said, as far as it is remembered.
    pub fn answers(&self) -> impl Iterator<Item = &Arc<Resolution>> {
        self.known.answers()
    }

    /// The reviews that wait for trust servers, each with the time it was received and the policies
    /// that it is decided under.
    pub fn undecided(
        &self,
    ) -> impl Iterator<Item = (&EventId, Now, &ReviewFacts, &Arc<PolicySnapshot>)> {
        let waiting = self.pending.iter();
        waiting.map(|(event, it)| (event, it.received, &*it.facts, &it.policies))
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
        let (now, news) = self.clock.read(delivery.now);
        if let Some(news) = news {
            out.push(AdmissionEffect::Note(news));
        }
        if let Some(news) = self.bundle.look(self.settings.bundle.as_ref(), now.wall) {
            out.push(AdmissionEffect::Note(news));
        }
        match input {
            AdmissionInput::AcknowledgeClock(acknowledge) => {
                self.acknowledge_clock(delivery.now, acknowledge, out);
            }
            AdmissionInput::BundleFailed(failed) => self.bundle_failed(failed, out),
            AdmissionInput::BundleLoaded(loaded) => self.bundle_loaded(loaded, out),
            AdmissionInput::Drain => self.drain(delivery, out),
            AdmissionInput::Forgotten(forgotten) => self.forgotten(delivery, now, forgotten, out),
            AdmissionInput::HopRefused(refused) => self.hop_refused(delivery, now, refused, out),
            AdmissionInput::OwnerFound(found) => self.owner_found(delivery, now, found, out),
            AdmissionInput::Policies(policies) => self.policies(policies),
            AdmissionInput::Resolution(resolution) => {
                self.resolution(delivery, now, resolution, out);
            }
            AdmissionInput::Review(facts) => self.review(delivery, now, facts, out),
            AdmissionInput::RevokeSeal(revoke) => {
                self.revoke_seal(delivery, now, revoke, out);
            }
            AdmissionInput::Timer(timer) => self.timer(delivery, now, timer, out),
        }
    }

    fn accept(input: &Input) -> Option<&AdmissionInput> {
        if let Input::Admission(input) = input { Some(input) } else { None }
    }

    fn keep(&self) -> Result<Kept, ProtocolError> {
        let restored = Restored {
            bundle: self.bundle.taken().cloned().map(Box::new),
            revoked: self.revoked.clone(),
            trust: Vec::new(),
        };
        Ok(Kept { blobs: self.bundle.blobs(), restored, ..Kept::of(self)? })
    }

    fn resume(&mut self, state: &Value, blobs: &dyn BlobSource) -> Result<(), ProtocolError> {
        let settings = std::mem::take(&mut self.settings);
        *self = Self { settings, ..Kept::read(state)? };
        self.pending.values_mut().for_each(Pending::fill);
        self.bundle.hydrate(blobs)
    }
}
