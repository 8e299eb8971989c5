//! `portreeve replay verify DIR`: runs a journal again and compares.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use portreeve_host::journal::reader::Journal;
use portreeve_replay::{Checked, Finding, FindingKind, Progress, ReplayError, Report};

use crate::cli::{Outcome, VerifyArgs};
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};

/// Records between two lines of progress.
const STRIDE: u64 = 100_000;
/// Lines handed at once from the thread that reads to the one that runs the machines.
const BATCH: usize = 32;
/// Batches that wait at most, so that memory does not grow with the journal.
const AHEAD: usize = 4;

type Batch = Vec<Result<Checked, ReplayError>>;

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
    let report = run(&open(&args.journal)?)?;
    Ok(show(&report, terminal))
}

/// Runs the journal again, with a line of progress on standard error now and then.
pub(crate) fn run(journal: &Journal) -> Result<Report, CommandError> {
    let progress = Terminal::stderr();
    let mut next = STRIDE;
    let mut tell = |progressed: &Progress| {
        if progressed.records >= next {
            next = progressed.records + STRIDE;
            let text = format!("{} records checked, in {}", progressed.records, progressed.segment);
            progress.styled(Style::Quiet, &text);
        }
    };
    let (sender, batches) = sync_channel(AHEAD);
    // What a line says by itself is read ahead, while the machines run what stood before.
    thread::scope(|scope| {
        scope.spawn(|| read_ahead(journal, sender));
        let blobs = journal.blobs();
        Ok(portreeve_replay::verify_checked(in_order(batches), &blobs, &mut tell)?)
    })
}

/// Reads the journal's lines until nobody wants them any more.
fn read_ahead(journal: &Journal, sender: SyncSender<Batch>) {
    let mut lines = portreeve_replay::checked(journal.lines());
    loop {
        let batch: Batch = lines.by_ref().take(BATCH).collect();
        if batch.is_empty() || sender.send(batch).is_err() {
            return;
        }
    }
}

fn in_order(batches: Receiver<Batch>) -> impl Iterator<Item = Result<Checked, ReplayError>> {
    batches.into_iter().flatten()
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
            Outcome::Good
        }
        portreeve_replay::Outcome::DifferentRules { build, journal } => {
            terminal.line(&counts);
            let text = format!(
                "different rules: the journal was written under rules version {journal}, this \
                 build has {build}; use the build that wrote it"
            );
            terminal.styled(Style::Bad, &text);
            Outcome::OtherRules
        }
        portreeve_replay::Outcome::Differs => {
            terminal.line(&format!("{counts}; then:"));
            if let Some(finding) = &report.first {
                show_finding(finding, terminal);
            }
            Outcome::Negative
        }
    }
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
