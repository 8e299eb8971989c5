//! The Notary client against servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundles;
mod canaries;
mod cluster;
mod cluster_events;
mod cluster_owners;
mod cluster_pulls;
mod credentials;
mod decisions;
mod documents;
mod hostile;
mod proxies;
mod server;
