//! The admission machine, rule by rule.

mod ahead;
mod answers;
mod bundle;
mod exemptions;
mod modes;
mod order;
mod patches;
mod patterns;
#[cfg(feature = "planted-bugs")]
mod planted;
mod reach;
mod resealing;
mod seals;
mod selection;
mod servers;
mod timing;
mod trust;
mod world;
