//! The one place that writes to standard output and standard error.
//!
//! A reader that goes away (`simulations run --trace | head`) is no failure of the command, so
//! errors of writing are passed over.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two drawings of the bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Columns of the bar itself.
const BAR: usize = 24;
/// Columns that are always there.
const COLUMNS: usize = 79;

/// How a piece of text looks where colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bad news.
    Bad,
    /// Good news.
    Good,
    /// A heading.
    Heading,
    /// Less important.
    Quiet,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Bad => "31",
            Self::Good => "32",
            Self::Heading => "1",
            Self::Quiet => "2",
        }
    }
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Writes a line to standard output, in colour on a terminal.
pub(crate) fn styled(style: Style, text: &str) {
    line(&paint(style, text, colour(std::io::stdout().is_terminal())));
}

/// Writes a line to standard error.
pub(crate) fn aside(style: Style, text: &str) {
    let text = paint(style, text, colour(std::io::stderr().is_terminal()));
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Colours are for terminals that can show them, unless the user wants none (no-color.org).
fn colour(is_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

fn paint(style: Style, text: &str, colour: bool) -> String {
    if colour { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_owned() }
}

/// How far the work is, on one line of standard error that is drawn again and again; nothing
/// where that is no terminal.
pub(crate) struct Bar {
    drawn: Option<Instant>,
    is_terminal: bool,
    started: Instant,
    total: u64,
}

impl Bar {
    /// A bar that is full after `total` steps.
    pub(crate) fn new(total: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { drawn: None, is_terminal, started: Instant::now(), total }
    }

    /// Shows how far it is, with a few words behind.
    pub(crate) fn show(&mut self, done: u64, words: &str) {
        let now = Instant::now();
        let due = self.drawn.is_none_or(|drawn| now.duration_since(drawn) >= REDRAW);
        if self.is_terminal && due {
            self.drawn = Some(now);
            let text = text(done, self.total, now.duration_since(self.started), words);
            redraw(&text);
        }
    }
}

impl Drop for Bar {
    /// The line is left empty, however the work ended.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            redraw("");
        }
    }
}

fn redraw(text: &str) {
    let text: String = text.chars().take(COLUMNS).collect();
    drop(write!(std::io::stderr().lock(), "\r\x1b[K{text}"));
}

fn text(done: u64, total: u64, elapsed: Duration, words: &str) -> String {
    let total = total.max(done).max(1);
    let share = done as f64 / total as f64;
    let full = ((share * BAR as f64) as usize).min(BAR);
    let left = match done {
        0 => "-:--".to_owned(),
        _ => clock((elapsed.as_secs_f64() * (1.0 / share - 1.0)).ceil() as u64),
    };
    format!(
        "[{}{}] {:>3}%  {} of {}  {left} left  {words}",
        "#".repeat(full),
        "-".repeat(BAR - full),
        (share * 100.0) as u64,
        grouped(done),
        grouped(total),
    )
}

/// Seconds as minutes, or as hours and minutes.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_it_is_and_how_long_it_will_take() {
        assert_eq!(
            text(2_500, 10_000, Duration::from_secs(30), "1 broken"),
            "[######------------------]  25%  2,500 of 10,000  1:30 left  1 broken"
        );
        assert!(text(0, 0, Duration::ZERO, "").contains("-:--"));
        assert_eq!(clock(3_725), "1:02:05");
    }

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(paint(Style::Bad, "no", false), "no");
        assert_eq!(paint(Style::Bad, "no", true), "\x1b[31mno\x1b[0m");
    }
}
