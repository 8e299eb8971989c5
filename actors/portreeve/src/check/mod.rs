//! `portreeve check IMAGE`: decides about one image as a node would, for a person or a script.
//!
//! It runs a whole node, with a journal that is thrown away, so that the decision is made by the
//! same code as in a cluster.

pub(crate) mod args;
mod cache;
mod judge;
mod options;
mod policies;
mod report;
mod scratch;
mod show;

use std::ffi::OsString;

use portreeve_host::HostError;
use portreeve_host::state::TrustState;
use portreeve_protocol::{Denial, DenyCode};

use crate::cli::{self, Outcome};
use crate::error::CommandError;
use crate::terminal::Terminal;
use args::CheckArgs;
use options::Options;
pub(crate) use options::{gun, instant, pair, read_text};
use report::Report;

/// Decides, and tells.
pub(crate) fn run(args: &CheckArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let report = decide(args)?;
    if args.json {
        terminal.line(&report.json());
    } else {
        show::show(&report, terminal);
    }
    Ok(if report.allowed() { Outcome::Good } else { Outcome::Negative })
}

/// Decides by the command line `portreeve check WORDS…` and returns the JSON object that `--json`
/// prints, for callers in the same process.
///
/// # Errors
/// `CommandError` for everything that would end with exit status 2.
pub fn json(words: impl IntoIterator<Item = OsString>) -> Result<String, CommandError> {
    crate::provide_cryptography();
    let args = cli::check_args(words)?;
    decide(&args).map(|report| report.json())
}

fn decide(args: &CheckArgs) -> Result<Report, CommandError> {
    let mut options = Options::read(args)?;
    let mut state = match args.state.as_deref().map(TrustState::open).transpose() {
        Ok(state) => state,
        Err(HostError::StateSpoilt { path, why }) => {
            let denial = Denial::new(DenyCode::StateSpoilt, format!("{}: {why}", path.display()));
            return Ok(Report::denied(&options, denial));
        }
        Err(error) => return Err(error.into()),
    };
    let kept = state.as_ref().map(|state| state.trust().to_vec()).unwrap_or_default();
    let adopted = match cache::adopt(args.notary_cache.as_deref(), &mut options, &kept)? {
        Ok(adopted) => adopted,
        Err(denial) => return Ok(Report::denied(&options, denial)),
    };
    let known = kept.iter().chain(&adopted).cloned().collect();
    let bundle = state.as_ref().and_then(|state| state.bundle().cloned().map(Box::new));
    let judged = judge::judge(&options, known, bundle)?;
    if let Some(state) = &mut state {
        state.replace(judged.to_keep(&kept), judged.bundle.clone())?;
    }
    Ok(Report::new(&options, judged))
}
