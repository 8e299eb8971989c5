//! `simulations shrink`: a scenario that breaks a rule is made smaller.

use portreeve_simulations::Scenario;
use portreeve_simulations::shrink::{self, Case, Progress, Shrunk};
use portreeve_simulations::swarm::{draw, examine};

use super::args::ShrinkArgs;
use super::error::CommandError;
use super::terminal::{Bar, Style, aside, line};
use super::{Status, file, report};

/// Makes a scenario smaller, and prints it or writes it to a file.
pub(crate) fn shrink(args: &ShrinkArgs) -> Result<Status, CommandError> {
    let case = match (&args.file, args.seed) {
        (Some(path), _) => file::read(path)?,
        (None, seed) => {
            let seed = seed.unwrap_or_default();
            Case::new("", draw(seed), seed)
        }
    };
    let seed = case.seed;
    let oracle = match &args.oracle {
        Some(oracle) => oracle.clone(),
        None => first_oracle(&case)?,
    };
    let shrunk = work(&case.scenario, seed, &oracle, args.tries);
    let shrunk = shrunk.ok_or(CommandError::NoFault { seed })?;
    aside(Style::Heading, &format!("{} runs: {}", shrunk.tries, size(&shrunk.scenario)));
    let rule = if case.rule.is_empty() { oracle } else { case.rule };
    let Shrunk { scenario, violation, .. } = shrunk;
    let small = Case::new(rule, scenario, seed);
    match &args.out {
        Some(path) => {
            file::write(path, &small)?;
            line(&format!("{} replay {} --trace", report::CALL, path.display()));
        }
        None => line(file::text(&small)?.trim_end()),
    }
    aside(Style::Bad, &format!("{}: {}", violation.oracle, violation.what));
    Ok(Status::Broken)
}

/// The oracle that finds fault first.
fn first_oracle(case: &Case) -> Result<String, CommandError> {
    let (examined, _) = examine(&case.scenario, case.seed);
    let first = examined.violations().iter().min_by_key(|violation| violation.at);
    let first = first.map(|violation| violation.oracle.to_owned());
    first.ok_or(CommandError::NoFault { seed: case.seed })
}

/// Makes a scenario smaller, with the progress on standard error.
pub(crate) fn work(scenario: &Scenario, seed: u64, oracle: &str, most: u64) -> Option<Shrunk> {
    let mut bar = Bar::new(most);
    let fails = shrink::fault_of(oracle, seed);
    shrink::shrink(scenario, &fails, most, &mut |progress: &Progress<'_>| {
        bar.show(progress.tries, &format!("{}: {}", progress.what, size(progress.best)));
    })
}

/// How large a scenario is.
pub(crate) fn size(scenario: &Scenario) -> String {
    format!(
        "{} reviews, {} faults, {} changes, {} replicas",
        scenario.reviews.len(),
        scenario.faults.len(),
        scenario.changes.len() + scenario.policy_changes.len(),
        scenario.replicas.len()
    )
}
