//! `simulations speed`: how fast one thread is under a steady load.
//!
//! What counts is the processor time in which worlds are set up and run and journals kept. Drawing
//! scenarios and judging the worlds afterwards take time of their own, which is told beside it.

use std::time::Duration;

use portreeve_simulations::oracle::{ORACLES, Run, Violation, judge};
use portreeve_simulations::steady;
use portreeve_simulations::swarm::Tally;
use portreeve_simulations::world::run_traced;
use serde_json::json;

use super::args::SpeedArgs;
use super::error::CommandError;
use super::report::row;
use super::stopwatch::{Spent, Stopwatch};
use super::terminal::{Style, clock, grouped, line, styled};
use super::{Status, report};

/// One world of so many is audited, as in the swarm: its records are made into bytes and hashed
/// within the time that counts, and its journals are run again when it is judged.
const AUDITED: u64 = 8;

/// What the worlds of a measurement came to.
#[derive(Default)]
struct Speed {
    /// Worlds that were audited.
    audited: u64,
    broken: Vec<(u64, Violation)>,
    /// Deliveries to journal gates.
    gates: u64,
    drawing: Spent,
    judging: Spent,
    running: Spent,
    tally: Tally,
}

/// Runs one world after the other until they have run for the time that was asked for.
pub(crate) fn speed(args: &SpeedArgs) -> Result<Status, CommandError> {
    let mut speed = Speed::default();
    let most = Duration::from_secs(args.seconds.max(1));
    for seed in args.seed.. {
        speed.world(seed, args.audited || (seed - args.seed + 1).is_multiple_of(AUDITED))?;
        if speed.running.wall >= most {
            break;
        }
    }
    if args.json {
        line(&speed.to_json(args.seed).to_string());
    } else {
        speed.report();
    }
    Ok(if speed.broken.is_empty() { Status::Held } else { Status::Broken })
}

impl Speed {
    /// Runs and judges the world of a seed.
    fn world(&mut self, seed: u64, audited: bool) -> Result<(), CommandError> {
        let watch = Stopwatch::start();
        let scenario = steady(seed, audited);
        self.drawing += watch.spent();
        let watch = Stopwatch::start();
        let outcome = run_traced(&scenario, seed, false)
            .map_err(|source| CommandError::Simulation { seed, source })?;
        self.running += watch.spent();
        let watch = Stopwatch::start();
        let found = judge(&Run { outcome: &outcome, scenario: &scenario, seed });
        self.judging += watch.spent();
        self.audited += u64::from(audited);
        self.gates += outcome.counts.gates;
        self.tally.add(&Tally::of(&outcome));
        self.broken.extend(found.into_iter().map(|violation| (seed, violation)));
        Ok(())
    }

    /// How many a second of running that is.
    fn rate(&self, count: u64) -> f64 {
        a_second(count, self.running.processor)
    }

    /// Deliveries a second if drawing and judging count, too.
    fn whole_rate(&self) -> f64 {
        let Self { drawing, judging, running, .. } = self;
        let all = drawing.processor + running.processor + judging.processor;
        a_second(self.tally.deliveries, all)
    }

    /// Simulated time over processor time.
    fn compression(&self) -> f64 {
        self.rate(self.tally.micros) / 1e6
    }

    /// Deliveries to one decided review.
    fn deliveries_per_review(&self) -> f64 {
        self.tally.deliveries as f64 / self.tally.reviews.max(1) as f64
    }

    fn report(&self) {
        let Self { audited, broken, drawing, gates, judging, running, tally } = self;
        let whole = |rate: f64| grouped(rate as u64);
        let in_a_second = |count: u64| format!("{} a second", whole(self.rate(count)));
        styled(Style::Heading, "a steady load on one thread: setting worlds up and running them");
        let worlds = format!("of three replicas each; {audited} audited");
        row("worlds", &grouped(tally.runs), &worlds);
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let passed = format!("while {} passed", seconds(running.wall));
        row("processor time", &seconds(running.processor), &passed);
        row("deliveries", &grouped(tally.deliveries), &in_a_second(tally.deliveries));
        row("  to journal gates", &grouped(*gates), "among these");
        let share = format!(
            "{}, one to {:.1} deliveries",
            in_a_second(tally.reviews),
            self.deliveries_per_review()
        );
        row("reviews", &grouped(tally.reviews), &share);
        row("events", &grouped(tally.events), &in_a_second(tally.events));
        let compression = format!("{} times as fast as it would be", whole(self.compression()));
        row("simulated", &clock(tally.micros / 1_000_000), &compression);
        report::counts("faults hit", &tally.marks, 0);
        report::counts("decisions", &tally.denied, tally.allowed);
        styled(Style::Heading, "outside of these figures");
        row("drawing scenarios", &seconds(drawing.processor), "");
        let oracles = format!("{} oracles; audited journals run again", ORACLES.len());
        row("judging", &seconds(judging.processor), &oracles);
        let with = format!("{} a second, with both", whole(self.whole_rate()));
        row("deliveries", &grouped(tally.deliveries), &with);
        for (seed, violation) in broken {
            line(&format!("seed {seed}"));
            report::violation(violation);
        }
        if broken.is_empty() {
            styled(Style::Good, "no oracle found fault");
        }
    }

    fn to_json(&self, seed: u64) -> serde_json::Value {
        let broken: Vec<_> = { self.broken.iter() }
            .map(|(seed, violation)| {
                json!({
                    "at": violation.at.0,
                    "oracle": violation.oracle,
                    "seed": seed,
                    "what": violation.what,
                })
            })
            .collect();
        json!({
            "audited": self.audited,
            "broken": broken,
            "compression": self.compression(),
            "deliveries_a_second": self.rate(self.tally.deliveries),
            "deliveries_a_second_with_all": self.whole_rate(),
            "deliveries_per_review": self.deliveries_per_review(),
            "drawing_seconds": self.drawing.processor.as_secs_f64(),
            "events_a_second": self.rate(self.tally.events),
            "first_seed": seed,
            "gates": self.gates,
            "judging_seconds": self.judging.processor.as_secs_f64(),
            "outcome": if self.broken.is_empty() { "held" } else { "broken" },
            "reviews_a_second": self.rate(self.tally.reviews),
            "running_seconds": self.running.processor.as_secs_f64(),
            "running_wall_seconds": self.running.wall.as_secs_f64(),
            "tally": self.tally,
        })
    }
}

fn a_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}
