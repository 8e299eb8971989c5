//! Runs of many seeds at once. Each run has one thread to itself and shares nothing with others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use portreeve_simulations::swarm::{Examined, draw, examine};

use super::args::Seeds;

/// Runs that may wait for the thread that counts them.
const WAITING: usize = 64;

/// Runs the seeds and hands each run to `tell`, in the order in which they end, until `tell` wants
/// no more. Gives the time it took.
pub(crate) fn each(seeds: Seeds, mut tell: impl FnMut(Examined) -> bool) -> Duration {
    let started = Instant::now();
    let limit = seeds.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let end = seeds.seed.saturating_add(seeds.runs);
    let (next, enough) = (AtomicU64::new(seeds.seed), AtomicBool::new(false));
    let (sender, ended) = sync_channel(WAITING);
    let work = |sender: SyncSender<Examined>| {
        let late = || limit.is_some_and(|limit| started.elapsed() >= limit);
        while !enough.load(Ordering::Relaxed) && !late() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || sender.send(examine(&draw(seed), seed).0).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs(seeds) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        // The threads hold the only senders, so that the receiver ends with them.
        drop(sender);
        for examined in ended {
            if !tell(examined) {
                enough.store(true, Ordering::Relaxed);
            }
        }
    });
    started.elapsed()
}

/// Threads that run seeds.
fn jobs(seeds: Seeds) -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    seeds.jobs.unwrap_or(processors).max(1)
}
