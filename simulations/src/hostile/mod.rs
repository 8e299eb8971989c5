//! Stub.
use portreeve_lab::{Collection, Documents, LabError};
use portreeve_protocol::{Sha256, Wall};
use serde::{Deserialize, Serialize};
/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hostile {
    /// Stub.
    Stale,
}
impl Hostile {
    /// Stub.
    pub const ALL: &'static [Self] = &[Self::Stale];
    /// Stub.
    pub const fn id(self) -> &'static str {
        "stale"
    }
    /// Stub.
    pub const fn nature(self) -> Nature {
        Nature::Genuine
    }
}
/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Stub.
    Refused,
    /// Stub.
    Harmless,
    /// Stub.
    Genuine,
    /// Stub.
    Impostor,
}
/// Stub.
pub struct Material<'a> {
    /// Stub.
    pub collection: &'a Collection,
    /// Stub.
    pub evil: Sha256,
    /// Stub.
    pub history: &'a [Documents],
    /// Stub.
    pub now: Wall,
    /// Stub.
    pub served: &'a Documents,
}
/// Stub.
pub fn serve(_: Hostile, material: &Material<'_>) -> Result<Documents, LabError> {
    Ok(material.history[0].clone())
}
