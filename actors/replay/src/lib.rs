//! Re-runs a journal and says whether every decision comes out again; tells why one came out.
//!
//! Nothing here opens a file or reads a clock: lines and blobs are handed in, so that the command
//! line, the host at its start and the simulator read journals by the same rules. Memory does not
//! grow with the journal, but with the effects that are outstanding at one moment.

mod chain;
mod difference;
mod error;
pub mod explain;
mod ledger;
mod line;
mod machines;
mod name;
mod node;
mod outstanding;
mod path;
mod recover;
mod report;
mod start;
mod verify;

pub use chain::{Examined, examine};
pub use error::ReplayError;
pub use explain::{Explanation, explain, find};
pub use ledger::{Ledger, cut};
pub use line::{Line, split};
pub use name::input_name;
pub use recover::{Position, Recovery, Tail, recover, recover_entries};
pub use report::{
    DecisionDifference, Divergence, Finding, FindingKind, Outcome, PathStep, Progress, Report,
    TornTail,
};
pub use verify::{verify, verify_examined};
