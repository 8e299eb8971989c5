//! Journals written by the real machines, and what replay says of them, intact and tampered with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod checkpoints;
mod edits;
mod explaining;
mod finding;
mod golden;
mod long;
#[cfg(feature = "planted-bugs")]
mod planted;
mod recovery;
mod removed;
mod rig;
mod tampering;
mod verification;

use portreeve_replay::{Report, verify};
use rig::Rig;

/// Verifies the journal of `rig` as it stands.
fn verified(rig: &Rig) -> Report {
    verify(rig.lines(), &rig.blobs, &mut |_| {}).unwrap()
}

/// A journal of two incarnations with allows, denials, an outage, a panic and timers that fired.
fn eventful() -> Rig {
    eventful_since(Rig::new())
}

/// The same, begun as `rig`.
fn eventful_since(mut rig: Rig) -> Rig {
    rig.policies();
    rig.review("u-signed", &["registry.lab:5000/team/signers:alice-only", "quay.io/a/b:1"]);
    rig.review("u-warm", &["registry.lab:5000/team/signers:both-same"]);
    rig.review("u-unsigned", &["registry.lab:5000/team/unsigned:1"]);
    rig.panic_on("u-panic");
    let mut rig = rig.restart();
    rig.policies();
    rig.down = true;
    rig.review("u-down", &["registry.lab:5000/team/signers:alice-only"]);
    rig.wait(60_000_000);
    rig.down = false;
    rig.review("u-signed", &["registry.lab:5000/team/signers:no-such-tag"]);
    rig
}

/// A small journal: one image verified, one refused.
fn small() -> Rig {
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u-signed", &["registry.lab:5000/team/signers:alice-only"]);
    rig.review("u-unsigned", &["registry.lab:5000/team/unsigned:1"]);
    rig
}
