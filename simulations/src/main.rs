//! The command: `cargo run -p portreeve-simulations -- run --seed S`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use portreeve_replay::{Finding, Report};
use portreeve_simulations::{Outcome, SimulationError, Summary, run, scripted};

/// Runs whole clusters in one thread, from one seed.
#[derive(Parser)]
#[command(name = "simulations", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the scripted scenario and verify its journal. Exit status: 0, 1 if the journal does not
    /// replay or a review is left without an answer, 2 if the scenario cannot be run.
    Run {
        /// The seed of everything that is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print each event; the legend is in `simulations/src/trace.rs`.
        #[arg(long)]
        trace: bool,
    },
}

fn main() -> ExitCode {
    let Command::Run { seed, trace } = Options::parse().command;
    let mut text = String::new();
    let status = match report(seed, trace, &mut text) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            text = format!("simulations: {error}\n");
            ExitCode::from(2)
        }
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => status,
        // Nobody reads: the pipe is closed.
        Err(_) => ExitCode::from(2),
    }
}

/// Writes the report of a run; whether all of it held.
fn report(seed: u64, trace: bool, text: &mut String) -> Result<bool, SimulationError> {
    let scenario = scripted();
    let outcome = run(&scenario, seed)?;
    if trace {
        for line in outcome.trace.lines() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{line}");
        }
    }
    for (uid, answer) in &outcome.answers {
        let word = describe(&answer.summary());
        let _ = writeln!(text, "{uid:<20} {word:<44} {:>9} us", answer.latency);
    }
    let unanswered = scenario.reviews.len() - outcome.answers.len();
    let verified = outcome.replicas[0].journal.audit();
    let (replayed, word) = match &verified {
        Ok(Report { first: None, decisions, .. }) => (true, format!("{decisions} identical")),
        Ok(Report { first: Some(Finding { line, text, .. }), .. }) => {
            (false, format!("line {line}: {text}"))
        }
        Err(error) => (false, error.to_string()),
    };
    summarise(seed, &outcome, unanswered, &word, text);
    Ok(replayed && unanswered == 0)
}

fn describe(summary: &Summary) -> String {
    match (summary.code, summary.digests.first()) {
        (Some(code), _) => format!("denied {}", code.code()),
        (None, Some(digest)) => format!("allowed, verified {}", &digest.to_oci()[..19]),
        (None, None) => "allowed".to_owned(),
    }
}

fn summarise(seed: u64, outcome: &Outcome, unanswered: usize, replay: &str, text: &mut String) {
    let seconds = outcome.took.0 / 1_000_000;
    let _ = writeln!(
        text,
        "\nseed {seed}: {} events in {seconds} simulated s, {} answers, {unanswered} missing\n\
         replay: {replay}\n\
         trace {}",
        outcome.trace.lines().len(),
        outcome.answers.len(),
        outcome.trace_hash,
    );
}
