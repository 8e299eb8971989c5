//! A whole server over HTTPS: what it answers to whom, when it is ready, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod certificates;
mod clients;
mod connections;
mod life;
mod rig;
