//! Recorded collections with changes that nobody signed.

use std::sync::LazyLock;

use portreeve_protocol::evidence::{Floor, Floors, RootPins};
use portreeve_protocol::messages::notary::{VerifiedCollection, VerifyOutcome};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Sha256, Wall};
use portreeve_trust::verify;
use serde_json::Value;

use super::spelling::spelt_otherwise;

/// The documents of a recorded case, in the folder it is served from.
macro_rules! recorded {
    ($case:literal: $($file:literal),+) => {
        &[$(include_bytes!(concat!("../../corpus/notary-v1/", $case, "/srv/", $file)).as_slice()),+]
    };
}

/// Changes to one collection.
const CHANGES: usize = 16;
/// Bytes beyond which a document is not changed any more, lest it be doubled without end.
const DOCUMENT_BYTES: usize = 1 << 16;
/// Bytes that describe a change.
const CHANGE_BYTES: usize = 6;

/// A recorded collection, how many of its documents are roots, and what it establishes.
struct Recorded {
    documents: Vec<Vec<u8>>,
    established: VerifiedCollection,
    gun: &'static str,
    now: Wall,
    roots: usize,
    tags: &'static [&'static str],
}

/// A collection being changed.
struct Changed {
    documents: Vec<Vec<u8>>,
    floors: Floors,
    now: Wall,
    roots: usize,
}

static RECORDED: LazyLock<Vec<Recorded>> = LazyLock::new(|| {
    // 2026-11-23T06:34:48Z and later, 2027-03-01T13:00:00Z: when the corpus says to judge them.
    let read = [
        Recorded::read(
            "registry.lab:5000/team/app",
            Wall(1_795_415_688_000_000),
            &["latest", "v1", "v2"],
            1,
            recorded!("plain-ecdsa": "root.json", "timestamp.json", "snapshot.json",
                "targets.json"),
        ),
        Recorded::read(
            "registry.lab:5000/forge/app",
            Wall(1_803_906_000_000_000),
            &["base", "v1", "v2"],
            1,
            recorded!("threshold-2-of-2-targets": "root.json", "timestamp.json", "snapshot.json",
                "targets.json", "targets/alice.json", "targets/bob.json", "targets/releases.json"),
        ),
        Recorded::read(
            "registry.lab:5000/team/rotate",
            Wall(1_795_415_700_000_000),
            &["v1", "v2", "v3", "v4"],
            4,
            recorded!("rotate-root-thrice-cached": "3.root.json", "4.root.json", "5.root.json",
                "root.json", "timestamp.json", "snapshot.json", "targets.json"),
        ),
        Recorded::read(
            "registry.lab:5000/team/rsa-deleg",
            Wall(1_795_415_696_000_000),
            &["v1", "v2"],
            1,
            recorded!("rsa-x509-delegations": "root.json", "timestamp.json", "snapshot.json",
                "targets.json", "targets/alice.json", "targets/bob.json", "targets/releases.json"),
        ),
    ];
    read.into_iter().flatten().collect()
});

/// Takes the first byte of `data` for a recorded collection, and each six bytes behind it for a
/// change to its documents, their order, the floors or the time.
///
/// # Panics
/// If what is verified then differs from what was recorded, but for delegations and signatures that
/// are not there any more.
pub fn collection(data: &[u8]) {
    assert_eq!(RECORDED.len(), 4, "a recorded collection is not verified as it is");
    let Some((which, changes)) = data.split_first() else { return };
    let Some(recorded) = RECORDED.get(usize::from(*which) % RECORDED.len()) else { return };
    let Recorded { documents, now, roots, .. } = recorded;
    let mut changed =
        Changed { documents: documents.clone(), floors: Floors::new(), now: *now, roots: *roots };
    for change in changes.chunks_exact(CHANGE_BYTES).take(CHANGES) {
        if let &[kind, document, high, low, value, count] = change {
            let place = usize::from(high) << 8 | usize::from(low);
            changed.change(kind, usize::from(document), place, value, usize::from(count), recorded);
        }
    }
    let request = request(recorded, &changed);
    if let VerifyOutcome::Verified(found) = verify(&request, changed.now) {
        agrees(&found, &recorded.established, &changed);
    }
}

