//! A publication opened up: every document can be changed before it is signed, by the genuine keys
//! or others, and after it, before its parents name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_lab::canonical::canonical;
use portreeve_lab::{Documents, Keys, LabError, RoleKey, entry, file_meta, rfc3339};
use serde_json::{Value, json};

use super::Material;

/// The delegation that releases images.
pub(super) const RELEASES: &str = "targets/releases";
/// For how long a draft is valid: fourteen days, in microseconds.
pub(super) const LIFETIME: i64 = 14 * 86_400 * 1_000_000;
/// What an entry says of the length of an image that nobody knows.
const LENGTH: u64 = 1_000;

/// The keys of somebody whom nobody knows.
pub(super) const STRANGER: Keys = Keys::stranger(0);

/// A publication opened up.
pub(super) struct Draft<'a> {
    /// What it is made from.
    pub(super) material: &'a Material<'a>,
    /// Parent and child to what the parent says of the child instead of the truth.
    misnamed: BTreeMap<(&'static str, String), Value>,
    root_version: u64,
    served: Documents,
    sheets: BTreeMap<String, Sheet>,
    /// Role to what is served under its names, whatever its parents say.
    swapped: BTreeMap<String, Arc<[u8]>>,
    /// Roles whose newest document is served under none of its names.
    withheld: BTreeSet<String>,
}

/// A document before it is signed.
#[derive(Clone)]
pub(super) struct Sheet {
    /// What is signed; `meta` is filled in as the document is signed.
    pub(super) signed: Value,
    /// Who signs.
    pub(super) signers: Vec<RoleKey>,
    written: Option<Arc<[u8]>>,
}

/// A document as it is signed.
pub(super) struct Envelope {
    /// What its signatures cover.
    pub(super) message: Vec<u8>,
    /// The signatures.
    pub(super) signatures: Vec<Value>,
    /// What is signed.
    pub(super) signed: Value,
}

impl Envelope {
    /// The document as a value.
    pub(super) fn document(&self) -> Value {
        json!({"signatures": self.signatures, "signed": self.signed})
    }

    /// The document as Notary spells it.
    pub(super) fn text(&self) -> String {
        let signatures = Value::Array(self.signatures.clone());
        format!("{{\"signed\":{},\"signatures\":{signatures}}}", self.signed)
    }
}

impl<'a> Draft<'a> {
    /// What is served, unchanged; what was published last, if nothing is served.
    ///
    /// # Errors
    /// `Unpublished` if no complete publication is at hand.
    pub(super) fn genuine(material: &'a Material<'a>) -> Result<Self, LabError> {
        Self::of(material, material.served)
            .or_else(|_| Self::of(material, material.collection.documents()))
    }

    fn of(material: &'a Material<'a>, served: &Documents) -> Result<Self, LabError> {
        let missing = |role: &str, why: String| LabError::Unpublished {
            gun: material.collection.gun().to_owned(),
            document: role.to_owned(),
            why,
        };
        let read = |role: &str| -> Result<Sheet, LabError> {
            let bytes = served.get(&format!("{role}.json"));
            let bytes = bytes.ok_or_else(|| missing(role, "it is not served".to_owned()))?;
            let mut document: Value =
                serde_json::from_slice(bytes).map_err(|error| missing(role, error.to_string()))?;
            let signed = document["signed"].take();
            let keys = material.collection.keys_of(role)?;
            let signers = keys.into_iter().cloned().collect();
            Ok(Sheet { signed, signers, written: Some(Arc::clone(bytes)) })
        };
        let mut sheets = BTreeMap::new();
        for role in ["timestamp", "snapshot"] {
            sheets.insert(role.to_owned(), read(role)?);
        }
        let named = sheets.get("snapshot").and_then(|sheet| sheet.signed["meta"].as_object());
        let named: Vec<String> =
            named.into_iter().flatten().map(|(role, _)| role.clone()).collect();
        for role in named {
            let sheet = read(&role)?;
            sheets.insert(role, sheet);
        }
        let root = sheets.get("root").and_then(|sheet| sheet.signed["version"].as_u64());
        let root_version = root.ok_or_else(|| missing("root", "it has no version".to_owned()))?;
        Ok(Self {
            material,
            misnamed: BTreeMap::new(),
            root_version,
            served: served.clone(),
            sheets,
            swapped: BTreeMap::new(),
            withheld: BTreeSet::new(),
        })
    }

