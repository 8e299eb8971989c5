//! The file that holds the keys of seals.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::{KEY_BYTES, KeyId, SealKeys};
use crate::HostError;

/// The most bytes that a key file may have.
const FILE_BYTES: u64 = 64 << 10;

/// A file of keys: one in base64 a line, the current one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys in it.
    ///
    /// # Errors
    /// `SealKeys` if it cannot be read or holds something else than keys.
    pub fn read(&self) -> Result<SealKeys, HostError> {
        if self.path.is_dir() {
            let why = "it is a directory: name the file in it, such as `seal.key`";
            return Err(self.failed(why.to_owned()));
        }
        let text = self.text().map_err(|error| self.failed(error.to_string()))?;
        SealKeys::parse(&text).map_err(|why| self.failed(why))
    }

    fn text(&self) -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(&self.path)?.take(FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Puts keys in the place of the file.
    fn put(&self, text: &str) -> Result<(), HostError> {
        SealKeys::parse(text).map_err(|why| self.failed(why))?;
        replace(&self.path, text).map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, why: String) -> HostError {
        HostError::SealKeys { path: self.path.clone(), why }
    }
}

/// Where a new key stands among those of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewKey {
    First,
    Last,
}

/// Makes a new key the current one of the file at `path`, which is made, for its owner only, if it
/// is not there. The keys that it holds already are kept, to check older seals with.
///
/// # Errors
/// `SealKeys` if the file cannot be read or written, or holds something else than keys.
pub fn make_key(path: &Path) -> Result<KeyId, HostError> {
    add_key(path, NewKey::First)
}

/// Makes a new key that only checks seals until [`make_current`] puts it first, so that every
/// replica can know it before the first seal is made with it.
///
/// # Errors
/// As [`make_key`].
pub fn make_standby_key(path: &Path) -> Result<KeyId, HostError> {
    add_key(path, NewKey::Last)
}

fn add_key(path: &Path, new: NewKey) -> Result<KeyId, HostError> {
    let file = KeyFile::at(path);
    let before = match file.text() {
        Ok(text) => {
            SealKeys::parse(&text).map_err(|why| file.failed(why))?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(file.failed(error.to_string())),
    };
    let (line, id) = new_line().map_err(|why| file.failed(why))?;
    let text = match new {
        NewKey::First => format!("{line}{before}"),
        NewKey::Last if before.is_empty() || before.ends_with('\n') => format!("{before}{line}"),
        NewKey::Last => format!("{before}\n{line}"),
    };
    file.put(&text)?;
    Ok(id)
}

/// The line of a new key, and its id.
///
/// # Errors
/// A sentence, if the system has no random numbers.
pub(crate) fn new_line() -> Result<(String, KeyId), String> {
    let mut key = [0; KEY_BYTES];
    let drawn = SystemRandom::new().fill(&mut key);
    drawn.map_err(|_| "the system has no random numbers".to_owned())?;
    Ok((format!("{}\n", STANDARD.encode(key)), SealKeys::id(&key)))
}

/// Makes the key with this id the current one of the file at `path`: its line comes first, and the
/// rest of the file stays as it is.
///
/// # Errors
/// `SealKeys` if the file cannot be read or written, or holds no such key.
pub fn make_current(path: &Path, id: &str) -> Result<KeyId, HostError> {
    let file = KeyFile::at(path);
    let text = file.text().map_err(|error| file.failed(error.to_string()))?;
    SealKeys::parse(&text).map_err(|why| file.failed(why))?;
    let of = |line: &str| STANDARD.decode(line.trim()).ok().map(|key| SealKeys::id(&key));
    let mut lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| of(line).is_some_and(|key| key.as_str() == id));
    let place = place.ok_or_else(|| file.failed(format!("it holds no key {id}")))?;
    let line = lines.remove(place);
    lines.insert(0, line);
    file.put(&format!("{}\n", lines.join("\n")))?;
    Ok(KeyId::named(id))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_new_key_comes_first_and_the_earlier_ones_are_kept_for_their_owner_only() -> Outcome {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("seal.key");
        let first = make_key(&path)?;
        let second = make_key(&path)?;
        let keys = KeyFile::at(&path).read()?;
        assert_eq!(keys.ids().collect::<Vec<_>>(), [&second, &first]);
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn a_key_on_standby_comes_last_until_it_is_made_the_current_one() -> Outcome {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("seal.key");
        let ids = || -> Result<Vec<KeyId>, HostError> {
            Ok(KeyFile::at(&path).read()?.ids().cloned().collect())
        };
        let first = make_standby_key(&path)?;
        let text = fs::read_to_string(&path)?;
        fs::write(&path, format!("# of the shop\n{}", text.trim_end()))?;
        let second = make_standby_key(&path)?;
        assert_eq!(ids()?, [first.clone(), second.clone()]);
        make_current(&path, second.as_str())?;
        assert_eq!(ids()?, [second, first]);
        assert!(fs::read_to_string(&path)?.contains("# of the shop"));
        let error = make_current(&path, "0123").err().ok_or("an error")?.to_string();
        assert!(error.contains("it holds no key 0123"), "{error}");
        let error = KeyFile::at(dir.path()).read().err().ok_or("an error")?.to_string();
        assert!(error.contains("name the file in it"), "{error}");
        Ok(())
    }

    #[test]
    fn a_file_that_holds_no_keys_is_named_but_not_shown() -> Outcome {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("seal.key");
        fs::write(&path, "# a comment\nhunter2\n")?;
        let error = KeyFile::at(&path).read().err().ok_or("an error")?.to_string();
        assert!(error.contains("seal.key") && error.contains("line 2"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(make_key(&path).is_err());
        Ok(())
    }
}
