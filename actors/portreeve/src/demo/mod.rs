//! `portreeve demo`: the whole at work on one machine, and proof that it is.

mod api_server;
mod cases;
mod owner;
mod play;
mod stage;
mod table;
mod tamper;
mod vault;

use std::collections::BTreeMap;
use std::path::Path;

use portreeve_host::clock::Clock;
use portreeve_host::config::Config;
use portreeve_host::journal::reader::Journal;
use portreeve_host::serve::serve;

use crate::cli::{DemoArgs, Outcome};
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};
use crate::{explain, replay};
use api_server::ApiServer;
use play::Played;
use stage::Stage;

/// Plays the demo and says whether every expectation held.
pub(crate) fn run(args: &DemoArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "start threads", source })?;
    let clock = Clock::system();
    let now = clock.now().wall;
    terminal.styled(Style::Heading, "Setting the stage");
    let stage = runtime.block_on(Box::pin(Stage::set(args, now, terminal)))?;
    let config = stage.config.clone();
    let journal_dir = config.journal_dir.clone();
    let mut failures = Vec::new();

    let played = runtime.block_on(Box::pin(node(config, clock, &stage, terminal)))?;
    terminal.line("");
    table::show(&played, terminal);
    for case in &played {
        failures.extend(case.failures.iter().map(|failure| format!("{}: {failure}", case.name)));
    }
    failures.extend(look_back(&journal_dir, &played, terminal)?);
    drop(stage);

    terminal.line("");
    if args.journal.is_some() {
        let text = format!(
            "The journal stays in {0}; try: portreeve replay verify {0}",
            journal_dir.display()
        );
        terminal.line(&text);
    }
    if failures.is_empty() {
        terminal.styled(Style::Good, "Every expectation of the demo held.");
        return Ok(Outcome::Good);
    }
    terminal.styled(Style::Bad, "Expectations that did not hold:");
    for failure in &failures {
        terminal.line(&format!("  {failure}"));
    }
    Ok(Outcome::Negative)
}

/// Starts a node, plays all cases against it and stops it.
async fn node(
    config: Config,
    clock: Clock,
    stage: &Stage,
    terminal: &Terminal,
) -> Result<Vec<Played>, CommandError> {
    let running = serve(config, clock, slog::Logger::root(slog::Discard, slog::o!())).await?;
    let address = running.address();
    terminal.line(&format!("  webhook: https://{address}/admit, TLS, journal on"));
    if tokio::time::timeout(stage::PATIENCE, running.ready()).await.is_err() {
        let why = format!("it is not ready after {} s", stage::PATIENCE.as_secs());
        return Err(CommandError::Talk { what: "wait for the webhook", why });
    }
    terminal.line("");
    terminal.styled(Style::Heading, "Sending AdmissionReviews, as the API server would");
    let mut api_server = ApiServer::connect(address, stage.webhook_ca()).await?;
    let played = play::all(&mut api_server, stage, terminal).await;
    running.shutdown().await?;
    played
}

/// Explains one refusal from the journal, then runs the journal again.
fn look_back(
    journal_dir: &Path,
    played: &[Played],
    terminal: &Terminal,
) -> Result<Vec<String>, CommandError> {
    let mut failures = Vec::new();
    let journal = Journal::open(journal_dir)?;
    failures.extend(records_not_found(&journal, played)?);
    if let Some(case) = played.iter().find(|case| case.explain) {
        terminal.line("");
        let text = format!("How \"{}\" came about (portreeve explain {})", case.name, case.uid);
        terminal.styled(Style::Heading, &text);
        let told = explain::explain(&journal, &case.uid, terminal)?;
        if told != 1 {
            failures.push(format!("the journal explains the review {} {told} times", case.uid));
        }
    }
    terminal.line("");
    terminal.styled(Style::Heading, "Running every actor again from the journal");
    let report = replay::run(&journal)?;
    if replay::show(&report, terminal) != Outcome::Good {
        failures.push("the journal does not replay to the same decisions".to_owned());
    }
    if report.decisions < played.len() as u64 || report.unverified > 0 {
        let text = format!(
            "{} reviews were answered, but only {} decisions were re-run",
            played.len(),
            report.decisions
        );
        failures.push(text);
    }
    if let Some(case) = played.iter().find(|case| case.explain) {
        terminal.line("");
        let text = format!("The same with one byte of the decision on {} edited", case.workload);
        terminal.styled(Style::Heading, &text);
        let image = case.images.first().map_or("", |(image, _)| image);
        failures.extend(tamper::edit(&journal, &case.uid, image, terminal)?);
    }
    Ok(failures)
}

/// The answers whose audit annotation names no record of the journal.
fn records_not_found(journal: &Journal, played: &[Played]) -> Result<Vec<String>, CommandError> {
    let mut wanted: BTreeMap<&[u8], &str> =
        played.iter().map(|case| (case.answer.record.as_bytes(), case.name.as_str())).collect();
    let distinct = wanted.len();
    for line in journal.lines() {
        // A line begins with the record's hash (`protocol/src/codec.rs`).
        let line = line?;
        if let Some(hash) = line.bytes.strip_prefix(b"{\"hash\":\"").and_then(|it| it.get(..64)) {
            wanted.remove(hash);
        }
    }
    let mut failures: Vec<String> = wanted
        .values()
        .map(|name| format!("{name}: the record its answer names is not in the journal"))
        .collect();
    if distinct < played.len() {
        failures.push("two answers name one record".to_owned());
    }
    Ok(failures)
}
