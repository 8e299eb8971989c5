//! Notary v1 verification as pure functions of bytes, pins, floors and time.
//!
//! * [`verify`] takes the documents of a collection and says what they establish.
//! * [`release::release`] takes what they say of a tag and says which digest may run.
//! * [`adopt`] takes over the trust directory of a Notary client.
//!
//! Nothing here asks for a document, reads a clock or keeps state: a caller that is told what is
//! missing fetches it and asks again.

mod adopt;
mod ca;
mod canonical;
mod certificate;
mod envelope;
pub mod error;
mod fields;
mod file_meta;
mod floors;
mod header;
mod json;
mod key;
mod pem;
mod pins;
mod public_key;
pub mod release;
mod role;
mod root;
mod signature;
pub mod signer;
mod snapshot;
mod targets;
mod verify;
mod walk;

pub use adopt::adopt;
pub use canonical::canonical_json;
pub use signature::{Claim, Judge};
pub use verify::{verify, verify_by};