impl Recorded {
    /// `None` if it is not verified, or asks for more documents.
    fn read(
        gun: &'static str,
        now: Wall,
        tags: &'static [&'static str],
        roots: usize,
        documents: &[&[u8]],
    ) -> Option<Self> {
        let documents: Vec<_> = documents.iter().map(|document| document.to_vec()).collect();
        let tagged: std::collections::BTreeSet<_> = tags.iter().map(|tag| (*tag).into()).collect();
        let whole = as_request(gun, tagged, &documents, roots, Floors::new())?;
        match verify(&whole, now) {
            VerifyOutcome::Verified(established) => {
                Some(Self { documents, established: *established, gun, now, roots, tags })
            }
            VerifyOutcome::Missing(_) | VerifyOutcome::Refused(_) => None,
        }
    }
}

impl Changed {
    fn change(
        &mut self,
        kind: u8,
        document: usize,
        place: usize,
        value: u8,
        count: usize,
        recorded: &Recorded,
    ) {
        let all = self.documents.len();
        if all == 0 {
            return;
        }
        let at = document % all;
        let bytes = &mut self.documents[at];
        if bytes.len() > DOCUMENT_BYTES {
            return;
        }
        match kind % 13 {
            0 => change_byte(bytes, place, |byte| byte ^ value),
            1 => bytes.insert(place % (bytes.len() + 1), value),
            2 => drop(bytes.drain(range(bytes.len(), place, count))),
            3 => {
                let copied = bytes[range(bytes.len(), place, count)].to_vec();
                let to = usize::from(value) * bytes.len() / 256;
                bytes.splice(to..to, copied);
            }
            4 => self.documents.swap(at, usize::from(value) % all),
            5 => {
                let other = RECORDED.get(usize::from(value) % 4).unwrap_or(recorded);
                *bytes = other.documents[count % other.documents.len()].clone();
            }
            6 => self.remove(at),
            7 => edit(bytes, |_| {}),
            8 => {
                let digits: Vec<_> =
                    (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
                if let Some(at) = digits.get(place % digits.len().max(1)) {
                    bytes[*at] = b'0' + value % 10;
                }
            }
            9 => {
                edit(bytes, |signatures| drop(signatures.drain(range(signatures.len(), place, 1))))
            }
            10 => edit(bytes, |signatures| {
                signatures.extend(signatures.get(place % signatures.len().max(1)).cloned());
            }),
            11 => {
                let other = self.documents[usize::from(value) % all].clone();
                let mut others = Vec::new();
                edit(&mut other.clone(), |signatures| others.append(signatures));
                edit(&mut self.documents[at], |signatures| signatures.append(&mut others));
            }
            _ => self.later(document, place, value, recorded),
        }
    }

    fn remove(&mut self, at: usize) {
        // A timestamp there is always, in the place behind the last root.
        if at != self.roots && self.documents.len() > 2 {
            self.documents.remove(at);
            self.roots -= usize::from(at < self.roots);
        }
    }

    /// Another time, or a floor.
    fn later(&mut self, role: usize, place: usize, value: u8, recorded: &Recorded) {
        let roles = &recorded.established.floors;
        match roles.iter().nth(role % (roles.len() + 1)) {
            Some((role, floor)) => {
                let version = (floor.version + u64::from(value) % 4).saturating_sub(1);
                self.floors.insert(role.clone(), Floor { version, ..floor.clone() });
            }
            None => {
                let days = i64::try_from(place).unwrap_or(0) - 0x8000;
                self.now = Wall(recorded.now.0 + days * 3_600_000_000 * 24);
            }
        }
    }
}

/// Up to `count` places from `from` on, within `length`.
fn range(length: usize, from: usize, count: usize) -> std::ops::Range<usize> {
    let from = from % length.max(1);
    from.min(length)..(from + count).min(length)
}

fn change_byte(bytes: &mut [u8], place: usize, to: impl Fn(u8) -> u8) {
    let length = bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place % length) {
        *byte = to(*byte);
    }
}

