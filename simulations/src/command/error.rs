//! Why the command could not do its work.

use std::path::PathBuf;

use portreeve_simulations::SimulationError;

/// What the command may fail of; all of them end with status 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// A file could not be used.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `read`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// There is no planted bug of that name.
    #[cfg(feature = "planted-bugs")]
    #[error("there is no planted bug `{id}`: `planted` without `--bug` lists them")]
    NoBug {
        /// The name.
        id: String,
    },
    /// A file holds no scenario.
    #[error("{} holds no scenario: {source}", path.display())]
    NoScenario {
        /// Which file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The oracle that is to find fault does not, so there is nothing to make smaller.
    #[error("no oracle finds fault with seed {seed}: there is nothing to make smaller")]
    NoFault {
        /// The seed.
        seed: u64,
    },
    /// The build has no planted bugs.
    #[error(
        "this build has no planted bugs: use cargo run --release -p portreeve-simulations \
         --features planted-bugs -- planted"
    )]
    #[cfg(not(feature = "planted-bugs"))]
    NotPlanted,
    /// A scenario cannot be run.
    #[error("seed {seed}: {source}")]
    Simulation {
        /// The seed.
        seed: u64,
        /// Why not.
        source: SimulationError,
    },
    /// A scenario cannot be written as JSON.
    #[error("the scenario cannot be written: {0}")]
    Unwritable(serde_json::Error),
}
