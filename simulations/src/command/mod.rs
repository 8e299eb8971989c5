//! The command: one module per subcommand.

mod args;
mod coverage;
mod error;
mod file;
mod planted;
mod pool;
mod report;
mod run;
mod shrink;
mod speed;
mod stopwatch;
mod swarm;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, Options};
use error::CommandError;
use terminal::Style;

/// How the command ended, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Every rule held.
    Held,
    /// A rule was broken.
    Broken,
    /// The same seed did not give the same run.
    NotDeterministic,
    /// Something was not covered.
    NotCovered,
}

impl Status {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Broken => 1,
            Self::NotDeterministic => 3,
            Self::NotCovered => 4,
        }
    }
}

/// The exit status where the work could not be done; clap ends with it for wrong usage too.
const FAILED: u8 = 2;

/// Runs what the command line of this process asks for.
pub(crate) fn main() -> ExitCode {
    match perform(Options::parse().command) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            terminal::aside(Style::Bad, &format!("simulations: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

fn perform(command: Command) -> Result<Status, CommandError> {
    match command {
        Command::Coverage(args) => coverage::coverage(&args),
        Command::Planted(args) => planted::planted(&args),
        Command::Replay(args) => run::replay(&args),
        Command::Run(args) => run::run(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Speed(args) => speed::speed(&args),
        Command::Swarm(args) => swarm::swarm(&args),
    }
}
