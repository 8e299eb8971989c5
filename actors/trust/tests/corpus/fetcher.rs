//! The least a reader can do around `verify`: it fetches what is missing, and looks for newer roots
//! before it believes a refusal (dialect section 7.3).

use std::collections::BTreeSet;

use portreeve_protocol::evidence::Floors;
use portreeve_protocol::limits::SMALL_DOCUMENT_BYTES;
use portreeve_protocol::messages::notary::{DocumentName, VerifiedCollection, VerifyOutcome};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Denial, DenyCode, Wall};
use portreeve_trust::verify;
use serde_json::Value;

use crate::case::{Case, Served, instant};

/// Resolves `tags` as a reader with the case's cache would.
pub fn resolve(case: &Case, tags: &BTreeSet<String>) -> Result<VerifiedCollection, Denial> {
    let Some(root) = case.cache.get("root") else {
        let root = match case.get("root.json", SMALL_DOCUMENT_BYTES) {
            Served::Document(root) => root,
            Served::Absent => return Err(Denial::new(DenyCode::NotSigned, "no root.json")),
            Served::Failed(denial) => return Err(denial),
        };
        return attempt(case, tags, vec![root], false, Floors::new());
    };
    let floors = prior_floors(case);
    let first = attempt(case, tags, vec![root.clone()], true, floors.clone());
    let Err(denial) = first else { return first };
    let mut roots = vec![root.clone()];
    let known: Option<Value> = serde_json::from_slice(root.bytes()).ok();
    let known = known.and_then(|root| root["signed"]["version"].as_u64()).unwrap_or(0);
    for version in known + 1.. {
        let name = DocumentName::RootVersion(version).to_string();
        match case.get(&name, SMALL_DOCUMENT_BYTES) {
            Served::Document(root) => roots.push(root),
            Served::Absent => break,
            Served::Failed(denial) => return Err(denial),
        }
    }
    if roots.len() == 1 { Err(denial) } else { attempt(case, tags, roots, true, floors) }
}

/// The floors that a verification of the cache left behind, in the last second it held.
pub fn prior_floors(case: &Case) -> Floors {
    let expiries = case.cache.values().filter_map(|blob| {
        let document: Value = serde_json::from_slice(blob.bytes()).ok()?;
        instant(document["signed"]["expires"].as_str()?)
    });
    let Some(Wall(expiry)) = expiries.min() else { return Floors::new() };
    let (Some(root), Some(timestamp)) = (case.cache.get("root"), case.cache.get("timestamp"))
    else {
        return Floors::new();
    };
    let request = VerifyRequest {
        documents: case.cache.values().cloned().collect(),
        first_use: true,
        floors: Floors::new(),
        flight: 0,
        gun: case.gun.clone(),
        pins: case.pins(),
        roots: vec![root.clone()],
        server: "https://notary.example".to_owned(),
        tags: BTreeSet::new(),
        timestamp: timestamp.clone(),
        trusted_root: false,
    };
    match verify(&request, Wall(expiry - 1_000_000)) {
        VerifyOutcome::Verified(collection) => collection.floors,
        VerifyOutcome::Missing(_) | VerifyOutcome::Refused(_) => Floors::new(),
    }
}

fn attempt(
    case: &Case,
    tags: &BTreeSet<String>,
    roots: Vec<Blob>,
    trusted_root: bool,
    floors: Floors,
) -> Result<VerifiedCollection, Denial> {
    let timestamp = match case.get("timestamp.json", SMALL_DOCUMENT_BYTES) {
        Served::Document(timestamp) => timestamp,
        Served::Absent => return Err(Denial::new(DenyCode::MissingDocument, "timestamp")),
        Served::Failed(denial) => return Err(denial),
    };
    let mut request = VerifyRequest {
        documents: case.cache.values().cloned().collect(),
        first_use: true,
        floors,
        flight: 1,
        gun: case.gun.clone(),
        pins: case.pins(),
        roots,
        server: "https://notary.example".to_owned(),
        tags: tags.clone(),
        timestamp,
        trusted_root,
    };
    // Two rounds at most: the snapshot, then all that it names.
    for _ in 0..3 {
        let missing = match verify(&request, case.now) {
            VerifyOutcome::Verified(collection) => return Ok(*collection),
            VerifyOutcome::Refused(denial) => return Err(denial),
            VerifyOutcome::Missing(missing) => missing,
        };
        for wanted in missing {
            let name = DocumentName::Hashed { role: wanted.role, sha256: wanted.sha256 };
            match case.get(&name.to_string(), wanted.length) {
                Served::Document(blob) if blob.digest() == wanted.sha256 => {
                    request.documents.push(blob);
                }
                Served::Document(_) => {
                    return Err(Denial::new(DenyCode::Checksum, name.to_string()));
                }
                Served::Absent => {
                    return Err(Denial::new(DenyCode::MissingDocument, name.to_string()));
                }
                Served::Failed(denial) => return Err(denial),
            }
        }
    }
    panic!("{}: a document was asked for again after it was handed in", case.name)
}
