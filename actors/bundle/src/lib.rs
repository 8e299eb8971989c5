//! The signed trust bundle: what a security team says about roots, signers and trust servers, as
//! one target of a TUF 1.0 repository, read and made with `tough`.
//!
//! `tough` checks signatures, thresholds, versions and hashes. Around it stand rules of our own:
//! limits of size and character set before it sees a byte, expiry judged at a time that is given,
//! floors that outlive its datastore, and no load that passes over a failed look for newer roots.
//! Where the files come from is the caller's: see [`Source`]. Notary v1 is never read here.

mod directory;
mod error;
mod guard;
mod keys;
mod load;
mod publish;
mod refusal;
mod root;
mod source;
mod workshop;

pub use directory::Directory;
pub use error::BundleError;
pub use keys::{BundleKey, make_key};
pub use load::{Asked, Loaded, RoleReport, load};
pub use publish::{Published, Terms, publish};
pub use root::{Missing, RootPlan, SignedRoot, make_root, rotate_root, sign_root};
pub use source::{Missed, Reading, Source};
pub use workshop::Workshop;
