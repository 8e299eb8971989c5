//! What the tests of the whole workspace stand on: the house rules as functions over source text
//! and the dependency graph, the corpus, and a client that speaks to a node as the API server does.

pub mod corpus;
pub mod error;
pub mod fuzz;
pub mod https;
pub mod node;
pub mod review;
pub mod signed;
pub mod stage;
pub mod steps;
pub mod tidy;
pub mod verdict;

pub use error::TestError;
