//! The command line.

use std::path::PathBuf;

use clap::Parser;

const HELP: &str = "\
What it does: it signs images, serves them from a Notary server of its own, and sends reviews of a
Deployment with two containers, over TLS on 127.0.0.1, in turn to
  floor     a bare hyper + rustls + typed serde webhook that patches and decides nothing
  group     `portreeve serve`, each answer after its record is on disk
  process   `portreeve serve --durability process`, each answer after its record is written
The servers are bound to core 0, the generator to core 1. In a round each kind of load is put on all
servers, over kept connections, in turns of a quarter of a second, so that a busy machine disturbs
them alike; before each turn the disk has written what was left. Believe the ratios, rather than
the figures.

Examples:
  cargo run --release -p portreeve-bench
  cargo run --release -p portreeve-bench -- --seconds 1 --rounds 1
  cargo run --release -p portreeve-bench -- --connections 64 --json > bench.json
  cargo run --release -p portreeve-bench -- --dir /var/tmp";

/// Measures reviews, the journal and replay against a webhook that decides nothing.
#[derive(Debug, Parser)]
#[command(name = "portreeve-bench", version, after_help = HELP)]
pub(crate) struct Options {
    /// Seconds of each kind of load on each server in a round, at most 60
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
    /// Times all servers are measured, at most 20
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=20))]
    pub(crate) rounds: u64,
    /// Connections of HTTP/1.1 to measure with, each at most 1000
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,16,64",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) connections: Vec<u16>,
    /// Reviews of unseen images, at most 5000
    #[arg(long, value_name = "N", default_value_t = 200,
        value_parser = clap::value_parser!(u64).range(1..=5000))]
    pub(crate) cold: u64,
    /// Put the journals into a directory below this one [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn connections_are_a_list() {
        let line = ["portreeve-bench", "--connections", "1,64"];
        let options = Options::try_parse_from(line);
        assert_eq!(options.map(|it| it.connections).ok(), Some(vec![1, 64]));
    }
}
