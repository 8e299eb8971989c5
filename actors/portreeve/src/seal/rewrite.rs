//! New seals in the place of old ones, in files of Kubernetes YAML.
//!
//! A seal is a word without blanks or quotes, so it is replaced as it stands: comments, order and
//! layout of the file stay as they are.

use std::fs;
use std::path::Path;

use portreeve_host::objects::Files;
use portreeve_host::seals::{KeyFile, Sealer, read};

use crate::error::CommandError;

/// Replaces every genuine seal of an older key in the files of `objects`; how many files changed.
pub(super) fn seals(objects: &Path, key: Option<&Path>) -> Result<usize, CommandError> {
    let Some(key) = key else { return Ok(0) };
    let sealer = Sealer::from(KeyFile::at(key).read()?);
    let usage = |why: String| CommandError::Usage {
        flag: "--objects",
        text: objects.display().to_string(),
        why,
    };
    let files = Files::read(objects).map_err(|fault| usage(fault.to_string()))?;
    let found = files.objects().map_err(|fault| usage(fault.to_string()))?;
    let keys = sealer.keys();
    let mut changes = Vec::new();
    for old in found.workloads.iter().filter_map(|workload| workload.seal.as_deref()) {
        if let Ok(seal) = read(&keys, old)
            && keys.current() != Some(&seal.key)
            && let Some(new) = sealer.seal(&seal.claims)
        {
            changes.push((old, new));
        }
    }
    let mut changed = 0;
    for name in files.names() {
        let path = objects.join(name);
        let failed = |what, source| CommandError::File { what, path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(|source| failed("read", source))?;
        let mut next = text.clone();
        for (old, new) in &changes {
            next = next.replace(old, new);
        }
        if next != text {
            let beside = path.with_extension("new");
            fs::write(&beside, next).map_err(|source| failed("write", source))?;
            fs::rename(&beside, &path).map_err(|source| failed("replace", source))?;
            changed += 1;
        }
    }
    Ok(changed)
}
