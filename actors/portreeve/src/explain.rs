//! `portreeve explain UID --journal DIR`: says how a past decision came about.

use portreeve_host::journal::reader::Journal;

use crate::cli::{ExplainArgs, Outcome};
use crate::error::CommandError;
use crate::replay::open;
use crate::terminal::{Style, Terminal};

/// Columns of an explanation.
const WIDTH: usize = 100;

/// Prints every explanation there is for the uid.
pub(crate) fn run(args: &ExplainArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let journal = open(&args.journal)?;
    let told = explain(&journal, &args.uid, terminal)?;
    if told == 0 {
        let text =
            format!("the journal {} holds no review of uid {}", args.journal.display(), args.uid);
        terminal.styled(Style::Bad, &text);
        return Ok(Outcome::Negative);
    }
    Ok(Outcome::Good)
}

/// Prints the explanations of all reviews of `uid`; returns how many there are.
pub(crate) fn explain(
    journal: &Journal,
    uid: &str,
    terminal: &Terminal,
) -> Result<usize, CommandError> {
    let found = portreeve_replay::explain(journal.lines(), &journal.blobs(), uid)?;
    for (index, explanation) in found.iter().enumerate() {
        if index > 0 {
            terminal.line("");
        }
        terminal.line(explanation.render(WIDTH).trim_end());
    }
    Ok(found.len())
}
