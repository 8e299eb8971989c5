//! An object was created or changed.

use serde::{Deserialize, Serialize};

use super::SourceObject;

/// An object was created or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The object as it is now.
    pub object: SourceObject,
}