    /// What is served, signed anew by the genuine keys with the next version of everything but the
    /// root.
    ///
    /// # Errors
    /// As [`Draft::genuine`], `Time`.
    pub(super) fn renewed(material: &'a Material<'a>) -> Result<Self, LabError> {
        let mut draft = Self::genuine(material)?;
        let roles: Vec<String> = draft.sheets.keys().cloned().collect();
        for role in roles.iter().filter(|role| *role != "root") {
            draft.renew(role)?;
        }
        Ok(draft)
    }

    /// The publication of somebody who holds every key: [`Draft::renewed`], and every tag in every
    /// role names the image that nobody signed. Nothing is wrong with it; classes add what is.
    ///
    /// # Errors
    /// As [`Draft::renewed`].
    pub(super) fn tainted(material: &'a Material<'a>) -> Result<Self, LabError> {
        let mut draft = Self::renewed(material)?;
        let targets = draft.sheets.iter_mut().filter(|(role, _)| role.starts_with("targets"));
        for (_, sheet) in targets {
            taint(&mut sheet.signed["targets"], material);
        }
        Ok(draft)
    }

    /// [`Draft::tainted`], prepared for a fault in `role`: a root becomes the next one, and
    /// `targets/releases` is there and nobody answers in its place.
    ///
    /// # Errors
    /// As [`Draft::renewed`].
    pub(super) fn tainted_at(material: &'a Material<'a>, role: &str) -> Result<Self, LabError> {
        let mut draft = Self::tainted(material)?;
        match role {
            "root" => drop(draft.next_root()?),
            RELEASES => draft.only_releases()?,
            _ => {}
        }
        Ok(draft)
    }

    /// Opens a document, so that it is signed anew.
    ///
    /// # Errors
    /// `Unpublished` if there is none of that role.
    pub(super) fn sheet(&mut self, role: &str) -> Result<&mut Sheet, LabError> {
        let gun = self.material.collection.gun();
        let sheet = self.sheets.get_mut(role).ok_or_else(|| LabError::Unpublished {
            gun: gun.to_owned(),
            document: role.to_owned(),
            why: "it is not published".to_owned(),
        })?;
        sheet.written = None;
        Ok(sheet)
    }

    fn renew(&mut self, role: &str) -> Result<&mut Sheet, LabError> {
        let expires = rfc3339(self.material.now, LIFETIME)?;
        let sheet = self.sheet(role)?;
        let version = sheet.signed["version"].as_u64().unwrap_or_default();
        sheet.signed["version"] = json!(version + 1);
        sheet.signed["expires"] = json!(expires);
        Ok(sheet)
    }

    /// Opens the root that follows the one served, signed by the genuine key.
    ///
    /// # Errors
    /// `Unpublished`, `Time`.
    pub(super) fn next_root(&mut self) -> Result<&mut Sheet, LabError> {
        self.root_version += 1;
        self.renew("root")
    }

    /// Opens a base role in the next root: its key ids and threshold.
    ///
    /// # Errors
    /// As [`Draft::next_root`].
    pub(super) fn keys_in_root(
        &mut self,
        role: &str,
        keys: &[&RoleKey],
        threshold: u32,
    ) -> Result<(), LabError> {
        let root = self.sheet("root")?;
        list(&mut root.signed["keys"], keys);
        let ids: Vec<String> = keys.iter().map(|key| key.id().to_hex()).collect();
        root.signed["roles"][role] = json!({"keyids": ids, "threshold": threshold});
        Ok(())
    }

    /// The names of the roles that exist, the base roles among them.
    pub(super) fn roles(&self) -> Vec<String> {
        self.sheets.keys().cloned().collect()
    }

    /// Whether there is a role of that name.
    pub(super) fn has(&self, role: &str) -> bool {
        self.sheets.contains_key(role)
    }

