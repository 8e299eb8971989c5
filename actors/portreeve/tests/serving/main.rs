//! `portreeve serve` as its operators run it: a process of its own, ended by signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod end;
mod kill;
mod process;
mod proxy;
