//! `docs/lint.md`, written from the table of codes.

use std::fmt::Write as _;

use portreeve_machines::lint::{LintCode, Severity};

/// The page: every code by its weight, with its meaning and what to do.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# What `portreeve policy lint` finds\n\n\
         Written from the table in `actors/machines/src/lint/code.rs`; `PORTREEVE_BLESS=1 cargo \
         test -p portreeve-tests --test tidy`\nwrites it anew. A code never changes its meaning. \
         Rules are held against images that are made from their own patterns, by the code that \
         decides\nin a cluster; no server is asked. `--json` prints one object: `findings`, each \
         with `severity`, `code`, `policy` (`group`, `kind`,\n`namespace`, `name`), `rule` \
         (`index`, `pattern`), `message` and `advice`; and the number of `policies`.\n",
    );
    for severity in Severity::ALL.into_iter().rev() {
        let heading = match severity {
            Severity::Error => "it cannot do what it says",
            Severity::Note => "worth knowing",
            Severity::Warning => "probably not meant",
        };
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## `{}`: {heading}\n\n", severity.name());
        page.push_str("| code | what it means | what to do |\n|---|---|---|\n");
        for code in LintCode::ALL.iter().filter(|code| code.severity() == severity) {
            let _ =
                writeln!(page, "| `{}` | {} | {} |", code.code(), code.meaning(), code.advice());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row() {
        let page = page();
        for code in LintCode::ALL {
            let row = format!("| `{}` |", code.code());
            assert_eq!(page.lines().filter(|line| line.starts_with(&row)).count(), 1, "{code:?}");
        }
    }
}
