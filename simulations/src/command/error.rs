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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn unreadable() -> serde_json::Error {
        serde_json::from_str::<u64>("x").unwrap_err()
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let path = PathBuf::from("case.json");
        let source = std::io::Error::other("gone");
        let file = CommandError::File { what: "write", path: path.clone(), source };
        assert_eq!(file.to_string(), "cannot write case.json: gone");
        let text = CommandError::NoScenario { path, source: unreadable() }.to_string();
        assert!(text.starts_with("case.json holds no scenario: "), "{text}");
        let text = CommandError::Unwritable(unreadable()).to_string();
        assert!(text.starts_with("the scenario cannot be written: "), "{text}");
    }

    #[test]
    fn a_seed_that_comes_to_nothing_is_named() {
        let text = CommandError::NoFault { seed: 7 }.to_string();
        assert!(text.contains("seed 7"), "{text}");
        let source = SimulationError::Endless { events: 3 };
        let text = CommandError::Simulation { seed: 8, source }.to_string();
        assert!(text.starts_with("seed 8: 3 events happened"), "{text}");
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn a_bug_that_there_is_not_is_named() {
        let text = CommandError::NoBug { id: "flying".to_owned() }.to_string();
        assert!(text.contains("`flying`"), "{text}");
    }

    #[cfg(not(feature = "planted-bugs"))]
    #[test]
    fn a_build_without_bugs_says_how_to_have_them() {
        let text = CommandError::NotPlanted.to_string();
        assert!(text.contains("--features planted-bugs"), "{text}");
    }
}
