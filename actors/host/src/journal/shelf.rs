//! The blobs of a journal: which are stored, and which may go.
//!
//! The writer stores blobs and remembers them, and which its segments name; retention removes those
//! that no segment names any more. Both go by one lock, so that a blob is never remembered as
//! stored after it is gone, nor removed between its being stored and its record.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use portreeve_protocol::{Blob, Sha256};

use super::disk::{Disk, NewFile};
use super::layout;
use super::names::Names;
use super::retention::Named;
use super::stock::Stock;
use super::stored::Stored;

/// Digests remembered as stored; beyond them the directory is asked again.
const KNOWN: usize = 65_536;

/// The blobs of one journal.
pub(super) struct Shelf {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    /// Bytes of the whole journal: what was there first, and what came and went since.
    bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    /// What the segments name that this incarnation has ended, until a removal takes it.
    ended: Named,
    known: BTreeSet<Sha256>,
    /// What was named since a removal was announced; `None` while none is.
    named: Option<BTreeSet<Sha256>>,
    /// All that is stored; `None` if it could not be listed.
    stored: Option<Stored>,
    /// What is to be stored before the next records are written.
    waiting: BTreeMap<Sha256, NewFile>,
}

impl State {
    fn remember(&mut self, digest: Sha256) {
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(digest);
        if let Some(stored) = &mut self.stored {
            stored.insert(digest);
        }
    }
}

impl Shelf {
    pub(super) fn new(dir: &Path, disk: Arc<dyn Disk>) -> Self {
        let (state, bytes) = (Mutex::default(), AtomicU64::new(0));
        Self { dir: dir.to_owned(), disk, state, bytes }
    }

    /// Bytes of the whole journal.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes stock of what is there. Only before anything is written.
    pub(super) fn take_stock(&self) {
        // What cannot be listed cannot be removed either, and the removal says so.
        if let Ok(stock) = Stock::of(&self.dir, None, SystemTime::now()) {
            self.bytes.store(stock.bytes(), Ordering::Relaxed);
            self.state().stored = Some(stock.blobs.into_keys().collect());
        }
    }

    /// So many bytes were added.
    pub(super) fn grew(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes were removed.
    pub(super) fn shrank(&self, bytes: u64) {
        let less = |before: u64| Some(before.saturating_sub(bytes));
        // Less of something is always something: it cannot fail.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The journal's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file system it is on.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Has the bytes of a blob stored by the next [`Shelf::settle`], unless they are there already.
    /// A record that names it is to follow.
    pub(super) fn store(&self, blob: &Blob) -> io::Result<()> {
        let digest = blob.digest();
        let mut state = self.state();
        if let Some(named) = &mut state.named {
            named.insert(digest);
        }
        if state.known.contains(&digest) || state.waiting.contains_key(&digest) {
            return Ok(());
        }
        let path = layout::blob(&self.dir, &digest);
        if std::fs::read(&path).is_ok_and(|bytes| Sha256::of(&bytes) == digest) {
            state.remember(digest);
            return Ok(());
        }
        let bytes = blob.shared().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("blob {digest} has no bytes"))
        })?;
        state.waiting.insert(digest, NewFile { bytes, path });
        Ok(())
    }

    /// Stores what waits for it, durably whatever the durability of records: a record must never
    /// name a blob that a power cut took away. To be called before such a record is written.
    pub(super) fn settle(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut state.waiting);
        let (digests, files): (Vec<Sha256>, Vec<NewFile>) = waiting.into_iter().unzip();
        self.disk.put_all(&files)?;
        self.grew(files.iter().map(|file| file.bytes.len() as u64).sum());
        digests.into_iter().for_each(|digest| state.remember(digest));
        Ok(())
    }

    /// Announces that blobs will be removed: what is named from now on stays. Only while every
    /// record that was staged is in a segment. False if a removal is under way already.
    pub(super) fn announce(&self) -> bool {
        let mut state = self.state();
        if state.named.is_some() {
            return false;
        }
        state.named = Some(BTreeSet::new());
        true
    }

    /// The removal that was announced is over.
    pub(super) fn done(&self) {
        self.state().named = None;
    }

    /// Removes a blob that no segment named when the removal was announced, unless something did
    /// since; whether it is gone.
    pub(super) fn remove(&self, digest: &Sha256) -> io::Result<bool> {
        let mut state = self.state();
        if state.named.as_ref().is_none_or(|named| named.contains(digest)) {
            return Ok(false);
        }
        // First, so that it is stored again whatever comes of this.
        state.known.remove(digest);
        self.disk.remove(&layout::blob(&self.dir, digest))?;
        if let Some(stored) = &mut state.stored {
            stored.remove(digest);
        }
        Ok(true)
    }

    /// The blobs that `records` name, which are about to be written: none of them is removed by a
    /// removal under way. `None` if it is not known what is stored.
    pub(super) fn named_by(&self, records: &[u8]) -> Option<Vec<Sha256>> {
        let mut state = self.state();
        let found = state.stored.as_ref()?.named_in(records);
        if let Some(named) = &mut state.named {
            named.extend(&found);
        }
        Some(found)
    }

    /// A segment was ended that names these.
    pub(super) fn ended(&self, segment: u32, names: Names) {
        if names != Names::default() {
            self.state().ended.insert(segment, names);
        }
    }

    /// What the segments name that were ended since the last time.
    pub(super) fn take_ended(&self) -> Named {
        std::mem::take(&mut self.state().ended)
    }

    /// Removes what a crash left of a blob that was being stored; none is while this runs.
    pub(super) fn remove_leftover(&self, path: &Path) -> io::Result<()> {
        let _state = self.state();
        self.disk.remove(path)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::FileSystem;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn shelf(dir: &Path) -> Shelf {
        Shelf::new(dir, Arc::new(FileSystem))
    }

    #[test]
    fn a_blob_that_was_removed_is_stored_again_when_it_is_named_again() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (shelf, blob) = (shelf(dir.path()), Blob::new(&b"signed"[..]));
        let path = layout::blob(dir.path(), &blob.digest());
        shelf.store(&blob)?;
        assert!(!path.exists(), "nothing is stored before it is settled");
        shelf.settle()?;
        assert!(shelf.announce());
        assert!(shelf.remove(&blob.digest())?);
        assert!(!path.exists());
        shelf.store(&blob)?;
        shelf.settle()?;
        assert_eq!(std::fs::read(&path)?, b"signed");
        assert!(!shelf.remove(&blob.digest())?, "it was named since the removal was announced");
        shelf.done();
        assert!(!shelf.remove(&blob.digest())?, "no removal is announced");
        assert!(path.exists());
        Ok(())
    }

    #[test]
    fn one_removal_is_under_way_at_a_time() -> Outcome {
        let dir = tempfile::tempdir()?;
        let shelf = shelf(dir.path());
        assert!(shelf.announce() && !shelf.announce());
        shelf.done();
        assert!(shelf.announce());
        Ok(())
    }

    #[test]
    fn all_that_waits_is_stored_at_once_and_each_under_its_digest() -> Outcome {
        let dir = tempfile::tempdir()?;
        let shelf = shelf(dir.path());
        let blobs: Vec<Blob> = (0..100_u8).map(|number| Blob::new(vec![number; 64])).collect();
        blobs.iter().try_for_each(|blob| shelf.store(blob))?;
        shelf.settle()?;
        for blob in &blobs {
            let bytes = std::fs::read(layout::blob(dir.path(), &blob.digest()))?;
            assert_eq!(Sha256::of(&bytes), blob.digest());
        }
        assert_eq!(shelf.bytes(), 6_400);
        Ok(())
    }
}
