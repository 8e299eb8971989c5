//! Takes over what another client of Notary keeps: `tuf/<GUN>/metadata/<role>.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::{Blob, Denial, limits};

use super::options::{Options, usage};
use crate::error::CommandError;

/// How deep delegations may stand in each other.
const DEPTH: usize = 64;

/// The trust that the directory tells of the image's collection, for every trust server that may be
/// asked about it; what is in `kept` needs no help from elsewhere. The inner error is a cache that
/// is there but spoilt.
pub(super) fn adopt(
    directory: Option<&Path>,
    options: &mut Options,
    kept: &[TrustedCollection],
) -> Result<Result<Vec<TrustedCollection>, Denial>, CommandError> {
    let (Some(directory), Some(reference)) = (directory, &options.reference) else {
        return Ok(Ok(Vec::new()));
    };
    if !directory.is_dir() {
        let text = directory.display().to_string();
        return Err(usage("--notary-cache", &text, "there is no such directory"));
    }
    let gun = reference.gun();
    let Some(metadata) = metadata(directory, &gun) else {
        let warning = format!("{} holds nothing of {gun}", directory.display());
        options.warnings.push(warning);
        return Ok(Ok(Vec::new()));
    };
    let mut files = BTreeMap::new();
    collect(&metadata, "", DEPTH, &mut files)?;
    let mut adopted = Vec::new();
    for server in &options.servers {
        if kept.iter().any(|it| it.gun == gun && &it.server == server) {
            continue;
        }
        match portreeve_trust::adopt(&gun, server, &files) {
            Ok(collection) => adopted.extend(collection),
            Err(denial) => return Ok(Err(denial)),
        }
    }
    Ok(Ok(adopted))
}

/// The directory of the collection's documents, whether `directory` is the trust directory, the
/// `tuf` in it, the collection's, or that of the documents itself.
fn metadata(directory: &Path, gun: &str) -> Option<PathBuf> {
    let below = |parts: &[&str]| parts.iter().fold(directory.to_owned(), |at, part| at.join(part));
    [
        below(&["tuf", gun, "metadata"]),
        below(&[gun, "metadata"]),
        below(&["trust", "tuf", gun, "metadata"]),
        below(&["metadata"]),
        directory.to_owned(),
    ]
    .into_iter()
    .find(|place| place.join("root.json").is_file() || place.join("timestamp.json").is_file())
}

/// Every document below `directory`, by role.
fn collect(
    directory: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Blob>,
) -> Result<(), CommandError> {
    let failed = |source| CommandError::File { what: "read", path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() && depth > 0 {
            collect(&path, &format!("{prefix}{name}/"), depth - 1, files)?;
        } else if let (true, Some(role)) = (path.is_file(), name.strip_suffix(".json")) {
            if files.len() > limits::DELEGATIONS + 4 {
                let text = directory.display().to_string();
                return Err(usage("--notary-cache", &text, "there are too many documents in it"));
            }
            files.insert(format!("{prefix}{role}"), Blob::new(bytes(&path)?));
        }
    }
    Ok(())
}

/// A document as it is; what is too long is cut and so is not well-formed.
fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    let failed = |source| CommandError::File { what: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limits::TARGETS_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
