//! `portreeve replay verify DIR`: runs a journal again and compares.

mod ahead;
pub(crate) mod args;
mod progress;
mod view;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use portreeve_host::journal::{Journal, layout};
use portreeve_replay::{Finding, FindingKind, Progress, Report};

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};
use ahead::Ahead;
use args::VerifyArgs;
use progress::{Bar, grouped};

/// Threads that examine lines for that of the machines, at most: it has no use for more.
const EXAMINERS: usize = 3;

/// Opens the journal in `dir`, which must hold one.
pub(crate) fn open(dir: &Path) -> Result<Journal, CommandError> {
    let journal = Journal::open(dir)?;
    if journal.segments().is_empty() {
        return Err(CommandError::NoJournal { path: dir.to_owned() });
    }
    Ok(journal)
}

/// Verifies and reports.
pub(crate) fn verify(args: &VerifyArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let journal = match args.from {
        Some(first) => open(&args.journal)?.since(first),
        None => open(&args.journal)?,
    };
    if let Some(first) = args.from {
        let refused = |why| CommandError::Usage { flag: "--from", text: first.to_string(), why };
        if !journal.segments().iter().any(|path| layout::number(path) == Some(first)) {
            return Err(refused(format!("{} holds no such segment", args.journal.display())));
        }
        if journal.opens_midway() {
            let why = "it opens neither with a start nor with a checkpoint; name an earlier one";
            return Err(refused(why.to_owned()));
        }
    }
    let started = Instant::now();
    let report = run(&journal)?;
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        terminal.line(&view::json(&report, seconds));
        return Ok(outcome(&report));
    }
    let outcome = show(&report, terminal);
    let rate = (report.records as f64 / seconds.max(0.001)) as u64;
    let text = format!("{seconds:.1} s, {} records a second", grouped(rate));
    terminal.styled(Style::Quiet, &text);
    Ok(outcome)
}

/// Runs the journal again, with the progress on standard error.
pub(crate) fn run(journal: &Journal) -> Result<Report, CommandError> {
    let bytes = AtomicU64::new(0);
    let mut bar = Bar::new(total(journal));
    let lines = journal.lines().inspect(|line| {
        let length = line.as_ref().map_or(0, |line| line.bytes.len() as u64);
        bytes.fetch_add(length, Ordering::Relaxed);
    });
    let ahead = Ahead::new(lines);
    // This thread has a processor of its own, as far as there are any.
    let examiners = thread::available_parallelism().map_or(1, |count| count.get() - 1);
    thread::scope(|scope| {
        for _ in 0..examiners.min(EXAMINERS) {
            scope.spawn(|| ahead.work());
        }
        let mut tell = |progressed: &Progress| {
            bar.show(progressed.records, bytes.load(Ordering::Relaxed), &progressed.segment);
        };
        let lines = ahead.in_order();
        Ok(portreeve_replay::verify_examined(lines, &journal.blobs(), &mut tell)?)
    })
}

/// Bytes of all segments, as far as they can be looked at; the bar is content with a guess.
fn total(journal: &Journal) -> u64 {
    let lengths = journal.segments().iter().filter_map(|path| std::fs::metadata(path).ok());
    lengths.map(|found| found.len()).sum()
}

fn outcome(report: &Report) -> Outcome {
    match report.outcome() {
        portreeve_replay::Outcome::DifferentRules { .. }
        | portreeve_replay::Outcome::NewerSchema => Outcome::OtherBuild,
        portreeve_replay::Outcome::Differs => Outcome::Negative,
        portreeve_replay::Outcome::Identical => Outcome::Good,
    }
}

/// Prints the report; says what it comes to.
pub(crate) fn show(report: &Report, terminal: &Terminal) -> Outcome {
    let Report { records, deliveries, decisions, unverified, .. } = report;
    let again = deliveries - unverified;
    let counts =
        format!("{records} records, {again} deliveries re-run, {decisions} decisions identical");
    for (count, text) in [
        (report.gaps, "times the journal could not be written; what was lost there is not known"),
        (report.panics, "deliveries on which an actor panicked"),
        (*unverified, "deliveries that could not be compared"),
    ] {
        if count > 0 {
            terminal.line(&format!("{count} {text}"));
        }
    }
    if report.removed {
        let text = "what stood before the first segment is not here, and was not verified: the \
                    records go on from a checkpoint or a start";
        terminal.line(text);
    }
    if let Some(torn) = &report.torn {
        let text = format!(
            "{} line {}: a last record of {} bytes was cut off and never acknowledged",
            torn.segment, torn.line, torn.bytes
        );
        terminal.line(&text);
    }
    match report.outcome() {
        portreeve_replay::Outcome::Identical => {
            terminal.styled(Style::Good, &counts);
        }
        portreeve_replay::Outcome::DifferentRules { build, journal } => {
            terminal.line(&counts);
            let text = format!(
                "different rules: the journal was written under rules version {journal}, this \
                 build has {build}; use the build that wrote it"
            );
            terminal.styled(Style::Bad, &text);
        }
        portreeve_replay::Outcome::Differs | portreeve_replay::Outcome::NewerSchema => {
            terminal.line(&format!("{counts}; then:"));
            if let Some(finding) = &report.first {
                show_finding(finding, terminal);
            }
        }
    }
    outcome(report)
}

fn show_finding(finding: &Finding, terminal: &Terminal) {
    let Finding { event, kind, line, path, segment, text } = finding;
    terminal.styled(Style::Bad, &format!("{segment} line {line}: {}", kind.name()));
    terminal.line(&format!("  {text}"));
    if let Some(event) = event {
        terminal.line(&format!("  event: {event}"));
    }
    if !path.is_empty() {
        terminal.line("  how it came to that:");
        for step in path {
            terminal.line(&format!("    {} ({})", step.event, step.input));
        }
    }
    if let FindingKind::Divergence(divergence) = kind {
        terminal.line("  effects now:");
        for effect in &divergence.effects {
            terminal.line(&format!("    {effect}"));
        }
        for decision in &divergence.decisions {
            for member in &decision.members {
                terminal.line(&format!("  decision {member}"));
            }
        }
    }
}
