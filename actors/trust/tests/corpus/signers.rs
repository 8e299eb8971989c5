//! The public keys that a case's signers are known by.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::Sha256;
use portreeve_trust::signer::public_key_fingerprint;
use serde_json::Value;

use crate::case::{Case, Served};

/// Signer name to the fingerprints of the keys listed for it: as the case says, or else as the
/// served targets say.
pub fn keys(case: &Case) -> BTreeMap<String, Vec<Sha256>> {
    let mut known = BTreeMap::new();
    let described = &case.description["keys"];
    for (role, listed) in case.description["roles"].as_object().into_iter().flatten() {
        let ids = listed["keyids"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let pems = ids.filter_map(|id| described[id]["pem"].as_str());
        enter(&mut known, role, pems.filter_map(|pem| public_key_fingerprint(pem).ok()).collect());
    }
    if !described.is_object()
        && let Served::Document(targets) = case.get("targets.json", u64::MAX)
        && let Ok(targets) = serde_json::from_slice::<Value>(targets.bytes())
    {
        let delegations = &targets["signed"]["delegations"];
        for role in delegations["roles"].as_array().into_iter().flatten() {
            let ids = role["keyids"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let found = ids.filter_map(|id| listed(&delegations["keys"][id])).collect();
            enter(&mut known, role["name"].as_str().unwrap_or_default(), found);
        }
    }
    known
}

fn enter(known: &mut BTreeMap<String, Vec<Sha256>>, role: &str, keys: Vec<Sha256>) {
    if let (Some(signer), false) = (role.strip_prefix("targets/"), keys.is_empty()) {
        known.insert(signer.to_owned(), keys);
    }
}

/// The fingerprint of a key as a document lists it.
fn listed(key: &Value) -> Option<Sha256> {
    let bytes = STANDARD.decode(key["keyval"]["public"].as_str()?).ok()?;
    let pem = match key["keytype"].as_str()? {
        "ecdsa-x509" | "rsa-x509" => String::from_utf8(bytes).ok()?,
        "ed25519" => {
            let head = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
            armoured(&[head.as_slice(), &bytes].concat())
        }
        _ => armoured(&bytes),
    };
    public_key_fingerprint(&pem).ok()
}

fn armoured(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
