//! The decisions as a table, and what the refused were told.

use crate::terminal::{Style, Terminal};

use super::play::Played;

const TITLES: [&str; 6] = ["CASE", "WORKLOAD", "IMAGE", "VERDICT", "CODE OR DIGEST", "TIME"];

/// A cell and how it looks.
type Cell = (Option<Style>, String);

/// Prints one row an image, then the messages and warnings.
pub(super) fn show(played: &[Played], terminal: &Terminal) {
    let mut rows: Vec<[Cell; 6]> =
        vec![TITLES.map(|title| (Some(Style::Heading), title.to_owned()))];
    for case in played {
        rows.extend(rows_of(case));
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, (_, text)) in widths.iter_mut().zip(row) {
            *width = text.chars().count().max(*width);
        }
    }
    for row in &rows {
        let padded: Vec<(Option<Style>, String)> = row
            .iter()
            .zip(widths)
            .map(|((style, text), width)| (*style, format!("{text:width$}  ")))
            .collect();
        terminal.pieces(padded.iter().map(|(style, text)| (*style, text.as_str())));
    }
    terminal.line("");
    terminal.styled(Style::Heading, "What people were told");
    for case in played {
        if !case.answer.allowed {
            terminal.line(&format!("  {}:", case.name));
            terminal.paragraph(4, &case.answer.message);
        }
        for warning in &case.answer.warnings {
            terminal.line(&format!("  {}, as a warning:", case.name));
            terminal.paragraph(4, warning);
        }
    }
}

fn rows_of(case: &Played) -> Vec<[Cell; 6]> {
    let plain = |text: &str| (None, text.to_owned());
    let mut rows = Vec::new();
    for (index, (image, pinned)) in case.images.iter().enumerate() {
        let (verdict, detail) = match (case.answer.allowed, pinned) {
            (true, Some(pinned)) => ((Some(Style::Good), "pinned"), digest(pinned)),
            (true, None) => ((Some(Style::Good), "allowed"), digest(image)),
            (false, _) => ((Some(Style::Bad), "refused"), case.answer.code.clone()),
        };
        let first = index == 0;
        let mark = if case.failures.is_empty() { "" } else { " (UNEXPECTED)" };
        let time = format!("{:.1} ms", case.answer.latency.as_secs_f64() * 1_000.0);
        rows.push([
            plain(if first { &case.name } else { "" }),
            plain(if first { &case.workload } else { "" }),
            plain(without_digest(image)),
            (verdict.0, format!("{}{mark}", verdict.1)),
            (None, detail),
            (Some(Style::Quiet), if first { time } else { String::new() }),
        ]);
    }
    rows
}

/// The beginning of the digest in a reference: enough to tell them apart.
fn digest(image: &str) -> String {
    let (_, digest) = image.split_once('@').unwrap_or_default();
    digest.chars().take("sha256:".len() + 16).collect()
}

fn without_digest(image: &str) -> &str {
    image.split_once('@').map_or(image, |(name, _)| name)
}
