//! An operator forgets what is trusted of a collection.

use serde::{Deserialize, Serialize};

/// Forget root, floors and documents of a collection, as if it had never been seen. The next root
/// served is then judged like a first one. Given by an operator only, and recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// The collection.
    pub gun: String,
    /// Why, in the operator's words.
    pub reason: String,
}
