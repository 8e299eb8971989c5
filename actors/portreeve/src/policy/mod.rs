//! `portreeve policy`: what is wrong with policies, and what they decide, without a cluster's help.

pub(crate) mod args;
mod lint;
mod source;
mod test;

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::Terminal;
use args::PolicyCommand;

/// Does what is asked with policies.
pub(crate) fn run(command: &PolicyCommand, terminal: &Terminal) -> Result<Outcome, CommandError> {
    match command {
        PolicyCommand::Lint(args) => lint::run(args, terminal),
        PolicyCommand::Test(args) => test::run(args, terminal),
    }
}

/// An object of `--json`, on one line.
fn json(object: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string(object).map_err(|error| CommandError::Unclear { why: error.to_string() })
}
