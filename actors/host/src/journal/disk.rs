//! What the journal asks of a file system, so that tests can make it fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// The file operations of the journal's thread.
pub trait Disk: Send + Sync + 'static {
    /// Creates the file of a segment, which must not exist yet, durably in its directory.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Cuts a segment to `length` bytes; to none at all removes it. One that is gone is short
    /// enough.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Puts `bytes` at `path` as a whole or not at all; it ends when they are durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Puts several files, as [`Disk::put`] does each; after an error some may be there.
    ///
    /// # Errors
    /// The first thing the operating system says.
    fn put_all(&self, files: &[NewFile]) -> io::Result<()> {
        files.iter().try_for_each(|file| self.put(&file.path, &file.bytes))
    }

    /// Removes a file; a power cut may bring it back before [`Disk::settle`].
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()> {
        remove(path)
    }

    /// Ends when what was removed from `directory` is gone for good.
    ///
    /// # Errors
    /// What the operating system says.
    fn settle(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// The room on the volume that holds `directory`.
    ///
    /// # Errors
    /// What the operating system says.
    fn room(&self, directory: &Path) -> io::Result<Room> {
        let found = rustix::fs::statvfs(directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Room { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

/// A file that is not there yet.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// What is in it.
    pub bytes: Arc<[u8]>,
    /// Where it will be.
    pub path: PathBuf,
}

/// Files that are put at the same time.
const AT_ONCE: usize = 16;

/// The room on a volume, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this process may still write.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// A segment that is being written.
pub trait SegmentFile: Send {
    /// Writes `bytes` behind all that was written.
    ///
    /// # Errors
    /// What the operating system says; part of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends when all that was written is durable.
    ///
    /// # Errors
    /// What the operating system says, or that the file was deleted; what was written may then be
    /// lost, and a later success proves nothing about it.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        // What has no name any more is gone with this process, however durable it is.
        if rustix::fs::fstat(&*self)?.st_nlink == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the segment was deleted"));
        }
        Ok(())
    }
}

/// Bytes that are given back to the file system at once.
const PIECE: u64 = 1 << 20;

/// Removes a file. What a large one holds is given back piece by piece once its name is gone: a
/// file system may keep every sync waiting until it has freed all of a file.
fn remove(path: &Path) -> io::Result<()> {
    let large = OpenOptions::new().write(true).open(path).ok();
    fs::remove_file(path)?;
    let Some(file) = large else { return Ok(()) };
    let mut left = file.metadata().map_or(0, |found| found.len());
    while left > PIECE {
        left -= PIECE;
        if file.set_len(left).is_err() {
            // It goes at once when it is closed.
            break;
        }
    }
    Ok(())
}

impl Disk for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        sync_directory_of(path)?;
        Ok(Box::new(file))
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        if !fs::exists(path)? {
            return Ok(());
        }
        if length == 0 {
            fs::remove_file(path)?;
            return sync_directory_of(path);
        }
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        if !parent.is_dir() {
            fs::create_dir_all(parent)?;
            sync_directory_of(parent)?;
        }
        // Nobody else writes this file, and a leftover of an earlier run is simply written over.
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory_of(path)
    }

    fn put_all(&self, files: &[NewFile]) -> io::Result<()> {
        let put = |share: &[NewFile]| share.iter().try_for_each(|it| self.put(&it.path, &it.bytes));
        if files.len() <= 1 {
            return put(files);
        }
        // A sync waits for the disk and not for a processor, and the file system makes one commit
        // of those that wait together.
        thread::scope(|scope| {
            let shares = files.chunks(files.len().div_ceil(AT_ONCE));
            let threads = shares
                .map(|share| thread::Builder::new().spawn_scoped(scope, move || put(share)))
                .collect::<io::Result<Vec<_>>>()?;
            let failed = |_| io::Error::other("a thread that stores a blob failed");
            threads.into_iter().try_for_each(|thread| thread.join().map_err(failed)?)
        })
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_somebody_deleted_is_not_durable_and_needs_no_cut() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("00000001.ndjson");
        let mut segment = FileSystem.create(&path)?;
        segment.append(b"one\n")?;
        segment.sync()?;
        fs::remove_file(&path)?;
        segment.append(b"two\n")?;
        let refused = segment.sync().err().ok_or_else(|| io::Error::other("it was synced"))?;
        assert!(refused.to_string().contains("deleted"), "{refused}");
        FileSystem.cut(&path, 4)?;
        FileSystem.cut(&path, 0)
    }

    #[test]
    fn a_file_of_any_length_is_gone_once_it_is_removed() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("00000001.ndjson");
        for length in [0, 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            File::create(&path)?.set_len(length)?;
            FileSystem.remove(&path)?;
            assert!(!path.exists(), "{length}");
        }
        assert!(FileSystem.remove(&path).is_err(), "there is none any more");
        Ok(())
    }
}
