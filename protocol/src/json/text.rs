//! Strings: looked through eight bytes at a time for what must be escaped.

/// A string with its quotes.
pub(super) fn text(string: &str, out: &mut Vec<u8>) {
    // Two quotes, and what `short` and `medium` write beyond the end.
    out.reserve(string.len() + 2 + 16);
    out.push(b'"');
    escaped(string, out);
    out.push(b'"');
}

/// A string with its quotes, in which nothing is to be escaped.
pub(super) fn plain_text(string: &str, out: &mut Vec<u8>) {
    out.reserve(string.len() + 2);
    out.push(b'"');
    out.extend_from_slice(string.as_bytes());
    out.push(b'"');
}

/// A string without its quotes.
pub(super) fn escaped(string: &str, out: &mut Vec<u8>) {
    let bytes = string.as_bytes();
    // Most strings are names of members and the like.
    let written = match bytes.len() {
        0..=7 => short(bytes, out),
        8..=16 => medium(bytes, out),
        _ => false,
    };
    if !written {
        by_runs(bytes, out);
    }
}

/// Writes text of any length: each run of bytes that are copied as they are in one piece.
fn by_runs(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let (plain, special) = rest.split_at(plain(rest));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else { return };
        escape(*byte, out);
        rest = behind;
    }
}

/// Writes up to seven bytes as one word, unless one of them is special.
fn short(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
            first | last << (8 * (bytes.len() - 4))
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // A byte that is not there is none that must be escaped.
    let blanks = (ONES * 0x20) << (8 * bytes.len());
    if special(word | blanks) != 0 {
        return false;
    }
    let end = out.len() + bytes.len();
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
    true
}

/// Writes eight to sixteen bytes as two words, unless one of them is special.
fn medium(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) else {
        return false;
    };
    let [first, last] = [first, last].map(|word| u64::from_le_bytes(*word));
    if special(first) | special(last) != 0 {
        return false;
    }
    let end = out.len() + bytes.len();
    let both = u128::from(first) | u128::from(last) << (8 * (bytes.len() - 8));
    out.extend_from_slice(&both.to_le_bytes());
    out.truncate(end);
    true
}

/// How many bytes at the beginning can be copied as they are.
fn plain(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    // Without a branch for each word, so that they are looked at together.
    let any = |block: &[u8; 32]| {
        let words = block.as_chunks::<8>().0.iter();
        words.fold(0, |any, word| any | special(u64::from_le_bytes(*word))) != 0
    };
    let begin = blocks.iter().take_while(|block| !any(block)).count() * 32;
    let (words, rest) = bytes[begin..].as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return begin + place * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    // What is left is looked at together with what stands before it, if it is long enough.
    if let Some(last) = bytes.last_chunk::<8>()
        && special(u64::from_le_bytes(*last)) == 0
    {
        return bytes.len();
    }
    let plain = rest.iter().take_while(|byte| !is_special(**byte)).count();
    bytes.len() - rest.len() + plain
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A one in each of eight bytes.
const ONES: u64 = u64::MAX / 255;

/// Which of eight bytes are special: the lowest bit that is set stands in the first of them. A byte
/// from 0x80 on is part of a longer character.
const fn special(word: u64) -> u64 {
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let special =
        control | (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash);
    special & HIGH
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
