//! Which faults a run has, and how bad they are.

use crate::fault::{CLASSES, Draw, Fault, Ground};
use crate::rng::Streams;

/// The rate at which a class does its worst.
const WORST: u64 = 1_000;
/// How often a class takes part in a run with several, in parts of a thousand.
const TAKES_PART: u64 = 400;

/// The faults of a run: none in a tenth of the runs, those of one class at its worst in another
/// tenth, and else those of some classes, each at a rate of its own.
pub(super) fn draw(streams: &Streams, ground: &Ground) -> Vec<Fault> {
    match streams.stream("swarm/faults").below(10) {
        0 => Vec::new(),
        1 => {
            // Each class draws a lot, so that a new class takes its share of all others alike.
            let lot = |(id, _): &&(&str, Draw)| streams.stream(&format!("swarm/lot/{id}")).draw();
            let only = CLASSES.iter().max_by_key(lot);
            only.map(|(id, draw)| of(streams, ground, id, *draw, WORST)).unwrap_or_default()
        }
        _ => CLASSES.iter().flat_map(|(id, draw)| some_of(streams, ground, id, *draw)).collect(),
    }
}

fn some_of(streams: &Streams, ground: &Ground, id: &str, draw: Draw) -> Vec<Fault> {
    let mut rng = streams.stream(&format!("swarm/part/{id}"));
    if !rng.chance(TAKES_PART) {
        return Vec::new();
    }
    of(streams, ground, id, draw, rng.log_between(1, WORST))
}

fn of(streams: &Streams, ground: &Ground, id: &str, draw: Draw, rate: u64) -> Vec<Fault> {
    draw(ground, rate, &mut streams.stream(&format!("swarm/fault/{id}")))
}
