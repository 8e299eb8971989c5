//! Notary v1 verification as pure functions of bytes, pins, floors and time.

pub mod release;
pub mod signer;
mod verify;

pub use verify::verify;
