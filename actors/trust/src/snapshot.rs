//! Timestamp and snapshot: what is current, and which documents belong together
//! (Notary `tuf/data/timestamp.go`, `tuf/data/snapshot.go`).

use std::collections::BTreeMap;

use crate::error::TrustError;
use crate::fields::Fields;
use crate::file_meta::FileMeta;
use crate::header::{self, Header};
use crate::json::Value;
use crate::role::{ROOT, SNAPSHOT, TARGETS, TIMESTAMP};

/// The body of a timestamp.
#[derive(Debug, Clone)]
pub(crate) struct Timestamp {
    /// Version and expiry.
    pub(crate) header: Header,
    /// The current snapshot.
    pub(crate) snapshot: FileMeta,
}

impl Timestamp {
    /// Reads what a timestamp's signatures cover.
    /// Source: Notary `tuf/data/timestamp.go:IsValidTimestampStructure`.
    ///
    /// # Errors
    /// `InvalidMetadata`, `UnsupportedForm`.
    pub(crate) fn read(signed: &Value) -> Result<Self, TrustError> {
        let (header, fields) = header::read(TIMESTAMP, "Timestamp", signed, &["meta"])?;
        let snapshot = read_meta(&fields)?.remove(SNAPSHOT);
        let snapshot = snapshot.ok_or_else(|| fields.invalid("meta", "must name the snapshot"))?;
        Ok(Self { header, snapshot })
    }
}

/// The body of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Version and expiry.
    pub(crate) header: Header,
    /// Full role name to the published document; `root` and `targets` are there.
    pub(crate) meta: BTreeMap<String, FileMeta>,
    /// The root the snapshot was made for.
    pub(crate) root: FileMeta,
    /// The base targets.
    pub(crate) targets: FileMeta,
}

impl Snapshot {
    /// Reads what a snapshot's signatures cover.
    /// Source: Notary `tuf/data/snapshot.go:IsValidSnapshotStructure`.
    ///
    /// # Errors
    /// `InvalidMetadata`, `UnsupportedForm`.
    pub(crate) fn read(signed: &Value) -> Result<Self, TrustError> {
        let (header, fields) = header::read(SNAPSHOT, "Snapshot", signed, &["meta"])?;
        let meta = read_meta(&fields)?;
        let (Some(root), Some(targets)) = (meta.get(ROOT), meta.get(TARGETS)) else {
            return Err(fields.invalid("meta", "must name root and targets"));
        };
        Ok(Self { header, root: root.clone(), targets: targets.clone(), meta })
    }
}

fn read_meta(fields: &Fields<'_>) -> Result<BTreeMap<String, FileMeta>, TrustError> {
    let entry = |(role, value): (&String, &Value)| {
        FileMeta::read(fields.document(), value).map(|meta| (role.clone(), meta))
    };
    fields.map("meta")?.map(entry).collect()
}