    /// Every tag that any role names.
    pub(super) fn tags(&self) -> BTreeSet<String> {
        let targets = self.sheets.values().filter_map(|sheet| sheet.signed["targets"].as_object());
        targets.flatten().map(|(tag, _)| tag.clone()).collect()
    }

    /// Has `targets/releases` be there and be the only role but signers' that names tags.
    ///
    /// # Errors
    /// As [`Draft::delegate`].
    pub(super) fn only_releases(&mut self) -> Result<(), LabError> {
        if !self.has(RELEASES) {
            let key = STRANGER.base("", RELEASES, 0)?;
            self.delegate(RELEASES, &key)?;
        }
        let tags = self.tags();
        let evil = self.evil(&tags);
        let releases = self.sheet(RELEASES)?;
        // A signer who signed alone would have published the same bytes, to be had under that name.
        releases.signed["remark"] = json!(RELEASES);
        if releases.signed["targets"].as_object().is_none_or(serde_json::Map::is_empty) {
            releases.signed["targets"] = evil;
        }
        self.sheet("targets")?.signed["targets"] = json!({});
        Ok(())
    }

    /// Delegates to a new role, which names the image nobody signed for every tag.
    ///
    /// # Errors
    /// `Unpublished`, `Time`.
    pub(super) fn delegate(&mut self, role: &str, key: &RoleKey) -> Result<(), LabError> {
        let tags = self.tags();
        let signed = json!({
            "_type": "Targets",
            "delegations": {"keys": {}, "roles": []},
            "expires": rfc3339(self.material.now, LIFETIME)?,
            "targets": self.evil(&tags),
            "version": 1,
        });
        let sheet = Sheet { signed, signers: vec![key.clone()], written: None };
        self.sheets.insert(role.to_owned(), sheet);
        let parent = role.rsplit_once('/').map_or("targets", |(parent, _)| parent);
        let parent = self.sheet(parent)?;
        list(&mut parent.signed["delegations"]["keys"], &[key]);
        if let Value::Array(roles) = &mut parent.signed["delegations"]["roles"] {
            let ids = [key.id()];
            roles.push(json!({"keyids": ids, "name": role, "paths": [""], "threshold": 1}));
        }
        Ok(())
    }

    /// Opens what the parent of a delegation says of it.
    ///
    /// # Errors
    /// `Unpublished` if there is no such delegation.
    pub(super) fn delegation(&mut self, role: &str) -> Result<&mut Value, LabError> {
        let missing = LabError::Unpublished {
            gun: self.material.collection.gun().to_owned(),
            document: role.to_owned(),
            why: "nobody delegates to it".to_owned(),
        };
        let parent = role.rsplit_once('/').map_or("targets", |(parent, _)| parent);
        let roles = self.sheet(parent)?.signed["delegations"]["roles"].as_array_mut();
        let found = roles.into_iter().flatten().find(|listed| listed["name"] == role);
        found.ok_or(missing)
    }

    /// Entries of the image nobody signed.
    pub(super) fn evil(&self, tags: &BTreeSet<String>) -> Value {
        let evil = entry(self.material.evil, LENGTH);
        Value::Object(tags.iter().map(|tag| (tag.clone(), evil.clone())).collect())
    }

    /// Takes a role out: the snapshot does not name it.
    pub(super) fn remove(&mut self, role: &str) {
        self.sheets.remove(role);
    }

    /// The document as it is signed now.
    ///
    /// # Errors
    /// `Unpublished`, `NotCanonical`, `Key`.
    pub(super) fn envelope(&self, role: &str) -> Result<Envelope, LabError> {
        let sheet = self.known(role)?;
        let mut signed = sheet.signed.clone();
        let children: Vec<&str> = match role {
            "timestamp" => vec!["snapshot"],
            "snapshot" => {
                let named = |role: &&String| *role == "root" || role.starts_with("targets");
                self.sheets.keys().filter(named).map(String::as_str).collect()
            }
            _ => Vec::new(),
        };
        if !children.is_empty() {
            signed["meta"] = json!({});
        }
        for child in children {
            let parent = if role == "timestamp" { "timestamp" } else { "snapshot" };
            let meta = match self.misnamed.get(&(parent, child.to_owned())) {
                Some(meta) => meta.clone(),
                None => file_meta(&self.bytes(child)?),
            };
            if !meta.is_null() {
                signed["meta"][child] = meta;
            }
        }
        let message = canonical(&signed)?;
        let signatures = sheet.signers.iter().map(|key| key.signature(&message));
        let signatures = signatures.collect::<Result<_, _>>()?;
        Ok(Envelope { message, signatures, signed })
    }

