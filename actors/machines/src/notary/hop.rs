//! The verifiers would not take a request.

use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::VerifierRefused;

use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Ends the flight: the trust data is there but nobody can look at it now.
    pub(super) fn verifier_refused(&mut self, refused: &VerifierRefused, turn: &mut Turn<'_>) {
        let VerifierRefused { flight: number, gun, why } = refused;
        let Some((flight, _)) = self.take_verifying(gun, *number) else {
            return self.unexpected(format!("no verifier for flight {number} of {gun}"), turn);
        };
        self.end(gun, flight, &ResolutionOutcome::Unavailable(why.clone()), turn);
    }
}
