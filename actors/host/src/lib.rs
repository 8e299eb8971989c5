//! The only crate with side effects: it hosts the machines on actix, journals what they receive,
//! and performs what they emit.

pub mod bundle;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod control;
pub mod crds;
pub mod credentials;
mod descriptors;
pub mod error;
pub mod events;
pub mod journal;
pub mod log;
mod metric_labels;
mod metric_table;
pub mod metrics;
pub mod node;
pub mod notary_client;
pub mod objects;
pub mod owners;
pub mod seals;
pub mod serve;
pub mod state;
pub mod webhook;
pub mod yaml;

pub use error::HostError;

/// A server must not be able to do wrong on purpose, not even where nothing chose that.
const _: () = assert!(
    !portreeve_protocol::planted::COMPILED,
    "the feature `planted-bugs` is on, and no server may be built with it: build \
     `portreeve-simulations` alone for it (`-p portreeve-simulations --features planted-bugs`), \
     in a target directory of its own, and everything else without"
);
