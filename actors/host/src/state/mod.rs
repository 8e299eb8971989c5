//! The trust that `portreeve check` keeps between its runs: roots, floors and verified documents.
//!
//! `trust.json` names everything by digest, the documents lie beside it as blobs. A change is
//! written as a whole: first the blobs, then the new `trust.json` in the place of the old one. One
//! process at a time uses a directory.

mod summary;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::messages::admission::BundleLoaded;
use portreeve_protocol::{Blob, Sha256, Wall, limits};
use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::journal::{Disk, FileBlobs, FileSystem, Lock, layout};

pub use summary::{RoleSummary, TrustSummary};

/// The version of `trust.json` that this build writes and reads.
const SCHEMA: u32 = 1;

/// A directory of trust, held by this process until it is dropped.
#[derive(Debug)]
pub struct TrustState {
    directory: PathBuf,
    kept: Kept,
    _lock: Lock,
}

/// What `trust.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The last trust bundle taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundle: Option<Box<BundleLoaded>>,
    /// What operators reset, oldest first.
    resets: Vec<Reset>,
    /// [`SCHEMA`].
    schema: u32,
    /// The trust, in order of server and GUN.
    trust: Vec<TrustedCollection>,
}

/// A reset by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// When.
    pub at: Wall,
    /// The collection.
    pub gun: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// The trust server.
    pub server: String,
}

impl TrustState {
    /// Takes the directory, which is made if it is not there, and reads what it holds.
    ///
    /// # Errors
    /// `StateInUse` if another process has it, `StateSpoilt` if what it holds cannot be used,
    /// `File`.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        let failed = |what, source| HostError::File { what, path: directory.to_owned(), source };
        fs::create_dir_all(directory)
            .map_err(|source| failed("cannot make the directory", source))?;
        let lock = match Lock::take(directory) {
            Err(HostError::JournalInUse { path }) => return Err(HostError::StateInUse { path }),
            taken => taken?,
        };
        let kept = read(directory)?;
        Ok(Self { directory: directory.to_owned(), kept, _lock: lock })
    }

    /// The trust, in order of server and GUN, every document with its bytes.
    #[must_use]
    pub fn trust(&self) -> &[TrustedCollection] {
        &self.kept.trust
    }

    /// The last trust bundle taken, with its bytes.
    #[must_use]
    pub fn bundle(&self) -> Option<&BundleLoaded> {
        self.kept.bundle.as_deref()
    }

    /// What operators reset, oldest first.
    #[must_use]
    pub fn resets(&self) -> &[Reset] {
        &self.kept.resets
    }

    /// Puts trust and trust bundle in the place of what was kept; documents out of use are removed.
    ///
    /// # Errors
    /// `File`; what was kept before is then still there.
    pub fn replace(
        &mut self,
        trust: Vec<TrustedCollection>,
        bundle: Option<Box<BundleLoaded>>,
    ) -> Result<(), HostError> {
        if trust == self.kept.trust && bundle == self.kept.bundle {
            return Ok(());
        }
        let kept = Kept { bundle, trust, ..self.kept.clone() };
        self.write(kept)
    }

    /// Forgets what is trusted of a collection, and notes who asked for it why. `false` if nothing
    /// was known of it, and then nothing is noted.
    ///
    /// # Errors
    /// `File`; what was kept before is then still there.
    pub fn forget(
        &mut self,
        gun: &str,
        server: &str,
        reason: &str,
        at: Wall,
    ) -> Result<bool, HostError> {
        let mut kept = self.kept.clone();
        kept.trust.retain(|it| it.gun != gun || it.server != server);
        if kept.trust.len() == self.kept.trust.len() {
            return Ok(false);
        }
        let (gun, reason, server) = (gun.to_owned(), reason.to_owned(), server.to_owned());
        kept.resets.push(Reset { at, gun, reason, server });
        let surplus = kept.resets.len().saturating_sub(limits::RESETS);
        kept.resets.drain(..surplus);
        self.write(kept)?;
        Ok(true)
    }

    fn write(&mut self, mut kept: Kept) -> Result<(), HostError> {
        kept.trust.sort_by(|one, other| (&one.server, &one.gun).cmp(&(&other.server, &other.gun)));
        let failed = |path: &Path, source| HostError::File {
            what: "cannot write",
            path: path.to_owned(),
            source,
        };
        let mut in_use = BTreeSet::new();
        for blob in kept.blobs_mut() {
            let path = layout::blob(&self.directory, &blob.digest());
            if in_use.insert(blob.digest()) && !path.is_file() {
                FileSystem.put(&path, blob.bytes()).map_err(|source| failed(&path, source))?;
            }
        }
        let path = file(&self.directory);
        let text = serde_json::to_vec(&kept).map_err(|error| failed(&path, error.into()))?;
        FileSystem.put(&path, &text).map_err(|source| failed(&path, source))?;
        self.kept = kept;
        remove_others(&self.directory, &in_use);
        Ok(())
    }
}

impl Kept {
    fn blobs_mut(&mut self) -> impl Iterator<Item = &mut Blob> {
        let bundle = self.bundle.iter_mut().flat_map(|bundle| bundle.blobs_mut());
        self.trust.iter_mut().flat_map(TrustedCollection::blobs_mut).chain(bundle)
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("trust.json")
}

fn read(directory: &Path) -> Result<Kept, HostError> {
    let path = file(directory);
    let failed = |source| HostError::File { what: "cannot read", path: path.clone(), source };
    let open = match fs::File::open(&path) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (resets, trust) = (Vec::new(), Vec::new());
            return Ok(Kept { bundle: None, resets, schema: SCHEMA, trust });
        }
        Err(error) => return Err(failed(error)),
    };
    let spoilt = |why: String| HostError::StateSpoilt { path: path.clone(), why };
    let mut text = Vec::new();
    open.take(limits::STATE_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > limits::STATE_BYTES {
        return Err(spoilt(format!("it has more than {} bytes", limits::STATE_BYTES)));
    }
    let mut kept: Kept = serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        spoilt(format!("it is not what was written: line {line}, column {column}"))
    })?;
    if kept.schema != SCHEMA {
        return Err(spoilt(format!(
            "its schema is {}, and this build reads {SCHEMA}",
            kept.schema
        )));
    }
    let blobs = FileBlobs::of(directory);
    for blob in kept.blobs_mut() {
        blob.hydrate(&blobs).map_err(|error| spoilt(error.to_string()))?;
    }
    Ok(kept)
}

/// Removes the blobs that nothing names any more. One that stays does no harm.
fn remove_others(directory: &Path, in_use: &BTreeSet<Sha256>) {
    let shelves = fs::read_dir(directory.join("blobs").join("sha256")).into_iter().flatten();
    let files =
        shelves.flatten().flat_map(|shelf| fs::read_dir(shelf.path()).into_iter().flatten());
    for path in files.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let digest = name.and_then(|name| name.parse::<Sha256>().ok());
        if digest.is_none_or(|digest| !in_use.contains(&digest)) {
            drop(fs::remove_file(&path));
        }
    }
}
