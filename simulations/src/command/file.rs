//! Scenarios in files.

use std::path::Path;

use portreeve_simulations::shrink::Case;

use super::error::CommandError;

/// Reads a scenario that guards a rule.
pub(crate) fn read(path: &Path) -> Result<Case, CommandError> {
    let file = |source| CommandError::File { what: "read", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let bad = |source| CommandError::NoScenario { path: path.to_owned(), source };
    serde_json::from_str(&text).map_err(bad)
}

/// Writes one, and the directory it stands in if need be.
pub(crate) fn write(path: &Path, case: &Case) -> Result<(), CommandError> {
    let file = |source| CommandError::File { what: "write", path: path.to_owned(), source };
    let text = text(case)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(file)?;
    }
    std::fs::write(path, text).map_err(file)
}

/// The text of a file.
pub(crate) fn text(case: &Case) -> Result<String, CommandError> {
    let mut text = serde_json::to_string_pretty(case).map_err(CommandError::Unwritable)?;
    text.push('\n');
    Ok(text)
}
