//! The actors of Portreeve as pure state machines: no IO, no clock, no randomness, no async.

pub mod admission;
pub mod journal;
pub mod lint;
pub mod notary;
mod pairs;
pub mod policy;
pub mod verify;

pub use admission::Admission;
pub use journal::JournalGate;
pub use notary::NotaryFetcher;
pub use policy::PolicyCache;
pub use verify::Verifier;
