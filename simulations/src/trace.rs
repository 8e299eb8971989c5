//! The trace of a run: one line an event, and a hash over all lines.
//!
//! A line is the time since the start in seconds, a mark, and what happened:
//!
//! | mark | event |
//! |---|---|
//! | `>` | a delivery: event id, input, `<-` its cause, its effects by letter, their digest |
//! | `=` | the answer to a review left: uid, `allow` or the code of the denial, what it took |
//! | `~` | the disk made everything written durable: bytes of the journal; or has room again |
//! | `*` | a trust server changed: collection and server |
//! | `^` | the replica started: incarnation |
//! | `!` | a fault was hit |
//!
//! Effects: `A` answer, `F` fetch, `G` gap, `N` note, `R` release, `S` send, `T` timer armed,
//! `t` timer disarmed.

use portreeve_protocol::{Cause, Effect, Mono, Sha256};

/// The lines of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    lines: Vec<String>,
}

impl Trace {
    /// The lines, without newlines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// SHA-256 of all lines, each with a newline behind it.
    #[must_use]
    pub fn hash(&self) -> Sha256 {
        let mut text = self.lines.join("\n");
        text.push('\n');
        Sha256::of(text.as_bytes())
    }

    pub(crate) fn line(&mut self, at: Mono, mark: char, what: &str) {
        let (seconds, micros) = (at.0 / 1_000_000, at.0 % 1_000_000);
        self.lines.push(format!("{seconds:>4}.{micros:06} {mark} {what}"));
    }
}

/// The cause of a delivery in short.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Effect { event, index } => format!("{}/{}#{index}", event.actor, event.seq),
        Cause::Outside(outside) => format!("{outside:?}"),
    }
}

/// The effects of a delivery in short.
pub(crate) fn effects(effects: &[Effect]) -> String {
    let letter = |effect: &Effect| match effect {
        Effect::Answer(_) => 'A',
        Effect::Arm { .. } => 'T',
        Effect::Disarm { .. } => 't',
        Effect::Fetch(_) => 'F',
        Effect::LookUpOwner(_) => 'L',
        Effect::Note(_) => 'N',
        Effect::RecordGap(_) => 'G',
        Effect::Release(_) => 'R',
        Effect::Send { .. } => 'S',
    };
    effects.iter().map(letter).collect()
}
