//! Child processes: servers pinned to one core, and what the kernel says of them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::{BenchError, system};

/// How long a server may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The message of the line in which a server says where it listens; `portreeve serve` logs it.
const LISTENING: &str = "reviews are received";

/// Binds the calling process to these cores; threads made later inherit that.
pub(crate) fn pin(cores: &[usize]) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).map_err(system("bind this process to its cores"))
}

/// Says where this process listens, in the words of `portreeve serve`.
pub(crate) fn announce(address: SocketAddr) {
    // Whoever waits for it gives up in time if it cannot be written.
    let line = serde_json::json!({ "msg": LISTENING, "address": address.to_string() });
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A server in a process of its own; it is ended when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    pub(crate) name: String,
}

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_micros: u64,
    pub(crate) peak_kib: u64,
}

/// This program as a child bound to `cores`, to run what `words` say.
pub(crate) fn command(cores: &[usize], words: Vec<OsString>) -> Result<Command, BenchError> {
    let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
    let program = std::env::current_exe().map_err(system("find this program"))?;
    let mut command = Command::new(program);
    command.arg("child").arg(cores.join(",")).args(words).stdin(Stdio::null());
    Ok(command)
}

impl Server {
    /// Starts a server and waits until it says where it listens.
    pub(crate) fn start(name: &str, core: usize, words: Vec<OsString>) -> Result<Self, BenchError> {
        let mut command = command(&[core], words)?;
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(system("start a server"))?;
        let stderr = child.stderr.take();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            // The pipe is read to its end, or the server would block on its own log.
            for line in BufReader::new(stderr.into_iter().next()?).lines().map_while(Result::ok) {
                drop(tell.send(line));
            }
            Some(())
        });
        let failed = |why: String| BenchError::Child { name: name.to_owned(), why };
        let mut server =
            Self { address: SocketAddr::from(([0, 0, 0, 0], 0)), child, name: name.to_owned() };
        let until = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = told.recv_timeout(left) else {
                return Err(failed(format!("it does not listen; it said: {}", said.join(" | "))));
            };
            if let Some(address) = listening(&line) {
                server.address = address;
                return Ok(server);
            }
            said.push(line);
        }
    }

    /// What the process has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, BenchError> {
        usage(self.child.id())
    }

    /// Tells the server to end and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(system("end a server"))?;
        }
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().map_err(system("wait for a server"))?.is_none() {
            if Instant::now() >= until {
                let why = "it does not end when told to".to_owned();
                return Err(BenchError::Child { name: self.name.clone(), why });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line["msg"] != LISTENING {
        return None;
    }
    line["address"].as_str()?.parse().ok()
}

/// What `/proc` says of a process that has not been waited for.
pub(crate) fn usage(pid: u32) -> Result<Usage, BenchError> {
    let read = |name: &str| {
        let path = PathBuf::from(format!("/proc/{pid}/{name}"));
        std::fs::read_to_string(&path).map_err(|source| BenchError::File { path, source })
    };
    let (stat, status) = (read("stat")?, read("status")?);
    // The command's name may hold anything but ends with the last `)`; fields 14 and 15 are ticks.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.split_whitespace().next()?.parse().ok());
    Ok(Usage { cpu_micros: ticks * 1_000_000 / a_second, peak_kib: peak.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_a_server_logs() {
        let line = r#"{"msg":"reviews are received","level":"INFO","address":"127.0.0.1:8443"}"#;
        assert_eq!(listening(line), Some(SocketAddr::from(([127, 0, 0, 1], 8443))));
        assert_eq!(listening(r#"{"msg":"draining"}"#), None);
        assert_eq!(listening("text"), None);
    }
}
