//! PEM text as Go's `pem.EncodeToMemory` writes it: 64 characters a line, `\n` at each end.
//!
//! The id of a key in a certificate covers the PEM text byte for byte, so the form matters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::LabError;

/// The PEM block `label` around `der`.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The DER bytes of the first PEM block `label` in `text`; whatever stands around it is ignored.
///
/// # Errors
/// `Pem` if there is no such block or its body is not base64.
pub fn decode(label: &'static str, text: &str) -> Result<Vec<u8>, LabError> {
    let missing = || LabError::Pem { label };
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let (_, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (body, _) = rest.split_once(&end).ok_or_else(missing)?;
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_reads_back_and_text_around_it_is_ignored() -> Result<(), LabError> {
        let text = encode("PUBLIC KEY", &[7; 100]);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(decode("PUBLIC KEY", &format!("note\n{text}more"))?, vec![7; 100]);
        Ok(())
    }

    #[test]
    fn text_without_the_block_is_refused() {
        let refused = decode("PRIVATE KEY", "-----BEGIN PRIVATE KEY-----\n");
        assert!(matches!(refused, Err(LabError::Pem { label: "PRIVATE KEY" })));
    }
}
