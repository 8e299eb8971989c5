//! `simulations planted`: how soon planted bugs are found, which measures the simulator.

#[cfg(feature = "planted-bugs")]
mod hunt;

use super::Status;
use super::args::PlantedArgs;
use super::error::CommandError;

/// Looks for planted bugs.
#[cfg(feature = "planted-bugs")]
pub(crate) fn planted(args: &PlantedArgs) -> Result<Status, CommandError> {
    hunt::hunt(args)
}

/// Says how to build what this needs.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn planted(_: &PlantedArgs) -> Result<Status, CommandError> {
    Err(CommandError::NotPlanted)
}
