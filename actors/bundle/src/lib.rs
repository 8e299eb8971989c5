//! The signed trust bundle: what a security team says about roots and trust servers, as one target
//! of a TUF 1.0 repository, read with `tough`.
//!
//! `tough` checks signatures, thresholds, versions and hashes. Around it stand rules of our own:
//! limits of size and character set before it sees a byte, expiry judged at a time that is given,
//! and no load that passes over a failed look for newer roots. Notary v1 is never read here.

mod anchors;
mod error;
mod guard;
mod load;

pub use anchors::{Anchor, Anchors};
pub use error::BundleError;
pub use guard::Guarded;
pub use load::{Bundle, load};
