//! What can go wrong in a simulation, apart from what is simulated.

use portreeve_lab::LabError;
use portreeve_protocol::ProtocolError;

/// Why a scenario could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A document that the lab made cannot be read.
    #[error("{name} as the lab made it cannot be read: {why}")]
    Document {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The run did not come to an end.
    #[error(
        "{events} events happened and more are to come: raise `most_events`, or find what goes \
         round in circles"
    )]
    Endless {
        /// How many events happened.
        events: u64,
    },
    /// A collection or key of the scenario could not be made.
    #[error("the lab cannot make what the scenario asks for: {0}")]
    Lab(#[from] LabError),
    /// A record or name is not one of the protocol.
    #[error("the scenario cannot be run: {0}")]
    Protocol(#[from] ProtocolError),
    /// A replica cannot start again from its journal.
    #[error("the replica cannot start again from its journal: {0}")]
    Recovery(#[from] portreeve_replay::ReplayError),
    /// Two reviews carry one uid, by which their answers are told apart.
    #[error("two reviews of the scenario have the uid `{uid}`: give each its own")]
    SameUid {
        /// The uid.
        uid: String,
    },
}
