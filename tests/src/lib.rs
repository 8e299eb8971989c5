//! What the tests of the whole workspace stand on: the house rules as functions over source text
//! and the dependency graph.

pub mod error;
pub mod tidy;

pub use error::TestError;
