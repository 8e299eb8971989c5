//! How far a verification is, on one line of standard error that is drawn again and again.

use std::time::{Duration, Instant};

use crate::terminal::{Style, Terminal};

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);
/// Records between two lines where there is no terminal.
const STRIDE: u64 = 1_000_000;
/// Columns of the bar itself.
const BAR: usize = 24;

/// A bar on a terminal; a line now and then elsewhere.
pub(super) struct Bar {
    drawn: Option<Instant>,
    next: u64,
    started: Instant,
    terminal: Terminal,
    total: u64,
}

impl Bar {
    /// A bar that is full after `total` bytes.
    pub(super) fn new(total: u64) -> Self {
        let (started, terminal) = (Instant::now(), Terminal::stderr());
        Self { drawn: None, next: STRIDE, started, terminal, total }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, records: u64, bytes: u64, segment: &str) {
        if self.terminal.is_terminal() {
            let now = Instant::now();
            if self.drawn.is_none_or(|drawn| now.duration_since(drawn) >= REDRAW) {
                self.drawn = Some(now);
                let elapsed = now.duration_since(self.started);
                let text = text(records, bytes, self.total, elapsed);
                let width = self.terminal.width().saturating_sub(1);
                self.terminal.redraw(&text.chars().take(width).collect::<String>());
            }
        } else if records >= self.next {
            self.next = records - records % STRIDE + STRIDE;
            let text = format!("{} records checked, in {segment}", grouped(records));
            self.terminal.styled(Style::Quiet, &text);
        }
    }
}

impl Drop for Bar {
    /// The line is left empty, however the work ended.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            self.terminal.redraw("");
        }
    }
}

fn text(records: u64, bytes: u64, total: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    // The journal may grow while it is read.
    let total = total.max(bytes).max(1);
    let share = bytes as f64 / total as f64;
    let full = ((share * BAR as f64) as usize).min(BAR);
    let rate = (records as f64 / seconds) as u64;
    let left = match bytes {
        0 => "-:--".to_owned(),
        _ => clock((seconds * (1.0 / share - 1.0)).ceil() as u64),
    };
    format!(
        "[{}{}] {:>3}%  {} records  {} of {}  {}/s  {left} left",
        "#".repeat(full),
        "-".repeat(BAR - full),
        (share * 100.0) as u64,
        grouped(records),
        size(bytes),
        size(total),
        grouped(rate)
    )
}

fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn size(bytes: u64) -> String {
    const MEGA: u64 = 1_000_000;
    match bytes {
        0..MEGA => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", grouped(bytes / MEGA), bytes / 100_000 % 10),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
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
    fn the_bar_says_how_far_it_is_how_fast_and_how_long_it_will_take() {
        assert_eq!(
            text(1_234_567, 600_000_000, 2_400_000_000, Duration::from_secs(10)),
            "[######------------------]  25%  1,234,567 records  600.0 MB of 2,400.0 MB  \
             123,456/s  0:30 left"
        );
    }

    #[test]
    fn an_empty_or_growing_journal_gives_no_nonsense() {
        let empty = text(0, 0, 0, Duration::ZERO);
        assert_eq!(
            empty,
            "[------------------------]   0%  0 records  0 kB of 1 kB  0/s  -:-- left"
        );
        let grown = text(5, 2_000, 1_000, Duration::from_secs(1));
        assert!(grown.contains(" 100%  5 records  2 kB of 2 kB") && grown.ends_with("0:00 left"));
    }
}
