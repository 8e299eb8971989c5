//! Kubernetes as a source: what is asked of the API server, and how.

pub mod access;
pub mod kinds;
