//! The one place that writes to standard output and standard error.
//!
//! A reader that goes away (`portreeve demo | head`) is no failure of the command. Output that is
//! lost otherwise, as on a full disk, is: nobody is to take half a report for the whole.

use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use portreeve_protocol::letter::steers;

/// How a piece of text looks where colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// A heading.
    Heading,
    /// Less important.
    Quiet,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Heading => "1",
            Self::Quiet => "2",
        }
    }
}

enum Stream {
    Error,
    Output,
}

/// Why output was lost, the first time.
static LOST: OnceLock<ErrorKind> = OnceLock::new();

/// Why some of what was written to standard output was lost, if it was.
pub(crate) fn lost_output() -> Option<ErrorKind> {
    // What waits for the end of its line would fail only when the process ends, unseen.
    note(std::io::stdout().flush());
    LOST.get().copied()
}

fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first reason is told.
        let _ = LOST.set(error.kind());
    }
}

/// A stream to a person or a file.
pub(crate) struct Terminal {
    colour: bool,
    /// Columns of the terminal; `None` if it is none.
    columns: Option<usize>,
    stream: Stream,
}

impl Terminal {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self::of(Stream::Output, std::io::stdout())
    }

    /// Standard error.
    pub(crate) fn stderr() -> Self {
        Self::of(Stream::Error, std::io::stderr())
    }

    fn of(stream: Stream, descriptor: impl IsTerminal + AsFd) -> Self {
        let is_terminal = descriptor.is_terminal();
        let columns = is_terminal.then(|| columns(descriptor).unwrap_or(COLUMNS));
        Self { colour: colour(is_terminal), columns, stream }
    }

    /// Whether somebody looks at it.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.columns.is_some()
    }

    /// Columns that text may have: those of the terminal, and 100 elsewhere.
    pub(crate) fn width(&self) -> usize {
        self.columns.map_or(COLUMNS, |columns| columns.max(NARROWEST))
    }

    /// Writes `text` in place of what the last line shows. For terminals only.
    pub(crate) fn redraw(&self, text: &str) {
        let text = printable(text);
        let written = match self.stream {
            Stream::Error => write!(std::io::stderr().lock(), "\r\x1b[K{text}"),
            Stream::Output => write!(std::io::stdout().lock(), "\r\x1b[K{text}"),
        };
        drop(written);
    }

    /// Writes `text` and a line end. Control characters are left out but for line ends, so that
    /// nothing named by others can steer a terminal.
    pub(crate) fn line(&self, text: &str) {
        self.write(&printable(text));
    }

    /// Writes `text` as a paragraph of at most 100 columns, as far as words allow, each line behind
    /// `indent` blanks.
    pub(crate) fn paragraph(&self, indent: usize, text: &str) {
        for line in wrap(&printable(text), COLUMNS - indent) {
            self.write(&format!("{:indent$}{line}", ""));
        }
    }

    /// Writes `text` in `style` and a line end.
    pub(crate) fn styled(&self, style: Style, text: &str) {
        self.write(&self.paint(style, text));
    }

    /// Writes pieces, each in its own style, and a line end.
    pub(crate) fn pieces<'a>(&self, pieces: impl IntoIterator<Item = (Option<Style>, &'a str)>) {
        let mut line = String::new();
        for (style, text) in pieces {
            match style {
                Some(style) => line.push_str(&self.paint(style, text)),
                None => line.push_str(&printable(text)),
            }
        }
        self.write(line.trim_end());
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let text = printable(text);
        if self.colour && !text.trim().is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text
        }
    }

    fn write(&self, line: &str) {
        match self.stream {
            // There is nowhere else to say it.
            Stream::Error => drop(writeln!(std::io::stderr().lock(), "{line}")),
            Stream::Output => note(writeln!(std::io::stdout().lock(), "{line}")),
        }
    }
}

/// Colours are for terminals that can show them, unless the user wants none (no-color.org).
fn colour(is_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of a terminal, as it says itself.
fn columns(descriptor: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(descriptor).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Columns of a paragraph, and of text where there is no terminal.
const COLUMNS: usize = 100;
/// Columns that are always assumed.
const NARROWEST: usize = 40;

/// Breaks `text` between words into lines of at most `columns` characters.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn printable(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || !steers(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\r\nc"), "a[31mb\nc");
    }

    #[test]
    fn paragraphs_break_between_words_only() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("a registry.example/app b", 5), ["a", "registry.example/app", "b"]);
    }

    #[test]
    fn without_colour_nothing_is_added() {
        let plain = Terminal { colour: false, columns: None, stream: Stream::Output };
        let coloured = Terminal { colour: true, columns: Some(80), stream: Stream::Output };
        assert_eq!(plain.paint(Style::Bad, "no"), "no");
        assert_eq!(coloured.paint(Style::Bad, "no"), "\x1b[31mno\x1b[0m");
    }
}
