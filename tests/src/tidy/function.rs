//! Functions and their lengths.

use super::source::{Source, block_end, line_of};
use super::{Violation, rules};

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, counted from 1.
    pub first: usize,
    /// The line of its closing brace.
    pub last: usize,
}

/// Every function of the file that has a body, nested ones too, in order.
#[must_use]
pub fn functions(source: &Source) -> Vec<Function> {
    let code: Vec<char> = source.code.chars().collect();
    let word = |index: usize| {
        code.get(index).is_some_and(|found: &char| found.is_alphanumeric() || *found == '_')
    };
    let mut found = Vec::new();
    for at in 0..code.len().saturating_sub(3) {
        let starts = code[at..at + 2] == ['f', 'n']
            && code[at + 2].is_whitespace()
            && (at == 0 || !word(at - 1));
        if !starts {
            continue;
        }
        let name: String = code[at + 2..]
            .iter()
            .skip_while(|character| character.is_whitespace())
            .take_while(|character| character.is_alphanumeric() || **character == '_')
            .collect();
        if name.is_empty() {
            continue;
        }
        if let Some(end) = block_end(&code, at) {
            found.push(Function { name, first: line_of(&code, at), last: line_of(&code, end) });
        }
    }
    found
}

/// No function is longer than [`rules::FUNCTION_LINES`], its signature and last brace included.
#[must_use]
pub fn length(source: &Source) -> Vec<Violation> {
    let long = |function: &Function| function.last - function.first + 1 > rules::FUNCTION_LINES;
    let violation = |function: Function| {
        let lines = function.last - function.first + 1;
        let found = format!("{} has {lines} lines", function.name);
        source.violation(function.first, "a function has at most 70 lines", &found)
    };
    functions(source).into_iter().filter(long).map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_71_lines_is_reported_and_one_of_70_is_not() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert_eq!(length(&Source::new("x.rs", body(70))), vec![]);
        let found = length(&Source::new("x.rs", body(71)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 1);
    }

    #[test]
    fn function_pointers_and_declarations_without_a_body_are_no_functions() {
        let source =
            Source::new("x.rs", "type A = fn(u8);\ntrait B { fn c(&self, d: [u8; 2]); }\n");
        assert_eq!(functions(&source), vec![]);
    }
}
