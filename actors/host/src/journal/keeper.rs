//! Keeps a journal within its bounds and watches the room on its volume, for the journal's thread.
//! What is slow runs on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use portreeve_protocol::Mono;
use slog::{info, warn};

use super::retention::{Named, Removal, Retention};
use super::shelf::Shelf;
use crate::node::facts::Facts;

/// Microseconds between two looks at the volume.
const LOOK: u64 = 100_000;
/// Microseconds between two removals because of little room.
const TRIM: u64 = 5_000_000;

/// How much room the volume has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Space {
    /// As much as was asked for, or nobody knows.
    Enough,
    /// So little that nothing is written any more; the text says why.
    Out(String),
}

/// Keeps one journal within its bounds.
pub(super) struct Keeper {
    bounds: Retention,
    common: Arc<Common>,
    facts: Arc<Facts>,
    look_at: Mono,
    out: bool,
    removal: Option<JoinHandle<()>>,
    trim_at: Mono,
}

/// What is shared with the thread that removes.
struct Common {
    named: Mutex<Named>,
    shelf: Arc<Shelf>,
    stop: AtomicBool,
}

/// A removal that was announced and has not begun.
pub(super) struct Announced(Arc<Common>);

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.shelf.done();
    }
}

impl Keeper {
    pub(super) fn new(shelf: Arc<Shelf>, bounds: Retention, facts: Arc<Facts>) -> Self {
        let common = Common { named: Mutex::default(), shelf, stop: AtomicBool::new(false) };
        Self {
            bounds,
            common: Arc::new(common),
            facts,
            look_at: Mono(0),
            out: false,
            removal: None,
            trim_at: Mono(0),
        }
    }

    /// Announces a removal; `None` if one is under way. Only while nothing is staged. Blobs that
    /// are named from here on stay.
    pub(super) fn prepare(&self) -> Option<Announced> {
        self.common.shelf.announce().then(|| Announced(Arc::clone(&self.common)))
    }

    /// Begins a removal.
    pub(super) fn start(&mut self, announced: Option<Announced>) {
        let Some(announced) = announced else { return };
        let (bounds, facts) = (self.bounds, Arc::clone(&self.facts));
        let body = move || remove(&announced, bounds, &facts);
        // Without a thread it is left to the next time.
        let thread = std::thread::Builder::new().name("retention".to_owned()).spawn(body).ok();
        if let Some(earlier) = std::mem::replace(&mut self.removal, thread) {
            // It is over, or this one could not have been announced.
            let _ = earlier.join();
        }
    }

    /// Announces and begins a removal.
    pub(super) fn trim(&mut self) {
        let announced = self.prepare();
        self.start(announced);
    }

    /// Whether there was too little room at the last look.
    pub(super) const fn is_out(&self) -> bool {
        self.out
    }

    /// Looks at the volume, unless it did just now. If there is little room, old segments go. Only
    /// while nothing is staged.
    pub(super) fn look(&mut self, now: Mono) -> Space {
        if now < self.look_at {
            return Space::Enough;
        }
        self.look_at = now.plus(LOOK);
        let shelf = &self.common.shelf;
        let Ok(room) = shelf.disk().room(shelf.dir()) else {
            // Writing itself will tell.
            self.out = false;
            return Space::Enough;
        };
        self.facts.metrics().journal_room(shelf.bytes(), room.free);
        let (floor, last) = (self.bounds.floor(room), self.bounds.last_floor(room));
        if room.free < floor && now >= self.trim_at {
            self.trim_at = now.plus(TRIM);
            self.trim();
        }
        // Once it stopped, it goes on only with some distance, or it would stop again at once.
        self.out = room.free < if self.out { last.saturating_mul(2) } else { last };
        if !self.out {
            return Space::Enough;
        }
        Space::Out(format!(
            "the journal's volume has {} bytes free, and below {last} nothing is written: make \
             room, or lower journalMinFree",
            room.free
        ))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.common.stop.store(true, Ordering::Relaxed);
        if let Some(removal) = self.removal.take() {
            // Whoever writes the journal next must not find it at work.
            let _ = removal.join();
        }
    }
}

fn remove(announced: &Announced, bounds: Retention, facts: &Facts) {
    let common = &announced.0;
    let mut named = common.named.lock().unwrap_or_else(PoisonError::into_inner);
    let (shelf, stop) = (&*common.shelf, &common.stop);
    let removal = Removal { bounds, now: SystemTime::now(), shelf, stop };
    match removal.run(&mut named) {
        Ok(trimmed) => {
            if trimmed.segments + trimmed.blobs > 0 {
                info!(facts.log(), "old parts of the journal were removed";
                    "segments" => trimmed.segments, "blobs" => trimmed.blobs,
                    "bytes_kept" => shelf.bytes());
            }
        }
        Err(error) => {
            warn!(facts.log(), "the journal cannot be kept within its bounds";
                "why" => error.to_string());
        }
    }
}
