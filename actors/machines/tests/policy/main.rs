//! The policy machine, rule by rule.

mod examples;
mod order;
mod publishing;
mod signers;
mod specs;
mod world;
