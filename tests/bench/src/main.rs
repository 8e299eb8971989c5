//! `portreeve-bench`: measures `portreeve serve` against a webhook that decides nothing.
//!
//! The servers are children of this program, made of the same executable, each bound to one core.

mod child;
mod cli;
mod error;
mod floor;
mod load;
mod measure;
mod report;
mod review;
mod stage;
mod turns;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use error::{BenchError, system};

/// The core of the generator; the servers have core 0.
const GENERATOR_CORE: usize = 1;

fn main() -> ExitCode {
    // An error means that a provider is installed already, and there is only one that it could be.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == "child") {
        return child(&words[1..]);
    }
    let options = cli::Options::parse();
    match bench(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

/// Runs as a child of another run of this program: the cores, then what to be.
fn child(words: &[OsString]) -> ExitCode {
    let cores = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    let cores: Vec<usize> = cores.split(',').filter_map(|core| core.parse().ok()).collect();
    if let Err(failure) = child::pin(&cores) {
        return complain(&failure);
    }
    let floor = match words.get(1..).unwrap_or_default() {
        [what, rest @ ..] if what == "portreeve" => {
            let line = std::iter::once("portreeve".into()).chain(rest.iter().cloned());
            return portreeve_command::run_words(line);
        }
        [what, cert, key, images @ ..] if what == "floor" => {
            let images: Vec<String> =
                images.iter().map(|image| image.to_string_lossy().into_owned()).collect();
            floor::run(Path::new(cert), Path::new(key), &images)
        }
        _ => {
            let why = "`child` is for this program itself".to_owned();
            Err(BenchError::Child { name: "child".to_owned(), why })
        }
    };
    match floor {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

fn bench(options: &cli::Options) -> Result<(), BenchError> {
    child::pin(&[GENERATOR_CORE]).map_err(|failure| BenchError::Child {
        name: "the generator".to_owned(),
        why: format!("it needs a core apart from the servers' ({failure})"),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start a runtime"))?;
    let results = runtime.block_on(measure::all(options))?;
    let text = if options.json { results.json() } else { results.table() };
    // A reader that goes away is no failure.
    drop(std::io::stdout().write_all(text.as_bytes()));
    Ok(())
}

fn complain(failure: &BenchError) -> ExitCode {
    drop(writeln!(std::io::stderr(), "portreeve-bench: {failure}"));
    ExitCode::from(2)
}
