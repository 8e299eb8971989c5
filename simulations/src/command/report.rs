//! What people read: a run, a broken rule, the sum of many runs.

use std::time::Duration;

use portreeve_simulations::oracle::{ORACLES, Violation};
use portreeve_simulations::swarm::{Ending, Examined, Tally};
use portreeve_simulations::{Answer, Outcome};

use super::terminal::{Style, clock, grouped, line, styled};

/// Lines of the trace printed before and behind the instant at which a rule is broken.
const BEFORE: usize = 14;
const BEHIND: usize = 4;
/// Where the marks and letters of a trace are explained.
const LEGEND: &str = "simulations/src/trace.rs";
/// How the command is called, as it is printed for people to call it again.
pub(crate) const CALL: &str = "cargo run --release -p portreeve-simulations --";

/// Prints what was answered in a run, and what was in it.
pub(crate) fn answers(outcome: &Outcome) {
    for (uid, answer) in &outcome.answers {
        line(&format!("{uid:<20} {:<44} {:>9} us", described(answer), answer.latency));
    }
}

fn described(answer: &Answer) -> String {
    let summary = answer.summary();
    match (summary.code, summary.digests.first()) {
        (Some(code), _) => format!("denied {}", code.code()),
        (None, Some(digest)) => format!("allowed, verified {}", &digest.to_oci()[..19]),
        (None, None) => "allowed".to_owned(),
    }
}

/// Prints in short what one run came to.
pub(crate) fn run(examined: &Examined, outcome: &Outcome) {
    let Tally { allowed, deliveries, denied, events, micros, .. } = &examined.tally;
    let refused: u64 = denied.values().sum();
    line(&format!(
        "seed {}: {} simulated, {} events, {} deliveries, {} answers ({} allow, {} deny)",
        examined.seed,
        clock(micros / 1_000_000),
        grouped(*events),
        grouped(*deliveries),
        grouped(allowed + refused),
        grouped(*allowed),
        grouped(refused),
    ));
    let counted = |counts: &std::collections::BTreeMap<&str, u64>| {
        let pieces: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        pieces.join(", ")
    };
    line(&format!("denied: {}", counted(denied)));
    line(&format!("faults: {}", counted(&examined.tally.marks)));
    line(&format!("trace {}", outcome.trace_hash));
    match &examined.ending {
        Ending::Broken(violations) => violations.iter().for_each(violation),
        Ending::Failed(error) => styled(Style::Bad, &error.to_string()),
        Ending::Held => styled(Style::Good, &format!("{} oracles find no fault", ORACLES.len())),
    }
}

/// Prints what is wrong, in a sentence.
pub(crate) fn violation(violation: &Violation) {
    let Violation { at, oracle, replica, what } = violation;
    let whose = replica.map(|place| format!(", replica {place}")).unwrap_or_default();
    let at = format!("{}.{:06} s", at.0 / 1_000_000, at.0 % 1_000_000);
    styled(Style::Bad, &format!("{oracle}: {what} (at {at}{whose})"));
}

/// Prints the trace around a violation.
pub(crate) fn excerpt(outcome: &Outcome, violation: &Violation) {
    let lines = outcome.trace.lines();
    let shows = lines.iter().position(|line| instant(line) >= Some(violation.at.0));
    let shows = shows.unwrap_or(lines.len());
    let until = (shows + BEHIND).min(lines.len());
    styled(Style::Heading, &format!("the trace around it (legend: {LEGEND})"));
    for text in &lines[shows.saturating_sub(BEFORE)..until] {
        let style = match instant(text) == Some(violation.at.0) {
            true => Style::Bad,
            false => Style::Quiet,
        };
        styled(style, text);
    }
}

/// The microseconds at which a line of a trace stands.
fn instant(text: &str) -> Option<u64> {
    let (seconds, rest) = text.trim_start().split_once('.')?;
    let micros = rest.split(' ').next()?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

/// Prints the sum of many runs and what they took.
pub(crate) fn sum(tally: &Tally, took: Duration) {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = |count: u64| grouped((count as f64 / seconds) as u64);
    let simulated = tally.micros / 1_000_000;
    styled(Style::Heading, "runs");
    row("runs", &grouped(tally.runs), &format!("{} a second", rate(tally.runs)));
    let compression = format!("{} times as fast as it would be", rate(simulated));
    row("simulated", &clock(simulated), &compression);
    row("wall time", &clock(seconds as u64), &format!("{seconds:.1} s"));
    row("events", &grouped(tally.events), &format!("{} a second", rate(tally.events)));
    let deliveries = format!("{} a second", rate(tally.deliveries));
    row("deliveries", &grouped(tally.deliveries), &deliveries);
    row("reviews", &grouped(tally.reviews), &format!("{} a second", rate(tally.reviews)));
    let oracles = format!("{} oracles", ORACLES.len());
    row("judgements", &grouped(tally.judged), &oracles);
    let most = format!(
        "{} reviews, {} fetches, {} answers held",
        grouped(tally.most_reviews),
        grouped(tally.most_fetches),
        grouped(tally.most_held)
    );
    row("most at once", &most, "");
    counts("faults hit", &tally.marks, 0);
    counts("decisions", &tally.denied, tally.allowed);
}

/// Prints a figure with its name and a remark.
pub(crate) fn row(name: &str, value: &str, remark: &str) {
    line(format!("  {name:<28}{value:>14}  {remark}").trim_end());
}

/// Prints names with their counts, the most frequent first.
pub(crate) fn counts(
    title: &str,
    counts: &std::collections::BTreeMap<&'static str, u64>,
    allowed: u64,
) {
    let mut sorted: Vec<_> = counts.iter().map(|(name, count)| (*name, *count)).collect();
    if allowed > 0 {
        sorted.push(("allowed", allowed));
    }
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    styled(Style::Heading, title);
    for (name, count) in sorted {
        row(name, &grouped(count), "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instant_of_a_line_is_read_in_microseconds() {
        assert_eq!(instant("   1.000250 > sim-0/1/admission/4"), Some(1_000_250));
        assert_eq!(instant("1234.500000 ! crash"), Some(1_234_500_000));
        assert_eq!(instant("nothing"), None);
    }
}
