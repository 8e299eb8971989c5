//! Unusual, and yet the same: what means what the genuine documents mean is taken for them. Where
//! there is room the image nobody signed stands beside what is meant.

use portreeve_lab::{Documents, LabError, entry, file_meta};
use serde_json::{Value, json};

use super::draft::{Draft, Envelope, RELEASES, STRANGER};
use super::{LEAP, Material};

/// The timestamp that is served, spelt as `spell` does. What is signed stays the same, so that it
/// is no other timestamp.
pub(super) fn timestamp(
    material: &Material<'_>,
    spell: impl FnOnce(Envelope) -> Result<String, LabError>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::genuine(material)?;
    draft.sheet("timestamp")?;
    let envelope = draft.envelope("timestamp")?;
    draft.write("timestamp", spell(envelope)?)?;
    draft.finish()
}

/// A new publication in which every document is spelt as `spell` does, the root signed again.
pub(super) fn everything(
    material: &Material<'_>,
    spell: impl Fn(&Value) -> String,
) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    let mut roles = draft.roles();
    roles.retain(|role| role != "snapshot" && role != "timestamp");
    roles.extend(["snapshot", "timestamp"].map(str::to_owned));
    for role in roles {
        let Envelope { signatures, signed, .. } = draft.envelope(&role)?;
        let document = json!({"signatures": signatures, "signed": signed});
        draft.write(&role, spell(&document))?;
    }
    draft.finish()
}

/// Blanks and line ends wherever they may be.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\r\n\t ")
}

/// Members in the opposite order, and every letter of every string escaped.
pub(super) fn escaped(value: &Value) -> String {
    let text = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(string) => text(string),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}:{}", text(name), escaped(value));
            format!("{{{}}}", members.iter().rev().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

/// A member beside what is signed, where entries would stand within.
pub(super) fn beside(material: &Material<'_>) -> Result<Documents, LabError> {
    let draft = Draft::genuine(material)?;
    let evil = draft.evil(&draft.tags());
    timestamp(material, |Envelope { signatures, signed, .. }| {
        let document = json!({"signatures": signatures, "signed": signed, "targets": evil});
        Ok(document.to_string())
    })
}

/// A signature of somebody else goes before the genuine one, which comes twice, in capitals.
pub(super) fn signatures(material: &Material<'_>) -> Result<Documents, LabError> {
    let key = STRANGER.base(material.collection.gun(), "nobody", 0)?;
    timestamp(material, |mut envelope| {
        for one in &mut envelope.signatures {
            one["method"] = json!(one["method"].as_str().unwrap_or_default().to_uppercase());
        }
        let genuine = envelope.signatures.clone();
        envelope.signatures.insert(0, key.signature(&envelope.message)?);
        envelope.signatures.extend(genuine);
        Ok(envelope.text())
    })
}

/// A new publication in which `change` changes what is signed of each role.
pub(super) fn published(
    material: &Material<'_>,
    change: impl Fn(&str, &mut Value),
) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    for role in draft.roles() {
        if role != "root" {
            change(&role, &mut draft.sheet(&role)?.signed);
        }
    }
    draft.finish()
}

/// A new publication with versions far ahead.
pub(super) fn versions_ahead(material: &Material<'_>) -> Result<Documents, LabError> {
    published(material, |_, signed| {
        let version = signed["version"].as_u64().unwrap_or_default();
        signed["version"] = json!(version + LEAP / 2);
    })
}

/// Documents are named by SHA-256 only, and by a digest of a kind nobody knows.
pub(super) fn digests(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    let mut roles = draft.roles();
    roles.retain(|role| role != "snapshot" && role != "timestamp");
    roles.push("snapshot".to_owned());
    for role in roles {
        let mut meta = file_meta(&draft.bytes(&role)?);
        let sha256 = meta["hashes"]["sha256"].take();
        let unknown = entry(material.evil, 1)["hashes"]["sha256"].take();
        meta["hashes"] = json!({"blake3": unknown, "sha256": sha256});
        meta["custom"] = json!({"sha256": unknown});
        let parent = if role == "snapshot" { "timestamp" } else { "snapshot" };
        draft.misname(parent, &role, meta);
    }
    draft.finish()
}

/// Names that differ from a tag by a letter stand beside it and name the image nobody signed, which
/// the genuine entry holds as custom data.
pub(super) fn neighbours(material: &Material<'_>) -> Result<Documents, LabError> {
    let evil = entry(material.evil, 1_000);
    published(material, |role, signed| {
        let Some(targets) = signed["targets"].as_object_mut().filter(|_| role != "timestamp")
        else {
            return;
        };
        let tags: Vec<String> = targets.keys().cloned().collect();
        for tag in tags {
            targets[&tag]["custom"] = evil.clone();
            for other in
                [format!("{tag} "), format!(" {tag}"), format!("{tag}\0"), tag + "\u{200b}"]
            {
                targets.insert(other, evil.clone());
            }
        }
    })
}

/// `targets/releases` names the genuine images, and `targets` the one nobody else signed. Without
/// releases nothing differs.
pub(super) fn base_differs(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    if !draft.has(RELEASES) {
        return draft.finish();
    }
    let released = draft.sheet(RELEASES)?.signed["targets"].as_object();
    let tags = released.into_iter().flatten().map(|(tag, _)| tag.clone()).collect();
    let evil = draft.evil(&tags);
    // What is named by `targets` alone is still to be had from there.
    for (tag, listed) in evil.as_object().into_iter().flatten() {
        draft.sheet("targets")?.signed["targets"][tag] = listed.clone();
    }
    draft.finish()
}

/// Roles that release nothing name the image nobody signed: one that `targets` delegates to, one
/// below it, and one that the snapshot names and nobody delegates to.
pub(super) fn idle_roles(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    let key = STRANGER.base(material.collection.gun(), "mallory", 0)?;
    for role in ["targets/mallory", "targets/mallory/releases", "targets/nobody"] {
        draft.delegate(role, &key)?;
    }
    if let Value::Array(roles) = &mut draft.sheet("targets")?.signed["delegations"]["roles"] {
        roles.retain(|role| role["name"] != "targets/nobody");
    }
    draft.finish()
}
