//! Verification of a collection.

use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Denial, DenyCode, Wall};

/// Verifies the documents of `request` as of `now`.
#[must_use]
pub fn verify(_request: &VerifyRequest, _now: Wall) -> VerifyOutcome {
    VerifyOutcome::Refused(Denial::new(DenyCode::UnsupportedForm, "nothing is verified yet"))
}
