//! `docs/reasons.md`, written from the table of codes.

use std::fmt::Write as _;

use portreeve_protocol::{DenyClass, DenyCode};

/// The page: every code with its class, its meaning and what to do.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Reasons for a refusal\n\n\
         Written from the table in `protocol/src/reason.rs`; `PORTREEVE_BLESS=1 cargo test -p \
         portreeve-tests --test tidy`\nwrites it anew. A code never changes its meaning. The last \
         column names the reasons of the corpus\n(`tests/corpus/README.md`) that a code covers.\n",
    );
    for class in [DenyClass::Policy, DenyClass::Trust, DenyClass::Unavailable, DenyClass::Internal]
    {
        section(&mut page, class);
    }
    page
}

fn section(page: &mut String, class: DenyClass) {
    let heading = match class {
        DenyClass::Internal => "Portreeve itself failed",
        DenyClass::Policy => "the policy, or the workload as written, does not allow it",
        DenyClass::Trust => "the signed data does not allow it",
        DenyClass::Unavailable => "the signed data could not be had",
    };
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## `{}`: {heading}\n\n", class.name());
    page.push_str("| code | what it means | what to do | corpus |\n|---|---|---|---|\n");
    for code in DenyCode::ALL.iter().filter(|code| code.class() == class) {
        let covered: Vec<_> =
            code.corpus_reasons().iter().map(|reason| format!("`{reason}`")).collect();
        let (name, covered) = (code.code(), covered.join(", "));
        let _ = writeln!(page, "| `{name}` | {} | {} | {covered} |", code.meaning(), code.advice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row() {
        let page = page();
        for code in DenyCode::ALL {
            let row = format!("| `{}` |", code.code());
            assert_eq!(page.lines().filter(|line| line.starts_with(&row)).count(), 1, "{code:?}");
        }
    }
}
