//! The files of the repository.

use std::path::{Path, PathBuf};

use super::Source;
use crate::TestError;

/// Directories that are not part of the repository: what cargo, git, the end-to-end run and the
/// fuzzer write.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "tests/e2e/work",
    "tests/fuzz/artifacts",
    "tests/fuzz/coverage",
    "tests/fuzz/target",
];

/// The workspace root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Every file below `root`, as a path relative to it, sorted.
///
/// # Errors
/// `File` for a directory that cannot be read.
pub fn files(root: &Path) -> Result<Vec<String>, TestError> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let path = root.join(&directory);
        for entry in std::fs::read_dir(&path).map_err(TestError::file(&path))? {
            let entry = entry.map_err(TestError::file(&path))?;
            let relative = directory.join(entry.file_name());
            let name = relative.to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(TestError::file(entry.path()))?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                pending.push(relative);
            } else if kind.is_file() {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file below `root`.
///
/// # Errors
/// `File` if it cannot be read, or is not UTF-8.
pub fn read(root: &Path, relative: &str) -> Result<String, TestError> {
    let path = root.join(relative);
    std::fs::read_to_string(&path).map_err(TestError::file(path))
}

/// Every Rust file of the workspace.
///
/// # Errors
/// As [`files`] and [`read`].
pub fn sources(root: &Path) -> Result<Vec<Source>, TestError> {
    let rust = files(root)?.into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| read(root, &path).map(|text| Source::new(path, text))).collect()
}
