//! What the documents name, and what must be named in them.

use std::collections::BTreeSet;
use std::path::Path;

use super::Violation;

/// The directories a repository path begins with.
const TOP: &[&str] = &["protocol", "actors", "simulations", "tests", "docs", "deploy", ".ci"];

/// Files at the top of the repository that documents may name.
const TOP_FILES: &[&str] =
    &["Cargo.toml", "Cargo.lock", "deny.toml", "clippy.toml", "rustfmt.toml", "LICENSE"];

/// The repository paths that `text` names between backticks, each with its line.
#[must_use]
pub fn named_paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        for token in line.split('`').skip(1).step_by(2) {
            if let Some(path) = repository_path(token) {
                found.push((index + 1, path));
            }
        }
    }
    found
}

/// `token` as a repository path without trailing slash or line number; `None` if it is no path.
fn repository_path(token: &str) -> Option<String> {
    let plain = |part: char| part.is_ascii_alphanumeric() || "/._-".contains(part);
    let (path, line) = token.split_once(':').unwrap_or((token, ""));
    if path.is_empty() || !path.chars().all(plain) || line.chars().any(|it| !it.is_ascii_digit()) {
        return None;
    }
    let path = path.trim_end_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let inside = TOP.contains(&first) && (!rest.is_empty() || token.ends_with('/'));
    (inside || TOP_FILES.contains(&path)).then(|| path.to_owned())
}

/// Every repository path that `text` names exists.
#[must_use]
pub fn dead_paths(document: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let dead = named_paths(text).into_iter().filter(|(_, path)| !exists(path));
    dead.map(|(line, found)| Violation {
        path: document.to_owned(),
        line,
        rule: "a path that a document names exists",
        found,
    })
    .collect()
}

/// Every directory of `needed` is named in `text`, by itself or by its `mod.rs` or `lib.rs`.
#[must_use]
pub fn unnamed(document: &str, text: &str, needed: &BTreeSet<String>) -> Vec<Violation> {
    let separator = |it: char| it.is_whitespace() || "`()[],;".contains(it);
    let words: BTreeSet<&str> =
        text.split(separator).map(|word| word.trim_end_matches(['/', '.', ':'])).collect();
    let is_named = |path: &str| {
        words.contains(path)
            || words.contains(format!("{path}/mod.rs").as_str())
            || words.contains(format!("{path}/src/lib.rs").as_str())
    };
    let missing = needed.iter().filter(|path| !is_named(path));
    missing
        .map(|path| Violation {
            path: document.to_owned(),
            line: 1,
            rule: "every crate and module directory is named in the code map",
            found: path.clone(),
        })
        .collect()
}

/// The crate directories among `files`, and the module directories below their `src`.
#[must_use]
pub fn directories(files: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files {
        let path = Path::new(file);
        let Some(parent) = path.parent().and_then(Path::to_str) else { continue };
        if path.ends_with("Cargo.toml") && !parent.is_empty() {
            found.insert(parent.to_owned());
        }
        let module = file.ends_with(".rs") && parent.contains("/src/");
        if module {
            found.insert(parent.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_reported_at_its_line() {
        let text = "See `protocol/src/a.rs`\nand `actors/none/`, `a/b`, `std::fs`, `POST /admit`.";
        let found = dead_paths("README.md", text, |path| path == "protocol/src/a.rs");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].found.as_str()), (2, "actors/none"));
    }

    #[test]
    fn a_module_directory_that_is_not_named_is_reported() {
        let files = ["a/Cargo.toml", "a/src/lib.rs", "a/src/b/mod.rs", "a/src/c/d.rs"];
        let needed = directories(&files.map(str::to_owned));
        let text = "`a/src/b/mod.rs` is in `a/`.";
        let found: Vec<String> =
            unnamed("A.md", text, &needed).into_iter().map(|it| it.found).collect();
        assert_eq!(found, vec!["a/src/c"]);
    }
}
