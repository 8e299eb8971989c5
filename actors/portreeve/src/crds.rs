//! `portreeve crds`: the definitions of policies, for `kubectl apply`.

use portreeve_host::{crds, yaml};

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::Terminal;

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
They are those of deploy/portreeve/crds. Helm makes them with the first release, and leaves those
alone that are there already, such as Portieris' own: whose API server then takes out of policies
what Portieris does not know. So apply them before an installation and before an upgrade.

Examples:
  portreeve crds | kubectl apply --server-side --force-conflicts -f -";

/// Prints the definitions.
pub(crate) fn run(terminal: &Terminal) -> Result<Outcome, CommandError> {
    let definitions = crds::all();
    let text = yaml::write_all(definitions.iter().map(|(_, definition)| definition));
    for line in text.lines() {
        terminal.line(line);
    }
    Ok(Outcome::Good)
}
