//! What the journal asks of a file system, so that tests can make it fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The file operations of the journal's thread.
pub trait Disk: Send + Sync + 'static {
    /// Creates the file of a segment, which must not exist yet, durably in its directory.
    ///
    /// # Errors
    /// What the operating system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Cuts a segment to `length` bytes; to none at all removes it.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Puts `bytes` at `path` as a whole or not at all; it ends when they are durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file; a power cut may bring it back before [`Disk::settle`].
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
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
    /// What the operating system says; what was written may then be lost, and a later success
    /// proves nothing about it.
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
        self.sync_data()
    }
}

impl Disk for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        sync_directory_of(path)?;
        Ok(Box::new(file))
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
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
        // One thread writes blobs, and a leftover of an earlier run is simply written over.
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory_of(path)
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
