//! The language of Portreeve: what actors say to each other, and how it is written down.
//!
//! Nothing here performs IO, reads a clock or draws a random number. Every type that can stand in a
//! journal declares its members in alphabetical order: its serde form *is* the canonical form.

pub mod anchors;
mod annotations;
pub mod blob;
pub mod bundle_reason;
pub mod codec;
pub mod credential;
pub mod decision;
pub mod digest;
pub mod duration;
pub mod effect;
pub mod entry;
pub mod error;
pub mod evidence;
pub mod fact;
pub mod ids;
mod json;
pub mod letter;
pub mod limits;
pub mod machine;
pub mod messages;
pub mod new_seal;
mod patch;
pub mod planted;
pub mod policy;
pub mod proof;
pub mod reason;
pub mod reference;
pub mod seal;
pub mod settings;
pub mod shown;
mod text;
pub mod time;
pub mod workload;

pub use blob::{Blob, BlobSource};
pub use credential::CredentialRef;
pub use decision::{Admitted, ContainerVerdict, Decision, Sealed, Tolerated, Verdict};
pub use digest::Sha256;
pub use effect::Effect;
pub use entry::{Entry, Record};
pub use error::ProtocolError;
pub use fact::Fact;
pub use ids::{ActorId, ActorKind, Cause, EventId, NodeId, Outside};
pub use machine::{Delivery, Kept, Machine, Outbox};
pub use messages::Input;
pub use new_seal::NewSeal;
pub use proof::Proof;
pub use reason::{Denial, DenyClass, DenyCode};
pub use seal::{SealClaims, SealFact};
pub use settings::Settings;
pub use time::{Mono, Now, Wall};

/// The version of the rules the machines follow. A journal written under another version replays
/// as "different rules", not as a divergence: raise it whenever a machine may decide otherwise.
pub const RULES_VERSION: u32 = 11;
