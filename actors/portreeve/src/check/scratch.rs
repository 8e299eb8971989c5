//! The files of a journal that is thrown away: written as any other, but never synced, for nobody
//! will read them after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use portreeve_host::journal::{Disk, Room, SegmentFile};

/// The file system without syncs.
pub(super) struct Scratch;

/// A segment that is not synced.
struct Loose(File);

impl SegmentFile for Loose {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Scratch {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(Loose(file)))
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        if length == 0 {
            return fs::remove_file(path);
        }
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)
    }

    fn room(&self, _: &Path) -> io::Result<Room> {
        // It is one review: what there is will do, or the write itself fails.
        Ok(Room { free: u64::MAX, total: u64::MAX })
    }
}
