//! Reviews as a table.

use portreeve_protocol::DenyCode;
use portreeve_protocol::letter::steers;
use portreeve_replay::explain::{Match, ReviewOutcome};

use crate::terminal::{Style, Terminal};

const HEADINGS: [&str; 7] = ["TIME", "OPERATION", "WORKLOAD", "VERDICT", "CODE", "UID", "EVENT"];
/// The column of the verdict.
const VERDICT: usize = 3;
/// Columns that go to a second line where the terminal is too narrow for all.
const FOLDED: usize = 2;
/// Blanks between columns.
const BETWEEN: usize = 2;

/// Prints one row a review; two lines a row where the terminal is narrow.
pub(super) fn show(matches: &[Match], terminal: &Terminal) {
    let rows: Vec<[String; 7]> = matches.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let whole = widths.iter().sum::<usize>() + BETWEEN * (widths.len() - 1);
    let fold = terminal.is_terminal() && whole > terminal.width();
    for (row, style) in std::iter::once((HEADINGS.map(ToOwned::to_owned), None))
        .chain(rows.into_iter().zip(matches.iter().map(|it| Some(tone(it.outcome)))))
    {
        print(&row, &widths, style, fold, terminal);
    }
}

/// One row; `style` is that of the verdict, and `None` for the headings.
fn print(
    row: &[String; 7],
    widths: &[usize; 7],
    style: Option<Style>,
    fold: bool,
    terminal: &Terminal,
) {
    let padded: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}{:BETWEEN$}", "", width = *width))
        .collect();
    let pieces = padded.iter().enumerate().map(|(column, cell)| {
        let of_verdict = if column == VERDICT { style } else { None };
        (if style.is_none() { Some(Style::Heading) } else { of_verdict }, cell.as_str())
    });
    let pieces: Vec<_> = pieces.collect();
    if fold {
        let (first, second) = pieces.split_at(pieces.len() - FOLDED);
        terminal.pieces(first.iter().copied());
        terminal.pieces(std::iter::once((None, "    ")).chain(second.iter().copied()));
    } else {
        terminal.pieces(pieces);
    }
}

fn tone(outcome: ReviewOutcome) -> Style {
    match outcome {
        ReviewOutcome::Allowed => Style::Good,
        ReviewOutcome::Denied | ReviewOutcome::Panicked | ReviewOutcome::Undecided => Style::Bad,
    }
}

fn cells(found: &Match) -> [String; 7] {
    let Match { code, event, kind, name, namespace, operation, outcome, received, uid, .. } = found;
    [
        received.to_string(),
        (*operation).to_owned(),
        in_line(&format!("{kind} {namespace}/{name}")),
        outcome.name().to_owned(),
        code.map_or("-", DenyCode::code).to_owned(),
        in_line(uid),
        event.to_string(),
    ]
}

/// What others wrote must not break the row.
fn in_line(text: &str) -> String {
    text.chars().map(|letter| if steers(letter) { '?' } else { letter }).collect()
}
