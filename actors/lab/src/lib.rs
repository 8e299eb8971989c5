//! The lab: signs Notary v1 collections and serves them, for the demo, simulations and tests.
//!
//! Nothing here ever takes part in a decision. [`Collection`] is pure: times are parameters, and
//! with [`Keys::deterministic`] the same calls give the same bytes. [`NotaryServer`] serves what
//! was published over TLS on a loopback address.

pub mod canonical;
pub mod collection;
mod error;
pub mod keys;
mod memo;
pub mod pem;
pub mod server;
pub mod tls;

pub use collection::{
    BaseRole, Collection, Documents, TIMESTAMP_LIFETIME, entry, file_meta, rfc3339,
};
pub use error::LabError;
pub use keys::{CertificatePlan, KeyKind, KeyPlan, Keys, RoleKey};
pub use server::{NotaryServer, Request, Route};
pub use tls::LoopbackTls;
