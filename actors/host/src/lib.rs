//! The only crate with side effects: it hosts the machines on actix, journals what they receive,
//! and performs what they emit.

pub mod bundle;
pub mod clock;
pub mod config;
pub mod control;
pub mod credentials;
pub mod error;
pub mod journal;
pub mod log;
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

pub use error::HostError;
