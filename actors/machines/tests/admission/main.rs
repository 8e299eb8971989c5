//! The admission machine, rule by rule.

mod answers;
mod bundle;
mod exemptions;
mod modes;
mod order;
mod patches;
mod patterns;
mod reach;
mod resealing;
mod seals;
mod selection;
mod servers;
mod timing;
mod trust;
mod world;
