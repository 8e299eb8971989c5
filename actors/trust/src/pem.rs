//! PEM text (RFC 7468), as keys and certificates come in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands between the dashes, such as `CERTIFICATE`.
    pub(crate) label: String,
    /// Whether header lines stand before the base64 text (`docker trust key generate` writes some).
    pub(crate) headers: bool,
    /// The decoded content.
    pub(crate) content: Vec<u8>,
}

/// The blocks of `text` in order; text outside blocks is passed over, as OpenSSL writes some.
///
/// # Errors
/// A sentence about the first block that is not well-formed.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>, &'static str> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = framed(line, "-----BEGIN ") else { continue };
        let mut body = String::new();
        let mut headers = false;
        loop {
            let line = lines.next().ok_or("a PEM block has no end")?;
            if let Some(end) = framed(line, "-----END ") {
                if end != label {
                    return Err("a PEM block begins and ends with different labels");
                }
                break;
            }
            if line.contains(':') && body.is_empty() {
                headers = true;
            } else {
                body.push_str(line);
            }
        }
        let content = STANDARD.decode(body).map_err(|_| "a PEM block is not base64")?;
        blocks.push(Block { label: label.to_owned(), headers, content });
    }
    Ok(blocks)
}

/// What stands in `line` between `start` and the closing dashes.
fn framed<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}
