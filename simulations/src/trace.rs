//! The trace of a run: one line an event, and a hash over what happened.
//!
//! A line is the true time since the start in seconds, a mark, the replica by its place (`-` is
//! none), and what happened:
//!
//! | mark | event |
//! |---|---|
//! | `>` | a delivery: event id, input, `<-` its cause, its effects by letter, their digest if
//! audited |
//! | `=` | the answer to a review left: uid, `allow` or the code of the denial, what it took |
//! | `?` | a review was sent to a replica: uid |
//! | `.` | what the API server made of a review: uid, what |
//! | `~` | the disk made everything written durable, or has room again |
//! | `*` | a trust server changed: collection and server |
//! | `+` | what the API server holds changed |
//! | `^` | the replica started: incarnation; or it ended in order |
//! | `!` | a fault was hit: its class and what it did |
//!
//! Effects: `A` answer, `F` fetch, `G` gap, `L` look for an owner, `N` note, `R` release, `S` send,
//! `T` timer armed, `t` timer disarmed.
//!
//! Lines are kept only when somebody wants to read them; the hash is the same either way.

use portreeve_protocol::{Cause, Effect, Mono, Sha256};

/// How many bytes are hashed at once.
const PIECE: usize = 1 << 16;

/// The events of a run so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    events: u64,
    keeps: bool,
    lines: Vec<String>,
    /// The hash of what happened before the last piece, and that piece.
    pending: Vec<u8>,
}

impl Trace {
    /// A trace without an event; whether its lines are kept.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        let pending = Sha256::ZERO.as_bytes().to_vec();
        Self { events: 0, keeps, lines: Vec::new(), pending }
    }

    /// How many events there were, whether their lines were kept or not.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The lines, without newlines; none if they were not kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// A hash of what happened and when: SHA-256, piece by piece, each with the hash before it.
    #[must_use]
    pub fn hash(&self) -> Sha256 {
        Sha256::of(&self.pending)
    }

    /// Takes note of an event: the pieces of `key` tell it from others, `words` is for people.
    pub(crate) fn note(
        &mut self,
        at: Mono,
        mark: char,
        replica: Option<usize>,
        key: &[&[u8]],
        words: impl FnOnce() -> String,
    ) {
        self.events += 1;
        if self.pending.len() > PIECE {
            let before = self.hash();
            self.pending.clear();
            self.pending.extend(before.as_bytes());
        }
        self.pending.extend(at.0.to_be_bytes());
        self.pending.extend([u8::try_from(mark).unwrap_or_default(), place(replica)]);
        key.iter().for_each(|piece| self.pending.extend(*piece));
        self.pending.push(b'\n');
        if self.keeps {
            let (seconds, micros) = (at.0 / 1_000_000, at.0 % 1_000_000);
            let who = replica.map_or_else(|| "-".to_owned(), |replica| replica.to_string());
            self.lines.push(format!("{seconds:>4}.{micros:06} {mark} {who} {}", words()));
        }
    }
}

fn place(replica: Option<usize>) -> u8 {
    replica.and_then(|replica| u8::try_from(replica).ok()).unwrap_or(u8::MAX)
}

/// The cause of a delivery in short.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Effect { event, index } => format!("{}/{}#{index}", event.actor, event.seq),
        Cause::Outside(outside) => format!("{outside:?}"),
    }
}

/// The effects of a delivery in short, one letter each.
pub(crate) fn letters(effects: &[Effect]) -> Vec<u8> {
    let letter = |effect: &Effect| match effect {
        Effect::Answer(_) => b'A',
        Effect::Arm { .. } => b'T',
        Effect::Disarm { .. } => b't',
        Effect::Fetch(_) => b'F',
        Effect::LookUpOwner(_) => b'L',
        Effect::Note(_) => b'N',
        Effect::RecordGap(_) => b'G',
        Effect::Release(_) => b'R',
        Effect::Send { .. } => b'S',
    };
    effects.iter().map(letter).collect()
}
