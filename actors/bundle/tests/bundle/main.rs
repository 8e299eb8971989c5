//! Bundles made with the workshop, broken rule by rule, and loaded through the guards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod builder;
mod floors;
mod forge;
mod guards;
mod sources;
