//! Where the parts of a journal lie.

use std::fs;
use std::io;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};

use portreeve_protocol::Sha256;

use crate::HostError;

/// The directory of the segments.
#[must_use]
pub fn segments(journal: &Path) -> PathBuf {
    journal.join("segments")
}

/// The file of segment `number`: at least eight digits, so that names sort like numbers in all
/// journals that there will ever be.
#[must_use]
pub fn segment(journal: &Path, number: u32) -> PathBuf {
    segments(journal).join(format!("{number:08}.ndjson"))
}

/// The number of a segment by the name of its file; `None` for files of other names.
#[must_use]
pub fn number(segment: &Path) -> Option<u32> {
    let name = segment.file_name()?.to_str()?;
    let number = name.strip_suffix(".ndjson")?.parse().ok()?;
    (name == format!("{number:08}.ndjson")).then_some(number)
}

/// Opens a file of a journal for reading. What is no regular file is an error: a pipe would be
/// waited for.
///
/// # Errors
/// What the operating system says.
pub fn open(path: &Path) -> io::Result<fs::File> {
    if fs::metadata(path)?.is_file() {
        return fs::File::open(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
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

/// The directory that holds `segments`: `dir` itself, or the `journal` in it. If nobody may look
/// into that one, it is taken to be it.
#[must_use]
pub fn find(dir: &Path) -> PathBuf {
    let below = dir.join("journal");
    let is_below = || segments(&below).try_exists().unwrap_or(true);
    if !segments(dir).is_dir() && is_below() { below } else { dir.to_owned() }
}

/// The segments of a journal, by number, with their files; none if it has no directory of them.
/// Files of other names are not segments.
///
/// # Errors
/// `File` if the directory cannot be read.
pub fn list(journal: &Path) -> Result<Vec<(u32, PathBuf)>, HostError> {
    let directory = segments(journal);
    let failed = |source| HostError::File {
        what: "cannot list the segments in",
        path: directory.clone(),
        source,
    };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        found.extend(number(&path).map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_segment_is_found_by_the_name_it_was_given_and_by_no_other() -> Outcome {
        let dir = tempfile::tempdir()?;
        fs::create_dir(segments(dir.path()))?;
        let numbers = [1, 99_999_999, 100_000_000, u32::MAX];
        for number in numbers {
            fs::write(segment(dir.path(), number), "")?;
        }
        for other in ["1", "000000001", "+0000001", "4294967296", "0000000a", "1e8"] {
            fs::write(segments(dir.path()).join(format!("{other}.ndjson")), "")?;
        }
        let found: Vec<u32> = list(dir.path())?.into_iter().map(|(number, _)| number).collect();
        assert_eq!(found, numbers);
        Ok(())
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_not_taken_for_an_empty_journal() -> Outcome {
        let dir = tempfile::tempdir()?;
        assert_eq!(list(dir.path())?, []);
        // A link to itself is what even a privileged user cannot follow.
        std::os::unix::fs::symlink("segments", segments(dir.path()))?;
        assert!(matches!(list(dir.path()), Err(HostError::File { .. })));
        let above = tempfile::tempdir()?;
        let below = above.path().join("journal");
        std::os::unix::fs::symlink("journal", &below)?;
        assert_eq!(find(above.path()), below);
        assert!(matches!(list(&below), Err(HostError::File { .. })));
        Ok(())
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() -> Outcome {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("00000001.ndjson");
        let _bound = std::os::unix::net::UnixListener::bind(&socket)?;
        for path in [socket.as_path(), dir.path()] {
            let refused = open(path).err().ok_or("it was opened")?;
            assert!(refused.to_string().contains("no regular file"), "{refused}");
        }
        Ok(())
    }
}
