//! The directory in which a bundle is made: what is published, and what is not yet.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use portreeve_protocol::anchors::{TARGET, TrustAnchors};
use tough::schema::{Root, Signed};

use crate::error::BundleError;

/// The root that waits for signatures.
const PENDING: &str = "pending-root.json";
/// The newest root with all its signatures: what clusters are given to start from.
const ROOT: &str = "root.json";

/// A directory with `trust.json` as it is to be published, `root.json`, and the published
/// `metadata` and `targets`.
#[derive(Debug, Clone)]
pub struct Workshop {
    place: PathBuf,
}

impl Workshop {
    /// The workshop at `place`.
    #[must_use]
    pub fn at(place: &Path) -> Self {
        Self { place: place.to_owned() }
    }

    /// Its directory.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where `trust.json` is written to.
    #[must_use]
    pub fn draft_path(&self) -> PathBuf {
        self.place.join(TARGET)
    }

    /// What is to be published next.
    ///
    /// # Errors
    /// `File` if there is no `trust.json`, `Workshop` if it cannot be understood.
    pub fn draft(&self) -> Result<TrustAnchors, BundleError> {
        let path = self.draft_path();
        let text = read(&path)?;
        TrustAnchors::parse(&text)
            .and_then(|anchors| {
                crate::load::signers(&anchors)?;
                Ok(anchors)
            })
            .map_err(|why| BundleError::Workshop(format!("{}: {why}", path.display())))
    }

    /// Replaces what is to be published next.
    ///
    /// # Errors
    /// `Workshop` if it could not be understood, `File` if it cannot be written.
    pub fn set_draft(&self, anchors: &TrustAnchors) -> Result<(), BundleError> {
        let mut anchors = anchors.clone();
        anchors.sort();
        let text = anchors.text().and_then(|text| crate::load::signers(&anchors).map(|()| text));
        let text = text.map_err(BundleError::Workshop)?;
        self.write(TARGET, text.as_bytes())
    }

    /// The newest root that has all its signatures.
    ///
    /// # Errors
    /// `File` if there is none, `Workshop` if it is not one.
    pub(crate) fn root(&self) -> Result<(Signed<Root>, Vec<u8>), BundleError> {
        let path = self.place.join(ROOT);
        let bytes = read(&path)?;
        Ok((parse(&path, &bytes)?, bytes))
    }

    /// Whether there is a root with all its signatures.
    pub(crate) fn has_root(&self) -> bool {
        self.place.join(ROOT).exists()
    }

    /// The root that waits for signatures, if one does.
    pub(crate) fn pending(&self) -> Result<Option<Signed<Root>>, BundleError> {
        let path = self.pending_path();
        if !path.exists() {
            return Ok(None);
        }
        parse(&path, &read(&path)?).map(Some)
    }

    /// Where a root waits for signatures.
    fn pending_path(&self) -> PathBuf {
        self.place.join(PENDING)
    }

    /// How a root that waits for signatures is got rid of, in a sentence for who made it.
    #[must_use]
    pub fn abandoning(&self) -> String {
        let file = self.pending_path();
        format!("Was it made by mistake, delete {}: that abandons it.", file.display())
    }

    /// Keeps a root until it has its signatures.
    pub(crate) fn set_pending(&self, bytes: &[u8]) -> Result<(), BundleError> {
        self.write(PENDING, bytes)
    }

    /// Puts a root in force, and among the metadata under its version.
    pub(crate) fn set_root(&self, version: u64, bytes: &[u8]) -> Result<(), BundleError> {
        self.write(&format!("metadata/{version}.root.json"), bytes)?;
        self.write(ROOT, bytes)?;
        let pending = self.place.join(PENDING);
        match fs::remove_file(&pending) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(BundleError::File { what: "remove", path: pending, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A file of what is published; `None` if it is not there.
    pub(crate) fn published(&self, name: &str) -> Result<Option<Vec<u8>>, BundleError> {
        let path = self.place.join(name);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Writes a file whole, so that nobody ever reads half of it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let path = self.place.join(name);
        let write = || {
            let folder = path.parent().unwrap_or(&self.place);
            fs::create_dir_all(folder)?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let beside = folder.join(format!(".{file}.new"));
            let mut new = fs::File::create(&beside)?;
            new.write_all(bytes)?;
            new.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|source| BundleError::File { what: "write", path: path.clone(), source })
    }

    /// Removes the files of a folder of which `stale` says so by their name.
    pub(crate) fn prune(&self, folder: &str, stale: impl Fn(&str) -> bool) {
        let entries = fs::read_dir(self.place.join(folder)).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| stale(&entry.file_name().to_string_lossy())) {
            // What cannot be removed is only of no use.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    let file = |source| BundleError::File { what: "read", path: path.to_owned(), source };
    fs::read(path).map_err(file)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Signed<Root>, BundleError> {
    serde_json::from_slice(bytes)
        .map_err(|_| BundleError::Workshop(format!("{} is no root of TUF 1.0", path.display())))
}
