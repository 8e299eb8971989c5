//! Signatures that are missing, wrong, or somebody else's. The image nobody signed is in every
//! role, and but for the one fault everything is signed by the genuine keys.

use portreeve_lab::{Documents, LabError};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, Envelope, RELEASES, STRANGER};

/// Signs all, then has `change` change the signatures of `role`; its parents name the result.
fn signed_otherwise(
    material: &Material<'_>,
    role: &str,
    change: impl FnOnce(&Draft<'_>, &mut Envelope) -> Result<(), LabError>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let mut envelope = draft.envelope(role)?;
    change(&draft, &mut envelope)?;
    draft.write(role, envelope.text())?;
    draft.finish()
}

/// Rewrites a member of every signature.
fn rewritten(
    material: &Material<'_>,
    role: &str,
    member: &str,
    rewrite: impl Fn(&str) -> String,
) -> Result<Documents, LabError> {
    signed_otherwise(material, role, |_, envelope| {
        for one in &mut envelope.signatures {
            let text = rewrite(one[member].as_str().unwrap_or_default());
            one[member] = json!(text);
        }
        Ok(())
    })
}

/// One letter of each signature is another.
pub(super) fn flipped(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    rewritten(material, role, "sig", |text| {
        let other = if text.starts_with('A') { "B" } else { "A" };
        format!("{other}{}", text.get(1..).unwrap_or_default())
    })
}

/// Each signature lacks its last bytes.
pub(super) fn short(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    rewritten(material, role, "sig", |text| {
        text.get(..text.len().saturating_sub(4)).unwrap_or_default().to_owned()
    })
}

/// Signatures are written in hexadecimal digits and a dash, which is not base64.
pub(super) fn not_base64(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    rewritten(material, role, "sig", |_| "00-ff".to_owned())
}

/// Signatures say that they were made in this way.
pub(super) fn method(
    material: &Material<'_>,
    role: &str,
    method: &str,
) -> Result<Documents, LabError> {
    rewritten(material, role, "method", |_| method.to_owned())
}

/// There are no signatures.
pub(super) fn none(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    signed_otherwise(material, role, |_, envelope| {
        envelope.signatures.clear();
        Ok(())
    })
}

/// There is no member `signatures`.
pub(super) fn absent(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let signed = draft.envelope(role)?.signed;
    draft.write(role, json!({"signed": signed}).to_string())?;
    draft.finish()
}

/// Somebody signed whose key is not listed.
pub(super) fn by_stranger(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let gun = material.collection.gun();
    let key = if role == "root" {
        STRANGER.root(gun, 0, material.now)?
    } else {
        // Not the key of a delegation that the draft may have added.
        STRANGER.base(gun, "nobody", 0)?
    };
    draft.sheet(role)?.signers = vec![key];
    draft.finish()
}

/// Somebody signed whose key is not listed, under the id of the key that is.
pub(super) fn claimed_id(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    signed_otherwise(material, role, |_, envelope| {
        let key = STRANGER.base(material.collection.gun(), "nobody", 0)?;
        for one in &mut envelope.signatures {
            one["sig"] = key.signature(&envelope.message)?["sig"].take();
        }
        Ok(())
    })
}

/// The genuine signature under the id of another role's key.
pub(super) fn id_of(
    material: &Material<'_>,
    role: &str,
    other: &str,
) -> Result<Documents, LabError> {
    let id = material.collection.keys_of(other)?.first().map(|key| key.id().to_hex());
    rewritten(material, role, "keyid", |text| id.clone().unwrap_or_else(|| text.to_owned()))
}

/// A role's document is signed with the key of another role of the same collection.
pub(super) fn by_role(
    material: &Material<'_>,
    role: &str,
    other: &str,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let keys = material.collection.keys_of(other)?;
    draft.sheet(role)?.signers = keys.into_iter().cloned().collect();
    draft.finish()
}

/// Each signer signs every delegation but the own one; where there is one signer, `targets` does.
pub(super) fn by_other_signer(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    let key = material.collection.keys_of("targets")?;
    for role in draft.roles().iter().filter(|role| role.starts_with("targets/")) {
        draft.sheet(role)?.signers = key.iter().map(|&key| key.clone()).collect();
    }
    draft.finish()
}

/// The signatures of the document served before, under another content.
pub(super) fn of_the_last(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let before = Draft::genuine(material)?;
    let last = if before.has(role) { before.bytes(role)? } else { before.bytes("targets")? };
    let last: Value = serde_json::from_slice(&last).unwrap_or_default();
    signed_otherwise(material, role, |_, envelope| {
        envelope.signatures = last["signatures"].as_array().cloned().unwrap_or_default();
        Ok(())
    })
}

/// What is signed is the text with blanks in it, not its canonical form.
pub(super) fn of_the_text(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let signed = draft.envelope(role)?.signed;
    let text = format!("{signed:#}");
    let mut signatures = Vec::new();
    for key in &draft.sheet(role)?.signers {
        signatures.push(key.signature(text.as_bytes())?);
    }
    let signatures = Value::Array(signatures);
    draft.write(role, format!("{{\"signed\":{text},\"signatures\":{signatures}}}"))?;
    draft.finish()
}

/// More signatures than anybody needs, the good ones last.
pub(super) fn many(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    signed_otherwise(material, role, |_, envelope| {
        let key = STRANGER.base(material.collection.gun(), "nobody", 0)?;
        let one = key.signature(&envelope.message)?;
        let mut all = vec![one; portreeve_protocol::limits::SIGNATURES];
        all.append(&mut envelope.signatures);
        envelope.signatures = all;
        Ok(())
    })
}
