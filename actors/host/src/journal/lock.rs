//! One process writes a journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::layout;
use crate::HostError;

/// Holds a journal for this process until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the journal in `journal`, which must be a directory.
    ///
    /// # Errors
    /// `JournalInUse` if another process (or another node of this one) holds it, `File` otherwise.
    pub fn take(journal: &Path) -> Result<Self, HostError> {
        let path = layout::lock(journal);
        let failed = |source| HostError::File { what: "cannot lock", path: path.clone(), source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(HostError::JournalInUse { path: journal.to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
