//! Journal lines: `{"hash":"…","record":{…}}`, canonical JSON, one record a line.
//!
//! Canonical means that the bytes of a line are exactly what this module would write for its
//! content: members sorted by name, no blanks, integers only. So a line can be checked by writing
//! it again, and an edit that does not change the meaning is found all the same.

use std::sync::Arc;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::entry::Delivered;
pub use crate::json::Plain;
use crate::json::{self, Verbatim};
use crate::{Cause, Decision, Effect, Entry, EventId, Input, Now, ProtocolError, Record, Sha256};

/// The schema version this build writes.
///
/// Records of older versions are read as well: a member that came later has a default then. Their
/// bytes are held by their hash alone, since this build would write them otherwise.
pub const SCHEMA: u32 = 7;
/// The oldest schema version this build reads.
const OLDEST: u32 = 1;
/// The schema version from which on the digest of effects names decisions instead of holding them:
/// the record holds them in full anyway.
const DECISIONS_NAMED: u32 = 4;

/// The schema version from which on a decision does not hold the audit annotations that its
/// verdicts say.
const ANNOTATIONS_DERIVED: u32 = 6;

/// What stands before the hash of a line, and between the hash and the record.
const HEAD: &[u8] = b"{\"hash\":\"";
const MIDDLE: &[u8] = b"\",\"record\":";
/// Where the record begins in a line.
const BODY: usize = HEAD.len() + 64 + MIDDLE.len();
/// How the record of a delivery begins.
const DELIVERED: &[u8] = b"{\"entry\":{\"Delivered\":";

#[derive(Deserialize)]
struct LineIn<'a> {
    hash: Sha256,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// [`Record`], its entry borrowed.
#[derive(Serialize)]
struct WholeOut<'a> {
    entry: &'a Entry,
    prev: Sha256,
    v: u32,
}

/// [`Record`] of a delivery, with text in the place of its decisions.
#[derive(Serialize)]
struct RecordOut<'a> {
    entry: EntryOut<'a>,
    prev: Sha256,
    v: u32,
}

#[derive(Serialize)]
enum EntryOut<'a> {
    Delivered(DeliveredOut<'a>),
}

#[derive(Serialize)]
struct DeliveredOut<'a> {
    cause: &'a Cause,
    decisions: Verbatim<'a>,
    effects: Sha256,
    event: &'a EventId,
    input: &'a Input,
    lamport: u64,
    now: &'a Now,
    root: &'a EventId,
}

/// [`RecordOut`] as it is read, its decisions apart.
#[derive(Deserialize)]
struct RecordIn {
    entry: EntryIn,
    prev: Sha256,
    v: u32,
}

#[derive(Deserialize)]
enum EntryIn {
    Delivered(DeliveredIn),
}

#[derive(Deserialize)]
struct DeliveredIn {
    cause: Cause,
    effects: Sha256,
    event: EventId,
    input: Arc<Input>,
    lamport: u64,
    now: Now,
    root: EventId,
}

/// What [`read_undecided`] makes of a line.
#[derive(Debug)]
pub struct Undecided {
    /// Of a delivery, the text of its decisions, which are missing in `record`; `None` if nothing
    /// is missing.
    pub decisions: Option<Box<str>>,
    /// The hash of the record.
    pub hash: Sha256,
    /// The record.
    pub record: Record,
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
    json::append(value, &mut bytes)?;
    Ok(bytes)
}

