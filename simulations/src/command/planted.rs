//! `simulations planted`: how soon planted bugs are found, which measures the simulator.

use super::Status;
use super::args::PlantedArgs;
use super::error::CommandError;

/// Says how to build what this needs.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn planted(_: &PlantedArgs) -> Result<Status, CommandError> {
    Err(CommandError::NotPlanted)
}
