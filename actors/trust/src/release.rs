//! From a verified view of a tag to the digest that may run.

use portreeve_protocol::messages::admission::VerifiedTag;
use portreeve_protocol::policy::TrustRequirement;
use portreeve_protocol::{Denial, DenyCode, Sha256};

/// A digest that satisfies a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The signed digest.
    pub digest: Sha256,
    /// The role whose entry gave it: `targets/releases` or `targets`.
    pub role: String,
    /// Names of the required signers found to have signed it.
    pub signers: Vec<String>,
    /// Remarks for the person who sent the workload.
    pub warnings: Vec<String>,
}

/// Holds a verified tag against a requirement; `named` is the digest the image reference carries.
///
/// # Errors
/// The requirement that is not met.
pub fn release(
    _tag: &VerifiedTag,
    _requirement: &TrustRequirement,
    _named: Option<Sha256>,
) -> Result<Released, Denial> {
    Err(Denial::new(DenyCode::UnsupportedForm, "nothing is released yet"))
}