/// As [`canonical`], behind what `bytes` holds already.
///
/// # Errors
/// As [`canonical`]; a part of the value may stand there then.
pub fn append<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), ProtocolError> {
    json::append(value, bytes)
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
pub fn write_line(
    entry: &Entry,
    prev: Sha256,
    line: &mut Vec<u8>,
) -> Result<Sha256, ProtocolError> {
    write_record(&WholeOut { entry, prev, v: SCHEMA }, line)
}

/// As [`write_line`], for a delivery that led to `effects`: they say what the decisions of the
/// record are and the digest of the effects, whatever stands for them in `delivered`.
///
/// # Errors
/// As [`canonical`].
pub fn write_delivered(
    delivered: &Delivered,
    effects: &[Effect],
    prev: Sha256,
    line: &mut Vec<u8>,
) -> Result<Sha256, ProtocolError> {
    write_told(delivered, &Told::of(effects)?, prev, line)
}

/// As [`write_delivered`], where it is known what there is to tell of the effects.
///
/// # Errors
/// As [`canonical`].
pub fn write_told(
    delivered: &Delivered,
    told: &Told,
    prev: Sha256,
    line: &mut Vec<u8>,
) -> Result<Sha256, ProtocolError> {
    let Delivered { cause, decisions: _, effects: _, event, input, lamport, now, root } = delivered;
    let (decisions, effects, lamport) = (Verbatim(&told.decisions), told.digest(), *lamport);
    let delivered = DeliveredOut { cause, decisions, effects, event, input, lamport, now, root };
    write_record(&RecordOut { entry: EntryOut::Delivered(delivered), prev, v: SCHEMA }, line)
}

/// What a record tells of effects: the decisions among them in full, and a digest of all.
#[derive(Debug)]
pub struct Told {
    /// The canonical JSON of the list of decisions.
    decisions: Vec<u8>,
    digest: Sha256,
    /// The canonical JSON of the list of effects, with [`DECISION`] in the place of each decision.
    effects: Vec<u8>,
}

/// Stands for a decision among effects.
const DECISION: &[u8] = b"\"Answer\"";
/// The name of an effect that is a decision.
const ANSWER: &str = "Answer";

impl Default for Told {
    /// Nothing told yet.
    fn default() -> Self {
        Self { decisions: Vec::new(), digest: Sha256::ZERO, effects: Vec::new() }
    }
}

impl Told {
    /// What there is to tell of `effects`.
    ///
    /// # Errors
    /// As [`canonical`].
    pub fn of(effects: &[Effect]) -> Result<Self, ProtocolError> {
        let mut told = Self { decisions: Vec::with_capacity(4_096), ..Self::default() };
        told.tell(effects)?;
        Ok(told)
    }

    /// Has it be what there is to tell of other effects, in the room that it has already.
    ///
    /// # Errors
    /// As [`canonical`]; it is not to be used then.
    pub fn tell(&mut self, effects: &[Effect]) -> Result<(), ProtocolError> {
        self.decisions.clear();
        self.decisions.push(b'[');
        self.effects.clear();
        self.effects.push(b'[');
        for effect in effects {
            separate(&mut self.effects);
            let Some(decision) = effect.decision() else {
                json::append(effect, &mut self.effects)?;
                continue;
            };
            self.effects.extend_from_slice(DECISION);
            separate(&mut self.decisions);
            json::append(decision, &mut self.decisions)?;
        }
        self.decisions.push(b']');
        self.effects.push(b']');
        self.digest = Sha256::of(&self.effects);
        Ok(())
    }

    /// As [`Told::tell`], as a record of schema version `schema` tells it.
    ///
    /// # Errors
    /// As [`Told::tell`].
    pub fn tell_in_schema(&mut self, schema: u32, effects: &[Effect]) -> Result<(), ProtocolError> {
        self.tell(effects)?;
        if schema < DECISIONS_NAMED {
            self.digest = digest(&in_full(effects)?)?;
        }
        Ok(())
    }

    /// The digest of the effects, as a record states it.
    #[must_use]
    pub const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Whether `text` is the list of the decisions, as a record holds it.
    #[must_use]
    pub fn decides(&self, text: &str) -> bool {
        self.decisions == text.as_bytes()
    }
}

/// Effects as they were before [`DECISIONS_NAMED`].
fn in_full(effects: &[Effect]) -> Result<Vec<Value>, ProtocolError> {
    let whole = |effect: &Effect| {
        let mut value = serde_json::to_value(effect)?;
        if let Some(decision) = effect.decision() {
            complete(decision, &mut value[ANSWER]);
        }
        Ok(value)
    };
    let values: Result<Vec<Value>, serde_json::Error> = effects.iter().map(whole).collect();
    values.map_err(|error| ProtocolError::Record { why: error.to_string() })
}

/// Adds to a decision what it held when it held its patch as text and all annotations, its seal in
/// full, and each change of a reference with its pointer.
fn complete(decision: &Decision, value: &mut Value) {
    if let Some(claims) = decision.claims() {
        value["seal"] = serde_json::json!(claims);
    }
    value["patch"] = decision.patch().into();
    for (name, text) in decision.annotations() {
        value["audit"][name] = text.into();
    }
    let verdicts = value["verdicts"].as_array_mut();
    for (told, verdict) in decision.verdicts.iter().zip(verdicts.into_iter().flatten()) {
        for admitted in ["Sealed", "Verified"] {
            let admitted = verdict.pointer_mut(&format!("/verdict/Allowed/{admitted}"));
            let Some(Value::Object(admitted)) = admitted else { continue };
            admitted.remove("pinned");
            let pin = told.pin().map(|to| serde_json::json!({"pointer": told.pointer, "to": to}));
            admitted.insert("pin".to_owned(), pin.into());
        }
    }
}

/// Puts a comma behind an item of the list that `text` opens.
fn separate(text: &mut Vec<u8>) {
    if text.len() > 1 {
        text.push(b',');
    }
}

fn write_record<T: Serialize>(record: &T, line: &mut Vec<u8>) -> Result<Sha256, ProtocolError> {
    let start = line.len();
    line.extend_from_slice(HEAD);
    let place = line.len();
    // The hash is known when the record is written behind it.
    line.extend_from_slice(&Sha256::ZERO.hex_digits());
    line.extend_from_slice(MIDDLE);
    let body = line.len();
    if let Err(error) = json::append(record, line) {
        line.truncate(start);
        return Err(error);
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
    read_as_written(line).map_or_else(|| read_any(line), Ok)
}

/// As [`read_line`], but leaves the decisions of a delivery as the text they are: who runs the
/// machines again gets the same text from them, and need only compare.
///
/// # Errors
/// As [`read_line`], except for what is wrong with the decisions.
pub fn read_undecided(line: &[u8]) -> Result<Undecided, ProtocolError> {
    if line.get(BODY..).is_some_and(|body| body.starts_with(DELIVERED))
        && let Some(read) = read_delivery(line)
    {
        return Ok(read);
    }
    read_line(line).map(|(record, hash)| Undecided { decisions: None, hash, record })
}

/// The decisions of a record from their text.
///
/// # Errors
/// `Record` for anything but canonical JSON of decisions.
pub fn read_decisions(text: &str) -> Result<Vec<Arc<Decision>>, ProtocolError> {
    let decisions: Vec<Arc<Decision>> = serde_json::from_str(text)
        .map_err(|error| ProtocolError::Record { why: error.to_string() })?;
    if is_canonical(&decisions, text.as_bytes()) {
        return Ok(decisions);
    }
    Err(ProtocolError::Record { why: "its decisions are not in canonical form".to_owned() })
}

fn read_delivery(line: &[u8]) -> Option<Undecided> {
    let (hash, body) = body_as_written(line)?;
    let Apart { decisions, rest } = Apart::of(str::from_utf8(body).ok()?)?;
    let read: RecordIn = serde_json::from_str(&rest).ok()?;
    let RecordIn { entry: EntryIn::Delivered(delivered), prev, v } = read;
    let DeliveredIn { cause, effects, event, input, lamport, now, root } = delivered;
    let again = DeliveredOut {
        cause: &cause,
        decisions: Verbatim(b"[]"),
        effects,
        event: &event,
        input: &input,
        lamport,
        now: &now,
        root: &root,
    };
    let again = RecordOut { entry: EntryOut::Delivered(again), prev, v };
    if v != SCHEMA || !is_canonical(&again, rest.as_bytes()) {
        return None;
    }
    let decisions = Some(decisions.into());
    let delivered =
        Delivered { cause, decisions: Vec::new(), effects, event, input, lamport, now, root };
    let record = Record { entry: Entry::Delivered(delivered), prev, v };
    Some(Undecided { decisions, hash, record })
}

/// The record of a delivery, taken apart without parsing it: quotes within text are escaped, so the
/// marks stand nowhere but around the decisions. Where they do all the same, what is left over is
/// no record.
struct Apart<'a> {
    /// The list of decisions, whatever it holds.
    decisions: &'a str,
    /// The record with an empty list in its place.
    rest: String,
}

impl<'a> Apart<'a> {
    fn of(record: &'a str) -> Option<Self> {
        const BEFORE: &str = ",\"decisions\":[";
        const BEHIND: &str = "],\"effects\":\"";
        let begin = record.find(BEFORE)? + BEFORE.len();
        let end = begin + memmem::find(&record.as_bytes()[begin..], BEHIND.as_bytes())?;
        let rest = [&record[..begin], &record[end..]].concat();
        Some(Self { decisions: &record[begin - 1..=end], rest })
    }
}

/// Reads a line that is what this build writes, and nothing else: its parts stand at known places,
/// so that the record is parsed once and written again without a copy.
fn read_as_written(line: &[u8]) -> Option<(Record, Sha256)> {
    let (hash, body) = body_as_written(line)?;
    let record: Record = serde_json::from_str(str::from_utf8(body).ok()?).ok()?;
    (record.v == SCHEMA && is_canonical(&record, body)).then_some((record, hash))
}

/// The hash of the record and its bytes, if the line is laid out as this build does and the hash is
/// the one it states.
fn body_as_written(line: &[u8]) -> Option<(Sha256, &[u8])> {
    let (stated, rest) = line.strip_prefix(HEAD)?.split_at_checked(64)?;
    let body = rest.strip_prefix(MIDDLE)?.strip_suffix(b"}")?;
    let hash = Sha256::of(body);
    (hash.hex_digits() == stated).then_some((hash, body))
}

/// Whether `bytes` are the canonical JSON of `value`.
fn is_canonical<T: Serialize>(value: &T, bytes: &[u8]) -> bool {
    let mut again = Vec::with_capacity(bytes.len() + 64);
    json::append(value, &mut again).is_ok() && again == bytes
}

/// Reads a line of any version, and says what is wrong with one that is none.
fn read_any(line: &[u8]) -> Result<(Record, Sha256), ProtocolError> {
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
    let mut record: Record = serde_json::from_str(outer.record.get()).map_err(malformed)?;
    if v < ANNOTATIONS_DERIVED
        && let Entry::Delivered(delivered) = &mut record.entry
    {
        let decisions = delivered.decisions.iter_mut().map(Arc::make_mut);
        decisions.for_each(Decision::forget_derived);
    }
    let text = outer.record.get().as_bytes();
    let laid_out = [HEAD, &outer.hash.hex_digits(), MIDDLE, text, b"}"].concat() == line;
    if !laid_out || (v == SCHEMA && canonical(&record)? != text) {
        return Err(ProtocolError::Record { why: "it is not in canonical form".to_owned() });
    }
    Ok((record, outer.hash))
}
