//! `simulations swarm`: many seeds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use portreeve_simulations::Outcome;
use portreeve_simulations::oracle::Violation;
use portreeve_simulations::shrink::Case;
use portreeve_simulations::swarm::{Ending, Tally, draw, examine_traced};
use portreeve_simulations::world::run_traced;
use serde_json::json;

use super::args::{Seeds, SwarmArgs};
use super::error::CommandError;
use super::terminal::{Bar, Style, aside, line, styled};
use super::{Status, file, pool, report, shrink};

/// Seeds that are run twice before all others.
const TWICE: u64 = 3;
/// Failing seeds that are reported at most; the rest is counted.
const REPORTED: usize = 5;

/// What many runs came to.
#[derive(Default)]
struct Swarm {
    /// Oracle to the seeds it found fault with, each with what it found first.
    broken: BTreeMap<&'static str, BTreeMap<u64, Violation>>,
    /// Seeds that could not be run, and why.
    failed: BTreeMap<u64, String>,
    tally: Tally,
    took: Duration,
}

/// Runs many seeds and reports.
pub(crate) fn swarm(args: &SwarmArgs) -> Result<Status, CommandError> {
    if let Some(text) = first_difference(args.seeds)? {
        report_difference(&text, args.json);
        return Ok(Status::NotDeterministic);
    }
    let swarm = run_all(args.seeds);
    let kept = if args.json { BTreeMap::new() } else { keep(&swarm, args)? };
    if args.json {
        line(&to_json(&swarm, args.seeds).to_string());
    } else {
        report::sum(&swarm.tally, swarm.took);
        report_broken(&swarm, &kept);
    }
    for (seed, why) in &swarm.failed {
        aside(Style::Bad, &format!("seed {seed} could not be run: {why}"));
    }
    Ok(if swarm.broken.is_empty() && swarm.failed.is_empty() {
        Status::Held
    } else {
        Status::Broken
    })
}

fn run_all(seeds: Seeds) -> Swarm {
    let mut swarm = Swarm::default();
    let mut bar = Bar::new(seeds.runs);
    let mut done = 0;
    swarm.took = pool::each(seeds, |examined| {
        done += 1;
        swarm.tally.add(&examined.tally);
        match examined.ending {
            Ending::Held => {}
            Ending::Failed(error) => {
                swarm.failed.insert(examined.seed, error.to_string());
            }
            Ending::Broken(violations) => {
                for violation in violations {
                    let seeds = swarm.broken.entry(violation.oracle).or_default();
                    seeds.entry(examined.seed).or_insert(violation);
                }
            }
        }
        bar.show(done, &format!("{} oracles found fault", swarm.broken.len()));
        true
    });
    swarm
}

/// Runs some seeds twice; the first lines in which two runs of one seed differ, if any do.
fn first_difference(seeds: Seeds) -> Result<Option<String>, CommandError> {
    let end = seeds.seed.saturating_add(seeds.runs.min(TWICE));
    for seed in seeds.seed..end {
        let simulation = |source| CommandError::Simulation { seed, source };
        if draw(seed) != draw(seed) {
            return Ok(Some(format!("seed {seed}: two scenarios were drawn")));
        }
        let once = || run_traced(&draw(seed), seed, true).map_err(simulation);
        let (first, second) = (once()?, once()?);
        if first != second {
            return Ok(Some(difference(seed, &first, &second)));
        }
    }
    Ok(None)
}

fn difference(seed: u64, first: &Outcome, second: &Outcome) -> String {
    let mut pairs = first.trace.lines().iter().zip(second.trace.lines()).enumerate();
    match pairs.find(|(_, (one, other))| one != other) {
        Some((index, (one, other))) => {
            format!("seed {seed}: line {} of the trace\n  {one}\n  {other}", index + 1)
        }
        None => format!("seed {seed}: the traces are alike as far as both go, the runs are not"),
    }
}

fn report_difference(text: &str, as_json: bool) {
    if as_json {
        line(&json!({"outcome": "not-deterministic", "difference": text}).to_string());
    } else {
        styled(Style::Bad, &format!("one seed gave two runs: {text}"));
    }
}

/// Writes a small scenario for each rule that is broken; gives the files by oracle.
fn keep(swarm: &Swarm, args: &SwarmArgs) -> Result<BTreeMap<&'static str, PathBuf>, CommandError> {
    let mut kept = BTreeMap::new();
    for (oracle, seeds) in &swarm.broken {
        let Some(seed) = seeds.keys().next().copied() else { continue };
        let scenario = draw(seed);
        let small = match args.tries {
            0 => None,
            tries => shrink::work(&scenario, seed, oracle, tries),
        };
        let scenario = small.map_or(scenario, |small| small.scenario);
        let path = args.keep.join(format!("{oracle}-{seed}.json"));
        file::write(&path, &Case::new(*oracle, scenario, seed))?;
        kept.insert(*oracle, path);
    }
    Ok(kept)
}

fn report_broken(swarm: &Swarm, kept: &BTreeMap<&'static str, PathBuf>) {
    for (oracle, seeds) in &swarm.broken {
        styled(Style::Heading, &format!("\n{oracle}: {} seeds", seeds.len()));
        for (seed, violation) in seeds.iter().take(REPORTED) {
            report::violation(violation);
            line(&format!("  {} run --seed {seed} --trace", report::CALL));
        }
        if let Some(path) = kept.get(oracle) {
            line(&format!("made small: {} replay {}", report::CALL, path.display()));
            report_small(path, oracle);
        }
    }
    if swarm.broken.is_empty() {
        styled(Style::Good, "no oracle found fault");
    }
}

/// Prints the trace of the small scenario around what is wrong.
fn report_small(path: &std::path::Path, oracle: &str) {
    let Ok(case) = file::read(path) else { return };
    let (examined, outcome) = examine_traced(&case.scenario, case.seed, true);
    let found = examined.violations().iter().find(|violation| violation.oracle == oracle);
    if let (Some(violation), Some(outcome)) = (found, outcome) {
        report::excerpt(&outcome, violation);
    }
}

fn to_json(swarm: &Swarm, seeds: Seeds) -> serde_json::Value {
    let broken: BTreeMap<_, Vec<_>> = swarm
        .broken
        .iter()
        .map(|(oracle, seeds)| {
            let found = seeds.iter().map(|(seed, violation)| {
                json!({"seed": seed, "at": violation.at.0, "what": violation.what})
            });
            (*oracle, found.collect())
        })
        .collect();
    let held = swarm.broken.is_empty() && swarm.failed.is_empty();
    json!({
        "outcome": if held { "held" } else { "broken" },
        "first_seed": seeds.seed,
        "seconds": swarm.took.as_secs_f64(),
        "broken": broken,
        "failed": swarm.failed,
        "tally": swarm.tally,
    })
}
