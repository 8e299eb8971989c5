//! Rules of the notary fetcher.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anchors;
mod asking;
mod bench;
mod faults;
mod flow;
#[cfg(feature = "planted-bugs")]
mod planted;
mod seals;
