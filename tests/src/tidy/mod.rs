//! The house rules. `tests/tests/tidy.rs` applies them to the workspace; here each rule is a
//! function of text, with a test that shows what it finds.

mod declarations;
pub mod forms;
pub mod function;
pub mod graph;
pub mod lint;
pub mod manual;
pub mod pages;
pub mod planted;
pub mod reasons;
pub mod rules;
pub mod shapes;
pub mod source;
pub mod tree;

use std::fmt;

pub use source::Source;

/// A rule that is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path below the workspace root.
    pub path: String,
    /// Line, counted from 1.
    pub line: usize,
    /// The rule, in a sentence.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {} ({})", self.path, self.line, self.rule, self.found)
    }
}

/// All violations, one a line, in order of file and line.
#[must_use]
pub fn report(mut violations: Vec<Violation>) -> String {
    violations.sort();
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    lines.join("\n")
}
