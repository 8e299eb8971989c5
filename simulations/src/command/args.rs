//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_STATUS: &str = "\
Exit status:
  0  every rule held
  1  a rule was broken
  2  wrong usage, or a scenario that cannot be run
  3  the same seed did not give the same run
  4  something was not covered";

const EXAMPLES: &str = "\
Examples:
  simulations swarm --runs 10000
  simulations run --seed 4711 --trace
  simulations shrink --seed 4711 --out small.json
  simulations replay small.json --trace
  simulations coverage --runs 2000
  simulations speed --seconds 30";

const SWARM_HELP: &str = "\
Each seed gives a scenario and a run of it, and every oracle judges the run. The first seeds are
run twice, to see that a seed is a run. Of each rule that is broken one scenario is made small and
written to a file.

Examples:
  simulations swarm --runs 10000
  simulations swarm --runs 1000000 --minutes 10 --jobs 8
  simulations swarm --runs 500 --seed 20000 --json | jq .denied";

const SPEED_HELP: &str = "\
Three replicas are asked for reviews all the time, most of them of few collections, while
collections are published anew, policies change and mild faults come and go. Worlds of successive
seeds are set up and run, one after the other in one thread, until that has taken the time asked
for. Every oracle judges every world; what that takes is told apart.

Examples:
  simulations speed
  simulations speed --seconds 60 --seed 7
  simulations speed --audited
  simulations speed --json | jq .deliveries_a_second";

const RUN_HELP: &str = "\
The legend of the trace is in `simulations/src/trace.rs`.

Examples:
  simulations run --seed 4711
  simulations run --seed 4711 --show > case.json
  simulations run --seed 4711 --trace | less
  simulations run --scripted";

const SHRINK_HELP: &str = "\
What is left out, or made simpler, stays so if the same oracle still finds fault. The same scenario
and seed always shrink alike.

Examples:
  simulations shrink --seed 4711 --out small.json
  simulations shrink case.json --oracle allow-without-evidence --tries 5000";

const PLANTED_HELP: &str = "\
Each bug is left to the swarm or to a rule test, which passes without the bug and fails with it. The
swarm must find all of the first; those of the second break rules that no simulated run shows, and
`--all` looks for them as well. A bug is found by the first seed at which an oracle finds fault that
finds none without the bug.

Needs a build with the planted bugs, which no server can be linked with:
  cargo run --release -p portreeve-simulations --features planted-bugs -- planted

Examples:
  simulations planted
  simulations planted --bug threshold-one --seeds 2000
  simulations planted --all --json | jq '.bugs[] | select(.oracle == null) | .bug'";

/// Runs whole clusters in one thread, from one seed, and judges the runs.
#[derive(Debug, Parser)]
#[command(name = "simulations", version, after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Options {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_STATUS}")
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run seeds and ask for every code of denial and every class of faults
    Coverage(CoverageArgs),
    /// See how soon planted bugs are found
    #[command(after_help = PLANTED_HELP)]
    Planted(PlantedArgs),
    /// Run a scenario from a file
    Replay(ReplayArgs),
    /// Run the scenario of one seed
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Make a scenario that breaks a rule smaller
    #[command(after_help = SHRINK_HELP)]
    Shrink(ShrinkArgs),
    /// Measure how fast one thread is under a steady load
    #[command(after_help = SPEED_HELP)]
    Speed(SpeedArgs),
    /// Run the scenarios of many seeds
    #[command(after_help = SWARM_HELP)]
    Swarm(SwarmArgs),
}

/// What of a run is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Printed {
    /// Print the scenario, as a file for `replay`, before it runs
    #[arg(long)]
    pub(crate) show: bool,
    /// Print each event; the legend is in `simulations/src/trace.rs`
    #[arg(long)]
    pub(crate) trace: bool,
}

/// What `run` is asked.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The seed of the scenario and of the run
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Run the scripted scenario of the demo instead of one drawn from the seed
    #[arg(long)]
    pub(crate) scripted: bool,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

/// What `replay` is asked.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The file, as `shrink` and `run --show` write it
    pub(crate) file: PathBuf,
    /// Another seed than the file's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) printed: Printed,
}

/// Which seeds are run.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Seeds {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    pub(crate) runs: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Begin no more runs after this many minutes
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Runs at once; every run has one thread [default: one for each processor]
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

/// What `swarm` is asked.
#[derive(Debug, Args)]
pub(crate) struct SwarmArgs {
    #[command(flatten)]
    pub(crate) seeds: Seeds,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Where small scenarios that break rules are written
    #[arg(long, value_name = "DIR", default_value = "target/simulations")]
    pub(crate) keep: PathBuf,
    /// Runs to make one failing scenario small; 0 leaves it as it is
    #[arg(long, default_value_t = 600)]
    pub(crate) tries: u64,
}

/// What `shrink` is asked.
#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// The file with the scenario
    #[arg(conflicts_with = "seed", required_unless_present = "seed")]
    pub(crate) file: Option<PathBuf>,
    /// The scenario of this seed
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The oracle that must still find fault [default: the first that does]
    #[arg(long)]
    pub(crate) oracle: Option<String>,
    /// Where the small scenario is written [default: standard output]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Runs at most
    #[arg(long, default_value_t = 3_000)]
    pub(crate) tries: u64,
}

/// What `speed` is asked.
#[derive(Debug, Args)]
pub(crate) struct SpeedArgs {
    /// Audit every world instead of one in eight: make each record into bytes and hash it, and run
    /// the journals again
    #[arg(long)]
    pub(crate) audited: bool,
    /// Begin no more worlds after this many seconds of running them
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `planted` is asked.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "planted-bugs"), allow(dead_code))]
pub(crate) struct PlantedArgs {
    /// Look for the bugs, too, that are left to rule tests
    #[arg(long)]
    pub(crate) all: bool,
    /// Only this bug, whoever is to catch it
    #[arg(long, conflicts_with = "all")]
    pub(crate) bug: Option<String>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Seeds tried for one bug
    #[arg(long, default_value_t = 500)]
    pub(crate) seeds: u64,
    /// Bugs looked for at once [default: one for each processor]
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `coverage` is asked.
#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    #[command(flatten)]
    pub(crate) seeds: Seeds,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}
