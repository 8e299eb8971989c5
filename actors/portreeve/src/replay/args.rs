//! The command line of `portreeve replay`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const VERIFY_HELP: &str = "\
DIR is the journal, or the data directory that holds it. Nothing in it is changed. On a terminal,
a bar on standard error shows how far it is.

The exit status is 0 if all came out as recorded, 1 if something differs, 2 if the work could not
be done, 3 for a journal of other rules, or one that a newer Portreeve went on with.

Examples:
  portreeve replay verify /var/lib/portreeve
  portreeve replay verify /var/lib/portreeve --from 00000042.ndjson
  portreeve replay verify /var/lib/portreeve --json | jq .finding";

/// Reads the number of a segment.
fn segment(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix(".ndjson").unwrap_or(text).parse();
    number
        .map_err(|_| "write the segment's number or file name, such as 00000042.ndjson".to_owned())
}

/// The subcommands of `portreeve replay`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// Run every actor again on what it received, and compare what it did
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
}

/// What `portreeve replay verify` is asked.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The journal, or the data directory that holds it
    #[arg(value_name = "DIR")]
    pub(crate) journal: PathBuf,
    /// Begin at this segment, by number or file name, instead of the oldest: it must open with the
    /// start of a node or with a checkpoint, whose state is then believed
    #[arg(long, value_name = "SEGMENT", value_parser = segment)]
    pub(crate) from: Option<u32>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}
