//! The entries of a journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::evidence::TrustedCollection;
use crate::messages::admission::BundleLoaded;
use crate::seal::RevokedSeal;
use crate::{
    ActorId, Blob, Cause, Decision, DenyCode, Effect, EventId, Input, Mono, NodeId, Now,
    ProtocolError, Settings, Sha256, Wall,
};

/// One entry and its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub entry: Entry,
    /// The hash of the record before; 64 zeros ([`Sha256::ZERO`]) at the beginning of a journal.
    pub prev: Sha256,
    /// The schema version, [`crate::codec::SCHEMA`] when written by this build.
    pub v: u32,
}

/// What a journal line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Answers to reviews were handed to their clients, in this order. Written after the fact, at
    /// best effort. Up to schema 5 a record held one of them, and no list.
    #[serde(deserialize_with = "one_or_more")]
    Answered(Vec<Answered>),
    /// The state of the node at the beginning of a segment.
    Checkpoint(Box<Checkpoint>),
    /// A machine received an input.
    Delivered(Delivered),
    /// Deliveries were lost to the journal while it could not be written.
    Gap(Gap),
    /// A machine panicked on a delivery; nothing it emitted was performed.
    Panicked(Panicked),
    /// A new incarnation of the node began.
    Started(Arc<Started>),
}

impl Entry {
    /// Whether a journal can be begun with it: machines need nothing of what stood before.
    #[must_use]
    pub const fn is_beginning(&self) -> bool {
        matches!(self, Self::Checkpoint(_) | Self::Started(_))
    }
}

/// The answer to a review left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What the answer said.
    pub allowed: bool,
    /// The code of the denial, if it was one.
    pub code: Option<DenyCode>,
    /// The event of the review.
    pub review: EventId,
    /// When.
    pub wall: Wall,
}

/// A list of answers, or one alone.
fn one_or_more<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<Answered>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Answered>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("answers")
        }

        fn visit_map<A: MapAccess<'de>>(self, one: A) -> Result<Vec<Answered>, A::Error> {
            Answered::deserialize(MapAccessDeserializer::new(one)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, many: A) -> Result<Vec<Answered>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(many))
        }
    }

    reader.deserialize_any(OneOrMore)
}

/// All that is needed to go on from here without the records before.
///
/// It is taken between two deliveries, when every record before it is written. The states of the
/// machines are of meaning to machines of the same rules only; what outlives an incarnation stands
/// in `started` as well, under whatever rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Decisions whose `Answered` was not written yet, in order of review.
    pub awaited: Vec<Awaited>,
    /// The highest number of a review whose `Answered` is not awaited any more; 0 for none.
    pub forgotten: u64,
    /// The last delivery of each actor, in order of actor.
    pub heard: Vec<Heard>,
    /// The state of each actor that keeps one and has received something, in order of actor.
    pub machines: Vec<MachineState>,
    /// Effects that have not led to a delivery yet, in order of event and index.
    pub outstanding: Vec<Outstanding>,
    /// The opening of the incarnation, with what would be restored if it ended here.
    pub started: Arc<Started>,
}

/// A decision whose answer is not known to have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// What was decided.
    pub allowed: bool,
    /// The code of the denial, if it was one.
    pub code: Option<DenyCode>,
    /// The event of the review.
    pub review: EventId,
}

/// The last delivery of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The actor.
    pub actor: ActorId,
    /// Its Lamport time.
    pub lamport: u64,
    /// The monotonic clock it was told.
    pub mono: Mono,
    /// Its number.
    pub seq: u64,
}

/// The state of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineState {
    /// The actor.
    pub actor: ActorId,
    /// What the machine knows, in a form of its own; blobs by digest.
    pub state: serde_json::Value,
}

/// An effect that has not led to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding {
    /// What was emitted.
    pub effect: Effect,
    /// The event that emitted it.
    pub event: EventId,
    /// Its place among what that event emitted, counted from 0.
    pub index: u32,
    /// Lamport time of that event.
    pub lamport: u64,
    /// Whether a machine panicked on it, so that it can only be refused to its sender.
    pub panicked: bool,
    /// Set if it is a timer that was disarmed or moved and may have fired just before: its place
    /// among those.
    pub retired: Option<u64>,
    /// The first event of the chain.
    pub root: EventId,
}

/// One delivery: everything needed to run the machine again, and to check that it does the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Why the delivery happened.
    pub cause: Cause,
    /// The decisions among the effects, in full.
    pub decisions: Vec<Arc<Decision>>,
    /// SHA-256 of the canonical JSON of the list of effects, with `"Answer"` in the place of each
    /// decision; up to schema 3 with the decisions themselves ([`crate::codec::Told`]).
    pub effects: Sha256,
    /// The delivery.
    pub event: EventId,
    /// What was delivered.
    pub input: Arc<Input>,
    /// Lamport time: larger than that of the cause and of the actor's earlier deliveries.
    pub lamport: u64,
    /// The clocks the machine was told.
    pub now: Now,
    /// The first event of the chain.
    pub root: EventId,
}

/// What was lost while the journal could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Allows that were turned into denials.
    pub denied: u64,
    /// Allows that needed no evidence (deletions and the like) and were let through.
    pub exempt: u64,
    /// Deliveries that are not in the journal.
    pub lost: u64,
    /// What the operating system said.
    pub why: String,
}

/// A panic, so that replay passes the delivery over as the host did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panicked {
    /// Why the delivery happened.
    pub cause: Cause,
    /// The delivery on which the machine panicked.
    pub event: EventId,
    /// What was delivered.
    pub input: Arc<Input>,
    /// The clocks the machine was told.
    pub now: Now,
    /// The first event of the chain.
    pub root: EventId,
}

/// The opening of an incarnation: with this record, the machines can be built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Version of the program.
    pub build: String,
    /// Which start of the node this is, counted from 1.
    pub incarnation: u32,
    /// Seed of whatever the machines randomise.
    pub jitter_seed: u64,
    /// The node.
    pub node: NodeId,
    /// What earlier incarnations left behind.
    pub restored: Restored,
    /// [`crate::RULES_VERSION`] of the program.
    pub rules: u32,
    /// The settings the machines obey.
    pub settings: Settings,
    /// SHA-256 of the canonical JSON of `settings`.
    pub settings_digest: Sha256,
    /// When the incarnation began.
    pub wall: Wall,
}

/// State that outlives an incarnation, rebuilt from the journal before the node starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The last trust bundle taken. Since schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Box<BundleLoaded>>,
    /// The entries of seals that operators have ended, in order. Since schema 2.
    #[serde(default)]
    pub revoked: BTreeSet<RevokedSeal>,
    /// The trust each notary fetcher had gained, in order of server and GUN.
    pub trust: Vec<TrustedCollection>,
}

impl Restored {
    /// Every blob named here.
    pub fn blobs_mut(&mut self) -> Vec<&mut Blob> {
        let trust = self.trust.iter_mut().flat_map(TrustedCollection::blobs_mut);
        trust.chain(self.bundle.iter_mut().flat_map(|bundle| bundle.blobs_mut())).collect()
    }
}

impl Started {
    /// Fills in the bytes of all blobs named.
    ///
    /// # Errors
    /// As [`crate::Blob::hydrate`].
    pub fn hydrate(&mut self, source: &dyn crate::BlobSource) -> Result<(), ProtocolError> {
        self.restored.blobs_mut().into_iter().try_for_each(|blob| blob.hydrate(source))
    }
}
