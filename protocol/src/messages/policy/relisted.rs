//! The whole list of objects.

use serde::{Deserialize, Serialize};

use super::SourceObject;

/// All objects of the source at one moment; what is not in it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relisted {
    /// The objects, in any order.
    pub objects: Vec<SourceObject>,
}
