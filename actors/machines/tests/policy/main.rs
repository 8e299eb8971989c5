//! The policy machine, rule by rule.

mod examples;
mod order;
#[cfg(feature = "planted-bugs")]
mod planted;
mod publishing;
mod signers;
mod specs;
mod world;
