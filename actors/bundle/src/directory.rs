//! A bundle in a directory, or in a ConfigMap that the kubelet mounts.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::source::{Missed, Reading, Source};

/// The link by which the kubelet swaps all files of a mounted ConfigMap at once.
const SWAPPED: &str = "..data";

/// A directory with `metadata` and `targets`, or with all files side by side, as keys of a
/// ConfigMap are.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Where the files stand: behind [`SWAPPED`] as it was when this was made, so that one load
    /// never mixes two publications.
    place: PathBuf,
}

impl Directory {
    /// The directory as it is now. Make one for each load.
    #[must_use]
    pub fn now(path: &Path) -> Self {
        let swapped = fs::canonicalize(path.join(SWAPPED));
        Self { place: swapped.unwrap_or_else(|_| path.to_owned()) }
    }

    /// Reads a file of at most `limit` bytes; a device or a pipe is none.
    ///
    /// # Errors
    /// Why there is no such file.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Missed> {
        let (folder, name) = path.split_once('/').unwrap_or(("", path));
        let below = self.place.join(folder);
        let file = if below.is_dir() { below.join(name) } else { self.place.join(name) };
        match bounded(&file, limit) {
            Ok(bytes) => Ok(bytes),
            // A directory that is gone says nothing about the file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.place.is_dir() => {
                Err(Missed::Absent)
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Missed::Oversize),
            Err(error) => Err(Missed::Failed(error.kind().to_string())),
        }
    }
}

/// A regular file of at most `limit` bytes: a device or a pipe might never end.
fn bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

impl Source for Directory {
    fn file<'a>(&'a self, path: &'a str, limit: u64) -> Reading<'a> {
        let read = self.read(path, limit);
        Box::pin(std::future::ready(read))
    }
}
