//! The order of the measurements.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::child::{self, Server};
use crate::cli::Options;
use crate::error::{BenchError, system};
use crate::load::{Client, Way};
use crate::report::{Cold, Journal, Replay, Results};
use crate::review::Template;
use crate::stage::Stage;
use crate::turns::Turns;

/// The core of all servers.
const SERVER_CORE: usize = 0;
/// Connections at which the ratio to the floor is promised.
pub(crate) const PROMISED: usize = 64;
/// Connections of the second cold measurement.
const COLD_CONNECTIONS: usize = 16;
/// Time between two looks at the memory of a replay.
const LOOK: Duration = Duration::from_millis(10);
/// How long a replay may take.
const REPLAY_PATIENCE: Duration = Duration::from_secs(120);
/// The file system that lives in memory, as `statfs` numbers it.
const TMPFS: u64 = 0x0102_1994;

/// Makes all measurements.
pub(crate) async fn all(options: &Options) -> Result<Results, BenchError> {
    let progress = Progress::new();
    progress.say("signing images and starting servers");
    let place = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let stage = Stage::set(&place).await?;
    let client = Client::new(stage.ca())?;
    let mut results = Results { in_memory: in_memory(&place)?, ..Results::default() };
    warm(options, &stage, &client, &progress, &mut results).await?;
    cold(options, &stage, &client, &progress, &mut results).await?;
    journal(options, &stage, &client, &progress, &mut results).await?;
    progress.end();
    Ok(results)
}

/// Rounds over all servers and ways, warm.
async fn warm(
    options: &Options,
    stage: &Stage,
    client: &Client,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), BenchError> {
    let template = Arc::new(Template::new(&Stage::warm())?);
    let servers = [
        Server::start("floor", SERVER_CORE, stage.floor())?,
        Server::start("group", SERVER_CORE, stage.serve("group", "group"))?,
        Server::start("process", SERVER_CORE, stage.serve("process", "process"))?,
    ];
    let mut ways: Vec<Way> =
        options.connections.iter().map(|count| Way::Http1(usize::from(*count))).collect();
    ways.push(Way::Http2(PROMISED));
    for round in 1..=options.rounds {
        for way in &ways {
            progress.say(&format!("round {round} of {}: {}", options.rounds, way.name()));
            let time = Duration::from_secs(options.seconds);
            let mut turns = Turns::begin(stage, client, &servers, *way, &template).await?;
            turns.take(&template, time).await?;
            results.rows.extend(turns.rows(round));
        }
    }
    for server in servers {
        results.peaks.push((server.name.clone(), server.usage()?.peak_kib));
        server.stop().await?;
    }
    Ok(())
}

/// Reviews of images that the server has never seen.
async fn cold(
    options: &Options,
    stage: &Stage,
    client: &Client,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), BenchError> {
    let count = usize::try_from(options.cold).unwrap_or(usize::MAX);
    let server = Server::start("cold", SERVER_CORE, stage.serve("cold", "group"))?;
    let warm = Template::new(&Stage::warm())?;
    client.connect(server.address).await?.ask(&warm, 0).await?;
    for connections in [1, COLD_CONNECTIONS] {
        progress.say(&format!("{count} unseen images over {connections} connections"));
        let images = stage.unseen(&format!("x{connections}"), count)?;
        let templates: Result<Vec<_>, _> =
            images.into_iter().map(|image| Template::new(&[image])).collect();
        let stretch = client.each(server.address, connections, templates?).await?;
        results.cold.push(Cold {
            connections,
            p50: stretch.quantile(0.50),
            p99: stretch.quantile(0.99),
            rate: stretch.rate(),
        });
    }
    server.stop().await
}

/// A journal of its own: how fast it grows under load, and how fast it is verified.
async fn journal(
    options: &Options,
    stage: &Stage,
    client: &Client,
    progress: &Progress,
    results: &mut Results,
) -> Result<(), BenchError> {
    progress.say("writing a journal");
    let template = Arc::new(Template::new(&Stage::warm())?);
    let server = Server::start("journal", SERVER_CORE, stage.serve("journal", "group"))?;
    let time = Duration::from_secs(options.seconds);
    let mut held = client.hold(server.address, Way::Http1(PROMISED), &template).await?;
    let stretch = client.press(&mut held, &template, time).await?;
    server.stop().await?;
    let dir = stage.data_dir("journal");
    let (records, bytes) = count(&dir.join("journal").join("segments"))?;
    let seconds = stretch.elapsed.as_secs_f64();
    results.journal = Journal { bytes, rate: records as f64 / seconds, records };
    progress.say(&format!("replaying {records} records"));
    results.replay = replay(&dir, records, bytes).await?;
    Ok(())
}

/// Lines and bytes of all files in a directory of segments.
fn count(segments: &Path) -> Result<(u64, u64), BenchError> {
    let failed = |source| BenchError::File { path: segments.to_owned(), source };
    let (mut lines, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(segments).map_err(failed)? {
        let content = std::fs::read(entry.map_err(failed)?.path()).map_err(failed)?;
        lines += content.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += content.len() as u64;
    }
    Ok((lines, bytes))
}

/// `portreeve replay verify` of the journal in `dir`, on both cores: nothing else runs meanwhile.
async fn replay(dir: &Path, records: u64, bytes: u64) -> Result<Replay, BenchError> {
    let words = vec!["portreeve".into(), "replay".into(), "verify".into(), dir.into()];
    let mut command = child::command(&[SERVER_CORE, crate::GENERATOR_CORE], words)?;
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().map_err(system("start a replay"))?;
    let mut peak = 0;
    let status = loop {
        // The last look may find it gone.
        peak = peak.max(child::usage(child.id()).map_or(0, |usage| usage.peak_kib));
        if let Some(status) = child.try_wait().map_err(system("wait for the replay"))? {
            break status;
        }
        if started.elapsed() > REPLAY_PATIENCE {
            drop(child.kill());
        }
        tokio::time::sleep(LOOK).await;
    };
    let seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        let why = format!("`portreeve replay verify` of its own journal: {status}");
        return Err(BenchError::Child { name: "replay".to_owned(), why });
    }
    let megabytes = bytes as f64 / 1e6 / seconds;
    Ok(Replay { megabytes, peak_kib: peak, rate: records as f64 / seconds })
}

/// Whether a directory lies in memory, where a sync costs nothing.
fn in_memory(place: &Path) -> Result<bool, BenchError> {
    let about = rustix::fs::statfs(place).map_err(system("look at the directory for journals"))?;
    Ok(u64::try_from(about.f_type).is_ok_and(|kind| kind == TMPFS))
}

/// One changing line on a terminal; nothing elsewhere.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    fn say(&self, text: &str) {
        if self.shown {
            drop(write!(std::io::stderr(), "\r\x1b[K{text} …"));
        }
    }

    fn end(&self) {
        if self.shown {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
