//! The verdict for a person to read.

use super::report::Report;
use crate::terminal::{Style, Terminal};

/// Digits of a key id that are shown.
const KEY_DIGITS: usize = 16;

/// Prints verdict, digest, signers, documents, remarks and what to do.
pub(super) fn show(report: &Report, terminal: &Terminal) {
    let (style, word) = if report.allowed() {
        (Style::Good, "ALLOWED".to_owned())
    } else {
        let code = report.denial.as_ref().map_or("", |denial| denial.code.code());
        (Style::Bad, format!("DENIED {code}"))
    };
    terminal.pieces([(Some(style), word.as_str()), (None, "  "), (None, report.image.as_str())]);
    if let Some(admitted) = &report.admitted {
        let fields = [
            ("digest", report.digest().map(|digest| digest.to_oci()).unwrap_or_default()),
            ("released by", admitted.released_by.clone()),
            ("signed by", admitted.signers.join(", ")),
        ];
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            terminal
                .pieces([(Some(Style::Quiet), format!("  {name:<13}").as_str()), (None, value)]);
        }
        if admitted.digest.is_none() {
            terminal.paragraph(2, &report.explanation());
        }
    } else {
        terminal.paragraph(2, &report.explanation());
    }
    if let Some(bundle) = &report.bundle {
        let expired = if bundle.expired { ", which has expired" } else { "" };
        let text = format!("version {}{expired}", bundle.version);
        terminal.pieces([(Some(Style::Quiet), "  bundle       "), (None, text.as_str())]);
    }
    documents(report, terminal);
    for warning in &report.warnings {
        terminal.line("");
        terminal.styled(Style::Heading, "warning");
        terminal.paragraph(2, warning);
    }
}

/// The documents that were verified, one a line.
fn documents(report: &Report, terminal: &Terminal) {
    let Some((server, evidence)) = &report.evidence else { return };
    terminal.line("");
    let text = format!("{} at {server}", evidence.gun);
    terminal.pieces([(Some(Style::Heading), text.as_str())]);
    let width = evidence.roles.keys().map(String::len).max().unwrap_or_default();
    terminal.styled(
        Style::Quiet,
        &format!("  {:<width$}  {:>7}  {:<24}  SIGNED WITH", "ROLE", "VERSION", "EXPIRES"),
    );
    for (name, role) in &evidence.roles {
        let digits = |hex: String| hex.chars().take(KEY_DIGITS).collect::<String>();
        let keys: Vec<String> =
            role.signed_by.iter().map(|key| digits(key.keyid.to_hex())).collect();
        let (version, expires) = (role.version, role.expires.to_string());
        terminal
            .line(&format!("  {name:<width$}  {version:>7}  {expires:<24}  {}", keys.join(" ")));
    }
    if evidence.first_use {
        let keys = evidence.roles.get("root").map(|root| root.signed_by.as_slice());
        for key in keys.unwrap_or_default() {
            terminal.line("");
            terminal
                .styled(Style::Quiet, "  to hold this root fast, once it is known to be right:");
            terminal.line(&format!("  --pin {}={}", evidence.gun, key.keyid));
        }
    }
    for dropped in report.dropped() {
        let text = format!(
            "{} is left out: {} ({})",
            dropped.role,
            dropped.why.detail,
            dropped.why.code.code()
        );
        terminal.paragraph(2, &text);
    }
}
