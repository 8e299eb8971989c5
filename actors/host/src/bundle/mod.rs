//! The signed trust bundle: where it is fetched, when it is looked at again, and who is told.

mod place;
mod watch;
mod web;

pub use place::{BundleConfig, BundlePlace};
pub use watch::{BundleWatch, Looked, Looker, input};