/// Changes the signatures of a document, if it still is one, and spells all of it otherwise.
fn edit(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Value>)) {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else { return };
    if let Some(signatures) = document.get_mut("signatures").and_then(Value::as_array_mut) {
        change(signatures);
    }
    let mut text = String::new();
    spelt_otherwise(&document, &mut text);
    *bytes = text.into_bytes();
}

fn request(recorded: &Recorded, changed: &Changed) -> VerifyRequest {
    let tags = recorded.tags.iter().map(|tag| (*tag).to_owned()).collect();
    let Changed { documents, floors, roots, .. } = changed;
    let request = as_request(recorded.gun, tags, documents, *roots, floors.clone());
    assert!(request.is_some(), "the timestamp is lost");
    request.unwrap_or_else(|| unsigned(recorded.gun))
}

/// The roots, then the timestamp, then all other documents.
fn as_request(
    gun: &str,
    tags: std::collections::BTreeSet<String>,
    documents: &[Vec<u8>],
    roots: usize,
    floors: Floors,
) -> Option<VerifyRequest> {
    let (roots, others) = documents.split_at_checked(roots)?;
    let (timestamp, others) = others.split_first()?;
    let blobs = |all: &[Vec<u8>]| all.iter().map(|bytes| Blob::new(bytes.clone())).collect();
    Some(VerifyRequest {
        documents: blobs(others),
        floors,
        roots: blobs(roots),
        tags,
        timestamp: Blob::new(timestamp.clone()),
        trusted_root: roots.len() > 1,
        ..unsigned(gun)
    })
}

/// A request without documents, which is always refused.
fn unsigned(gun: &str) -> VerifyRequest {
    VerifyRequest {
        documents: Vec::new(),
        first_use: true,
        flight: 1,
        floors: Floors::new(),
        gun: gun.to_owned(),
        pins: RootPins::default(),
        roots: Vec::new(),
        server: "https://notary.example".to_owned(),
        tags: std::collections::BTreeSet::new(),
        timestamp: Blob::new(Vec::new()),
        trusted_root: false,
    }
}

/// What is still verified is what was recorded, and no floor is ignored.
fn agrees(found: &VerifiedCollection, recorded: &VerifiedCollection, changed: &Changed) {
    let spki = |role: &portreeve_protocol::evidence::RoleEvidence| -> Vec<Sha256> {
        role.signed_by.iter().map(|signer| signer.spki).collect()
    };
    for (role, evidence) in &found.evidence.roles {
        let known = recorded.evidence.roles.get(role);
        assert!(known.is_some(), "{role} was never recorded: {found:?}");
        let Some(known) = known else { continue };
        let (version, expires, threshold) =
            (evidence.version, evidence.expires, evidence.threshold);
        assert_eq!((version, expires), (known.version, known.expires), "{role} says otherwise");
        assert_eq!(threshold, known.threshold, "{role} needs other signatures");
        assert!(spki(evidence).iter().all(|one| spki(known).contains(one)), "{role} by a stranger");
        assert!(expires >= changed.now, "{role} is expired");
        // A walk over several roots forgets the floors of roles that got new keys.
        let floor = changed.floors.get(role).filter(|_| changed.roots == 1);
        assert!(floor.is_none_or(|floor| version >= floor.version), "{role} is below its floor");
    }
    assert!(found.tags.keys().eq(recorded.tags.keys()), "other tags than were asked for");
    for (tag, view) in &found.tags {
        let known = recorded.tags.get(tag).map(|known| &known.entries);
        let all_known = view
            .entries
            .iter()
            .all(|(role, entry)| known.and_then(|it| it.get(role)) == Some(entry));
        assert!(all_known, "{tag} is another image: {:?}, not {known:?}", view.entries);
        let lost = known.map_or(0, std::collections::BTreeMap::len) - view.entries.len();
        assert!(lost <= found.evidence.dropped.len(), "an entry of {tag} is lost: {found:?}");
    }
}