    fn known(&self, role: &str) -> Result<&Sheet, LabError> {
        self.sheets.get(role).ok_or_else(|| LabError::Unpublished {
            gun: self.material.collection.gun().to_owned(),
            document: role.to_owned(),
            why: "it is not published".to_owned(),
        })
    }

    /// The document as it will be served, unless it is swapped or withheld.
    ///
    /// # Errors
    /// As [`Draft::envelope`].
    pub(super) fn bytes(&self, role: &str) -> Result<Arc<[u8]>, LabError> {
        if let Some(written) = &self.known(role)?.written {
            return Ok(Arc::clone(written));
        }
        Ok(Arc::from(self.envelope(role)?.text().into_bytes()))
    }

    /// Has a document be these bytes; its parents name them.
    ///
    /// # Errors
    /// `Unpublished`.
    pub(super) fn write(&mut self, role: &str, bytes: impl Into<Vec<u8>>) -> Result<(), LabError> {
        self.sheet(role)?.written = Some(Arc::from(bytes.into()));
        Ok(())
    }

    /// Has `parent` say this of `child`; `null` has it say nothing.
    pub(super) fn misname(&mut self, parent: &'static str, child: &str, meta: Value) {
        self.misnamed.insert((parent, child.to_owned()), meta);
    }

    /// Has these bytes be served under the names of the role's document.
    pub(super) fn swap(&mut self, role: &str, bytes: Arc<[u8]>) {
        self.swapped.insert(role.to_owned(), bytes);
    }

    /// Has the newest document of the role be served under none of its names.
    pub(super) fn withhold(&mut self, role: &str) {
        self.withheld.insert(role.to_owned());
    }

    /// Signs what is open, children before their parents, and puts all of it beside what was served
    /// before.
    ///
    /// # Errors
    /// As [`Draft::envelope`].
    pub(super) fn finish(mut self) -> Result<Documents, LabError> {
        let mut roles = self.roles();
        roles.retain(|role| role != "snapshot" && role != "timestamp");
        roles.extend(["snapshot", "timestamp"].map(str::to_owned));
        let mut served = std::mem::take(&mut self.served);
        for role in roles {
            let bytes = self.bytes(&role)?;
            let version = match self.known(&role)?.signed["version"].as_u64() {
                _ if role == "root" => self.root_version,
                version => version.unwrap_or_default(),
            };
            let digest = portreeve_protocol::Sha256::of(&bytes);
            if let Some(sheet) = self.sheets.get_mut(&role) {
                sheet.written = Some(Arc::clone(&bytes));
            }
            let body = self.swapped.get(&role).unwrap_or(&bytes);
            let names = [
                format!("{role}.json"),
                format!("{role}.{digest}.json"),
                format!("{version}.{role}.json"),
            ];
            for name in names {
                if self.withheld.contains(&role) {
                    served.remove(&name);
                } else {
                    served.insert(name, Arc::clone(body));
                }
            }
        }
        Ok(served)
    }
}

/// Has every entry name the image nobody signed, at the length it has.
fn taint(targets: &mut Value, material: &Material<'_>) {
    for (_, listed) in targets.as_object_mut().into_iter().flatten() {
        let length = listed["length"].as_u64().unwrap_or(LENGTH);
        *listed = entry(material.evil, length);
    }
}

/// Adds keys to a `keys` member.
pub(super) fn list(member: &mut Value, keys: &[&RoleKey]) {
    for key in keys {
        member[key.id().to_hex()] = key.listing().clone();
    }
}
