//! The least a reader can do around `verify`: it fetches what is missing, and looks for newer roots
//! before it believes a refusal (dialect section 7.3).

use std::collections::BTreeSet;

use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::limits::SMALL_DOCUMENT_BYTES;
use portreeve_protocol::messages::notary::{DocumentName, VerifiedCollection, VerifyOutcome};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Denial, DenyCode};
use portreeve_trust::{adopt, verify};

use crate::case::{Case, Served};

/// The server the cases are served by.
const SERVER: &str = "https://notary.example";

/// Resolves `tags` as a reader with the case's cache would.
pub fn resolve(case: &Case, tags: &BTreeSet<String>) -> Result<VerifiedCollection, Denial> {
    let Some(kept) = adopt(&case.gun, SERVER, &case.cache)? else {
        let root = match case.get("root.json", SMALL_DOCUMENT_BYTES) {
            Served::Document(root) => root,
            Served::Absent => return Err(Denial::new(DenyCode::NotSigned, "no root.json")),
            Served::Failed(denial) => return Err(denial),
        };
        return attempt(case, tags, vec![root], None);
    };
    let first = attempt(case, tags, vec![kept.root.clone()], Some(&kept));
    let Err(denial) = first else { return first };
    let mut roots = vec![kept.root.clone()];
    for version in kept.floors["root"].version + 1.. {
        let name = DocumentName::RootVersion(version).to_string();
        match case.get(&name, SMALL_DOCUMENT_BYTES) {
            Served::Document(root) => roots.push(root),
            Served::Absent => break,
            Served::Failed(denial) => return Err(denial),
        }
    }
    if roots.len() == 1 { Err(denial) } else { attempt(case, tags, roots, Some(&kept)) }
}

fn attempt(
    case: &Case,
    tags: &BTreeSet<String>,
    roots: Vec<Blob>,
    kept: Option<&TrustedCollection>,
) -> Result<VerifiedCollection, Denial> {
    let timestamp = match case.get("timestamp.json", SMALL_DOCUMENT_BYTES) {
        Served::Document(timestamp) => timestamp,
        Served::Absent => return Err(Denial::new(DenyCode::MissingDocument, "timestamp")),
        Served::Failed(denial) => return Err(denial),
    };
    let mut request = VerifyRequest {
        documents: kept.map(|kept| kept.documents.clone()).unwrap_or_default(),
        first_use: true,
        floors: kept.map(|kept| kept.floors.clone()).unwrap_or_default(),
        flight: 1,
        gun: case.gun.clone(),
        pins: case.pins(),
        roots,
        server: SERVER.to_owned(),
        tags: tags.clone(),
        timestamp,
        trusted_root: kept.is_some(),
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
