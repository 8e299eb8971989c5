//! `simulations run` and `simulations replay`: one scenario.

use portreeve_simulations::scripted;
use portreeve_simulations::shrink::Case;
use portreeve_simulations::swarm::{Ending, Examined, draw, examine_traced};

use super::args::{Printed, ReplayArgs, RunArgs};
use super::error::CommandError;
use super::terminal::{Style, line, styled};
use super::{Status, file, report};

/// Runs the scenario of a seed.
pub(crate) fn run(args: &RunArgs) -> Result<Status, CommandError> {
    let RunArgs { seed, scripted: by_script, printed } = *args;
    let scenario = if by_script { scripted() } else { draw(seed) };
    let rule = if by_script { "the scripted scenario" } else { "every oracle" };
    one(&Case::new(rule, scenario, seed), printed)
}

/// Runs the scenario of a file.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Status, CommandError> {
    let mut case = file::read(&args.file)?;
    case.seed = args.seed.unwrap_or(case.seed);
    line(&format!("rule: {}", case.rule));
    one(&case, args.printed)
}

fn one(case: &Case, printed: Printed) -> Result<Status, CommandError> {
    if printed.show {
        line(file::text(case)?.trim_end());
    }
    let (examined, outcome) = examine_traced(&case.scenario, case.seed, true);
    let Some(outcome) = outcome else { return failed(examined) };
    if printed.trace {
        outcome.trace.lines().iter().for_each(|text| line(text));
    } else {
        report::answers(&outcome);
    }
    if let Some(why) = &outcome.stuck {
        styled(Style::Bad, &format!("after the heal it did not come right: {why}"));
    }
    if let Some(violation) = examined.violations().first().filter(|_| !printed.trace) {
        report::excerpt(&outcome, violation);
    }
    report::run(&examined, &outcome);
    let wrong = case.wrong_answers(&outcome);
    wrong.iter().for_each(|text| styled(Style::Bad, text));
    let held = examined.violations().is_empty() && wrong.is_empty();
    Ok(if held { Status::Held } else { Status::Broken })
}

/// The error of a run that did not come to its end.
fn failed(examined: Examined) -> Result<Status, CommandError> {
    let seed = examined.seed;
    match examined.ending {
        Ending::Failed(source) => Err(CommandError::Simulation { seed, source }),
        Ending::Broken(_) | Ending::Held => Ok(Status::Held),
    }
}
