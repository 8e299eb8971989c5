//! The hunt: for each bug, seeds are run until an oracle finds fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use portreeve_protocol::planted::{Bug, Catcher, choose};
use portreeve_simulations::oracle::{ORACLES, SAME_TRACE};
use portreeve_simulations::swarm::{Ending, draw, examine};
use serde_json::{Value, json};

use super::super::Status;
use super::super::args::PlantedArgs;
use super::super::error::CommandError;
use super::super::terminal::{Bar, Style, line, styled};

/// What stands for an oracle where a run did not come to its end.
const NO_END: &str = "run-ends";
/// Seeds that are run twice, as the swarm does.
const TWICE: u64 = 3;

/// A bug that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    oracle: &'static str,
    seed: u64,
}

/// Looks for the bugs, several at once.
pub(super) fn hunt(args: &PlantedArgs) -> Result<Status, CommandError> {
    let wanted = |bug: &&Bug| args.all || bug.catcher() == Catcher::Swarm;
    let bugs: Vec<Bug> = match &args.bug {
        None => Bug::ALL.iter().filter(wanted).copied().collect(),
        Some(id) => vec![Bug::from_id(id).ok_or(CommandError::NoBug { id: id.clone() })?],
    };
    let found = all(&bugs, args);
    if args.json {
        line(&json(&bugs, &found, args).to_string());
    } else {
        report(&bugs, &found, args);
    }
    let missed = |bug: &Bug| {
        let expected = args.bug.is_some() || bug.catcher() == Catcher::Swarm;
        expected && !found.contains_key(bug)
    };
    Ok(if bugs.iter().any(missed) { Status::NotCovered } else { Status::Held })
}

/// Which bugs are found, and how.
fn all(bugs: &[Bug], args: &PlantedArgs) -> BTreeMap<Bug, Found> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let bar = Mutex::new(Bar::new(bugs.len() as u64));
    let work = || {
        while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one =
                (args.seed..args.seed.saturating_add(args.seeds)).find_map(|seed| look(*bug, seed));
            let Ok(mut found) = found.lock() else { return };
            if let Some(one) = one {
                found.insert(*bug, one);
            }
            if let Ok(mut bar) = bar.lock() {
                let looked_for = next.load(Ordering::Relaxed).min(bugs.len()) as u64;
                bar.show(looked_for, &format!("{} found", found.len()));
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..args.jobs.unwrap_or(processors).max(1) {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_default()
}

/// Whether a seed finds a bug: an oracle finds fault that finds none without the bug.
fn look(bug: Bug, seed: u64) -> Option<Found> {
    let scenario = draw(seed);
    let acting = || {
        choose(Some(bug));
        let (examined, _) = examine(&scenario, seed);
        choose(None);
        examined
    };
    let first = acting();
    let oracle = match &first.ending {
        Ending::Failed(_) => Some(NO_END),
        Ending::Broken(violations) => {
            let first = violations.iter().min_by_key(|violation| violation.at);
            first.map(|violation| violation.oracle)
        }
        Ending::Held if seed <= TWICE => {
            (acting().trace_hash != first.trace_hash).then_some(SAME_TRACE.id)
        }
        Ending::Held => None,
    };
    let oracle = oracle?;
    let (without, _) = examine(&scenario, seed);
    let by_itself = match &without.ending {
        Ending::Failed(_) => oracle == NO_END,
        Ending::Broken(violations) => violations.iter().any(|one| one.oracle == oracle),
        Ending::Held => false,
    };
    (!by_itself).then_some(Found { oracle, seed })
}

/// The oracles that were first for none of the bugs.
fn idle(found: &BTreeMap<Bug, Found>) -> Vec<&'static str> {
    let used: BTreeSet<_> = found.values().map(|found| found.oracle).collect();
    ORACLES.iter().map(|oracle| oracle.id).filter(|id| !used.contains(id)).collect()
}

/// How many bugs of a tier were looked for, and how many of them were found.
fn tier(bugs: &[Bug], found: &BTreeMap<Bug, Found>, catcher: Catcher) -> (usize, usize) {
    let of: Vec<_> = bugs.iter().filter(|bug| bug.catcher() == catcher).collect();
    (of.len(), of.iter().filter(|bug| found.contains_key(**bug)).count())
}

fn json(bugs: &[Bug], found: &BTreeMap<Bug, Found>, args: &PlantedArgs) -> Value {
    let one = |bug: &Bug| {
        let found = found.get(bug);
        json!({
            "bug": bug.id(),
            "catcher": bug.catcher().name(),
            "machine": bug.machine().name(),
            "oracle": found.map(|found| found.oracle),
            "seed": found.map(|found| found.seed),
        })
    };
    json!({
        "bugs": bugs.iter().map(one).collect::<Vec<_>>(),
        "found": found.len(),
        "idle_oracles": idle(found),
        "looked_for": bugs.len(),
        "seeds": args.seeds,
    })
}

fn report(bugs: &[Bug], found: &BTreeMap<Bug, Found>, args: &PlantedArgs) {
    let head = format!("{:<28}{:<11}{:<30}{:>6}{:>7}", "bug", "machine", "oracle", "seed", "tries");
    styled(Style::Heading, &head);
    for bug in bugs {
        let (id, machine) = (bug.id(), bug.machine().name());
        match found.get(bug) {
            Some(Found { oracle, seed }) => {
                let tries = seed - args.seed + 1;
                line(&format!("{id:<28}{machine:<11}{oracle:<30}{seed:>6}{tries:>7}"));
            }
            None => {
                let text = format!("{id:<28}{machine:<11}not found in {} seeds", args.seeds);
                match bug.catcher() {
                    Catcher::Rule => styled(Style::Quiet, &format!("{text}, and left to a test")),
                    Catcher::Swarm => styled(Style::Bad, &text),
                }
                styled(Style::Quiet, &format!("  {}", bug.rule()));
            }
        }
    }
    for catcher in [Catcher::Swarm, Catcher::Rule] {
        let (all, seen) = tier(bugs, found, catcher);
        if all > 0 {
            let good = seen == all || catcher == Catcher::Rule;
            let text = format!("{seen} of {all} bugs found that are left to {}", catcher.words());
            styled(if good { Style::Good } else { Style::Bad }, &text);
        }
    }
    let idle = idle(found);
    if args.bug.is_none() && !idle.is_empty() {
        let text = format!("oracles that were first for no bug: {}", idle.join(", "));
        styled(Style::Quiet, &text);
    }
}
