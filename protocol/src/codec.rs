//! Journal lines: `{"hash":"…","record":{…}}`, canonical JSON, one record a line.
//!
//! Canonical means that the bytes of a line are exactly what this module would write for its
//! content: members sorted by name, no blanks, integers only. So a line can be checked by writing
//! it again, and an edit that does not change the meaning is found all the same.

use serde::{Deserialize, Serialize};

use crate::{Entry, ProtocolError, Record, Sha256};

/// The schema version this build writes.
///
/// Records of older versions are read as well: a member that came later has a default then. Their
/// bytes are held by their hash alone, since this build would write them otherwise.
pub const SCHEMA: u32 = 2;
/// The oldest schema version this build reads.
const OLDEST: u32 = 1;

#[derive(Serialize)]
struct LineOut<'a> {
    hash: Sha256,
    record: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct LineIn<'a> {
    hash: Sha256,
    #[serde(borrow)]
    record: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// The canonical JSON of a persisted value.
///
/// # Errors
/// `Record` if the value cannot be written as JSON, such as a map whose keys are not strings.
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ProtocolError> {
    // Most records fit, so that the buffer need not grow step by step.
    let mut bytes = Vec::with_capacity(4_096);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| ProtocolError::Record { why: error.to_string() })?;
    Ok(bytes)
}

/// SHA-256 of the canonical JSON of a persisted value.
///
/// # Errors
/// As [`canonical`].
pub fn digest<T: Serialize + ?Sized>(value: &T) -> Result<Sha256, ProtocolError> {
    canonical(value).map(|bytes| Sha256::of(&bytes))
}

/// Appends the line of `entry`, newline included, to `line`; returns the hash of the record, which
/// is the `prev` of the next one.
///
/// # Errors
/// As [`canonical`].
pub fn write_line(entry: Entry, prev: Sha256, line: &mut Vec<u8>) -> Result<Sha256, ProtocolError> {
    let start = line.len();
    line.extend_from_slice(b"{\"hash\":\"");
    let place = line.len();
    // The hash is known when the record is written behind it.
    line.extend_from_slice(&Sha256::ZERO.hex_digits());
    line.extend_from_slice(b"\",\"record\":");
    let body = line.len();
    if let Err(error) = serde_json::to_writer(&mut *line, &Record { entry, prev, v: SCHEMA }) {
        line.truncate(start);
        return Err(ProtocolError::Record { why: error.to_string() });
    }
    let hash = Sha256::of(&line[body..]);
    line[place..place + 64].copy_from_slice(&hash.hex_digits());
    line.extend_from_slice(b"}\n");
    Ok(hash)
}

/// Reads one line, without its newline: the record and its hash.
///
/// # Errors
/// `RecordHash` if the record is not the one that was hashed, `Schema` for a newer version,
/// `Record` for anything that is not a canonical line.
pub fn read_line(line: &[u8]) -> Result<(Record, Sha256), ProtocolError> {
    let malformed = |error: serde_json::Error| ProtocolError::Record { why: error.to_string() };
    let outer: LineIn<'_> = serde_json::from_slice(line).map_err(malformed)?;
    let found = Sha256::of(outer.record.get().as_bytes());
    if found != outer.hash {
        return Err(ProtocolError::RecordHash { stated: outer.hash, found });
    }
    let VersionOnly { v } = serde_json::from_str(outer.record.get()).map_err(malformed)?;
    if !(OLDEST..=SCHEMA).contains(&v) {
        return Err(ProtocolError::Schema { version: v, known: SCHEMA });
    }
    let record: Record = serde_json::from_str(outer.record.get()).map_err(malformed)?;
    let again = canonical(&LineOut { hash: outer.hash, record: outer.record })?;
    let rewritten = |record| Ok(canonical(record)? == outer.record.get().as_bytes());
    if again != line || (v == SCHEMA && !rewritten(&record)?) {
        return Err(ProtocolError::Record { why: "it is not in canonical form".to_owned() });
    }
    Ok((record, outer.hash))
}
