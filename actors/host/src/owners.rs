//! Where the controllers of workloads are looked for.

mod store;
mod summary;

use std::future::Future;
use std::pin::Pin;

use portreeve_protocol::messages::admission::{OwnerOutcome, OwnerQuery};

pub use store::{OwnerStore, Workload, Workloads};
pub use summary::{SealState, SealSummary};

/// What a look comes to, some time.
pub type OwnerAnswer = Pin<Box<dyn Future<Output = OwnerOutcome> + Send>>;

/// Looks at the metadata of workloads as the cluster has them.
pub trait OwnerSource: Send + Sync {
    /// What there is of the object that `query` names. Whoever asks bounds the time.
    fn find(&self, query: &OwnerQuery) -> OwnerAnswer;
}

/// No source at all: nothing is ever found, so no seal of an owner counts.
#[derive(Debug, Clone, Copy)]
pub struct NoOwners;

impl OwnerSource for NoOwners {
    fn find(&self, _: &OwnerQuery) -> OwnerAnswer {
        Box::pin(std::future::ready(OwnerOutcome::Absent))
    }
}
