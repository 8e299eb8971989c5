//! The node with machines that do as they are told, on a disk that fails on command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod durability;
mod failing_disk;
mod fetches;
mod fragile;
mod life;
mod panics;
mod real;
mod retention;
mod stage;
mod toys;
