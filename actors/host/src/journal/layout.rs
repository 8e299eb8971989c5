//! Where the parts of a journal lie.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use portreeve_protocol::Sha256;

use crate::HostError;

/// The directory of the segments.
#[must_use]
pub fn segments(journal: &Path) -> PathBuf {
    journal.join("segments")
}

/// The file of segment `number`: eight digits, so that names sort like numbers.
#[must_use]
pub fn segment(journal: &Path, number: u32) -> PathBuf {
    segments(journal).join(format!("{number:08}.ndjson"))
}

/// The file of a blob: `blobs/sha256/ab/<64 hexadecimal digits>`.
#[must_use]
pub fn blob(journal: &Path, digest: &Sha256) -> PathBuf {
    let name = digest.to_hex();
    let shelf = name.get(..2).unwrap_or_default().to_owned();
    journal.join("blobs").join("sha256").join(shelf).join(name)
}

/// Makes the directories of blobs, all 256 of them, durably: a blob that comes while a review waits
/// is then a file and nothing more.
///
/// # Errors
/// What the operating system says.
pub(crate) fn make_shelves(journal: &Path) -> io::Result<()> {
    let shelves = journal.join("blobs").join("sha256");
    if shelves.join("ff").is_dir() {
        return Ok(());
    }
    for shelf in 0..=u8::MAX {
        fs::create_dir_all(shelves.join(format!("{shelf:02x}")))?;
    }
    for directory in [shelves.as_path(), &journal.join("blobs"), journal] {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// The file that the process which writes the journal has locked.
#[must_use]
pub fn lock(journal: &Path) -> PathBuf {
    journal.join("lock")
}

/// The directory of what was cut off the ends of segments: it may be evidence.
#[must_use]
pub fn aside(journal: &Path) -> PathBuf {
    journal.join("cut")
}

/// The directory that holds `segments`: `dir` itself, or the `journal` in it.
#[must_use]
pub fn find(dir: &Path) -> PathBuf {
    let below = dir.join("journal");
    if !segments(dir).is_dir() && segments(&below).is_dir() { below } else { dir.to_owned() }
}

/// The segments of a journal, by number, with their files; none if it has no directory of them.
/// Files of other names are not segments.
///
/// # Errors
/// `File` if the directory cannot be read.
pub fn list(journal: &Path) -> Result<Vec<(u32, PathBuf)>, HostError> {
    let directory = segments(journal);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| HostError::File {
        what: "cannot list the segments in",
        path: directory.clone(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".ndjson"))
            .filter(|digits| digits.len() == 8 && digits.bytes().all(|d| d.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        if let Some(number) = number {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}
