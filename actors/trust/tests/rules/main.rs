//! The rules of verification, each on a forged collection with one thing changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adopted;
mod delegations;
mod documents;
mod floors;
mod forge;
mod mutation;
mod pins;
#[cfg(feature = "planted-bugs")]
mod planted;
mod released;
mod roots;
