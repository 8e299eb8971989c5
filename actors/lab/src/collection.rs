//! A Notary v1 collection and its publisher: what the notary and docker clients and the server
//! together would write, without clock or network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::{Sha256, Wall};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::canonical::canonical;
use crate::{Keys, LabError, RoleKey};

/// What is served below `/v2/<gun>/_trust/tuf/`: name, such as `root.json`, to bytes.
pub type Documents = BTreeMap<String, Arc<[u8]>>;

const DAY: i64 = 86_400 * 1_000_000;
/// Lifetimes as in Notary's `const.go`.
const ROOT_LIFETIME: i64 = 3_650 * DAY;
const TARGETS_LIFETIME: i64 = 3 * 365 * DAY;
const SNAPSHOT_LIFETIME: i64 = 3 * 365 * DAY;
/// For how long a timestamp counts, in microseconds.
pub const TIMESTAMP_LIFETIME: i64 = 14 * DAY;
const RELEASES: &str = "targets/releases";

/// The base roles whose keys can be replaced alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaseRole {
    /// `snapshot`
    Snapshot,
    /// `targets`
    Targets,
    /// `timestamp`
    Timestamp,
}

impl BaseRole {
    const ALL: [Self; 3] = [Self::Snapshot, Self::Targets, Self::Timestamp];

    /// The role's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
            Self::Timestamp => "timestamp",
        }
    }
}

/// One collection, with all keys in hand. Changes are gathered until [`Collection::publish`].
pub struct Collection {
    gun: String,
    keys: Keys,
    root: Root,
    base: BTreeMap<BaseRole, BaseKey>,
    /// The signers, in the order they were added; targets lists them so.
    signers: Vec<Signer>,
    /// Full role name to file, for `targets` and each delegation that was ever signed.
    files: BTreeMap<String, TargetsFile>,
    snapshot_version: u64,
    timestamp_version: u64,
    /// Role name to the bytes now current.
    current: BTreeMap<String, Arc<[u8]>>,
    documents: Documents,
}

struct Root {
    changed: bool,
    generation: u32,
    key: RoleKey,
    /// The key of the root last published, which signs the first root of its successor too.
    published: Option<RoleKey>,
    version: u64,
}

struct BaseKey {
    generation: u32,
    key: RoleKey,
}

struct Signer {
    key: RoleKey,
    name: String,
}

#[derive(Default)]
struct TargetsFile {
    changed: bool,
    /// The signers who sign the file; empty for `targets`, which has a key of its own.
    signed_by: BTreeSet<String>,
    /// Tag to digest and length.
    tags: BTreeMap<String, (Sha256, u64)>,
    version: u64,
}

impl Collection {
    /// A collection named `gun` with new keys; its root certificate is valid from `now`. Nothing is
    /// served before the first [`Collection::publish`].
    ///
    /// # Errors
    /// `Key`, `NotDeterministic` or `Certificate` if a key of the plan cannot be made.
    pub fn new(gun: &str, keys: Keys, now: Wall) -> Result<Self, LabError> {
        let key = keys.root(gun, 0, now)?;
        let mut base = BTreeMap::new();
        for role in BaseRole::ALL {
            let key = keys.base(gun, role.name(), 0)?;
            base.insert(role, BaseKey { generation: 0, key });
        }
        let targets = TargetsFile { changed: true, ..TargetsFile::default() };
        Ok(Self {
            gun: gun.to_owned(),
            keys,
            root: Root { changed: true, generation: 0, key, published: None, version: 0 },
            base,
            signers: Vec::new(),
            files: BTreeMap::from([("targets".to_owned(), targets)]),
            snapshot_version: 0,
            timestamp_version: 0,
            current: BTreeMap::new(),
            documents: Documents::new(),
        })
    }

    /// The collection's name.
    #[must_use]
    pub fn gun(&self) -> &str {
        &self.gun
    }

    /// The key that signs the root now.
    #[must_use]
    pub const fn root_key(&self) -> &RoleKey {
        &self.root.key
    }

    /// The keys that sign a role as of now, in order of listing: one for a base role, that of the
    /// signer for `targets/<signer>`, and for `targets/releases` those of all signers.
    ///
    /// # Errors
    /// `UnknownSigner` for any other role.
    pub fn keys_of(&self, role: &str) -> Result<Vec<&RoleKey>, LabError> {
        if role == "root" {
            return Ok(vec![&self.root.key]);
        }
        if let Some(base) = BaseRole::ALL.into_iter().find(|base| base.name() == role) {
            return Ok(vec![self.base_key(base)?]);
        }
        if role == RELEASES && !self.signers.is_empty() {
            return Ok(self.signers.iter().map(|signer| &signer.key).collect());
        }
        let name = role.strip_prefix("targets/").unwrap_or(role);
        Ok(vec![self.signer_key(name)?])
    }

    /// Has the next publication sign every role but the root with a version `by` higher than it
    /// would: what a publisher does who finds that somebody else used versions up.
    pub fn leap(&mut self, by: u64) {
        for file in self.files.values_mut() {
            file.changed = true;
            file.version = file.version.saturating_add(by);
        }
        self.snapshot_version = self.snapshot_version.saturating_add(by);
        self.timestamp_version = self.timestamp_version.saturating_add(by);
    }

    /// What is served, as of the last publication.
    #[must_use]
    pub const fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Delegates `targets/<name>` to a new key and lists that key on `targets/releases` too, as
    /// `docker trust signer add` does; a name already there is left as it is.
    ///
    /// # Errors
    /// `SignerName` for a name no delegation may have, and as [`Collection::new`].
    pub fn add_signer(&mut self, name: &str, now: Wall) -> Result<(), LabError> {
        if self.signer_key(name).is_ok() {
            return Ok(());
        }
        let key = self.keys.signer(name, 0, now)?;
        self.add_signer_with(name, key)
    }

    /// As [`Collection::add_signer`], with a key the signer has already: one person has one key for
    /// many repositories.
    ///
    /// # Errors
    /// `SignerName`.
    pub fn add_signer_with(&mut self, name: &str, key: RoleKey) -> Result<(), LabError> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        let fits = (1..=200).contains(&name.len()) && name.bytes().all(allowed);
        if !fits || name == "releases" {
            return Err(LabError::SignerName { signer: name.to_owned() });
        }
        if self.signer_key(name).is_err() {
            self.signers.push(Signer { key, name: name.to_owned() });
            self.file("targets").changed = true;
        }
        Ok(())
    }

    /// PEM text of the signer's public key, as a signer Secret holds it in `publicKey`.
    ///
    /// # Errors
    /// `UnknownSigner`.
    pub fn signer_public_key_pem(&self, name: &str) -> Result<String, LabError> {
        self.signer_key(name).map(RoleKey::public_pem)
    }

    /// The signer's key.
    ///
    /// # Errors
    /// `UnknownSigner`.
    pub fn signer_key(&self, name: &str) -> Result<&RoleKey, LabError> {
        let found = self.signers.iter().find(|signer| signer.name == name);
        found.map(|signer| &signer.key).ok_or_else(|| LabError::UnknownSigner {
            gun: self.gun.clone(),
            signer: name.to_owned(),
        })
    }

    /// Signs a tag as `docker trust sign` does: into `targets/releases` and every
    /// `targets/<signer>`.
    ///
    /// # Errors
    /// `NoSigner` for an empty list, `UnknownSigner`.
    pub fn sign(
        &mut self,
        tag: &str,
        image: Sha256,
        length: u64,
        signers: &[&str],
    ) -> Result<(), LabError> {
        if signers.is_empty() {
            return Err(LabError::NoSigner { tag: tag.to_owned() });
        }
        for name in signers {
            self.signer_key(name)?;
        }
        for name in signers {
            self.sign_into(&format!("targets/{name}"), tag, image, length, &[name]);
        }
        self.sign_into(RELEASES, tag, image, length, signers);
        Ok(())
    }

    /// Signs a tag into one delegation alone, without releasing it (`notary add -r`): into
    /// `targets/<signer>`.
    ///
    /// # Errors
    /// `UnknownSigner`.
    pub fn sign_unreleased(
        &mut self,
        tag: &str,
        image: Sha256,
        length: u64,
        signer: &str,
    ) -> Result<(), LabError> {
        self.signer_key(signer)?;
        self.sign_into(&format!("targets/{signer}"), tag, image, length, &[signer]);
        Ok(())
    }

    /// Signs a tag into `targets` itself, as plain `notary add` does.
    pub fn sign_base(&mut self, tag: &str, image: Sha256, length: u64) {
        self.sign_into("targets", tag, image, length, &[]);
    }

    /// Removes a tag from every role that holds it.
    pub fn remove(&mut self, tag: &str) {
        for file in self.files.values_mut() {
            file.changed |= file.tags.remove(tag).is_some();
        }
    }

    /// Replaces the root key; the next root is signed by the old and the new one.
    ///
    /// # Errors
    /// As [`Collection::new`].
    pub fn rotate_root(&mut self, now: Wall) -> Result<(), LabError> {
        let generation = self.root.generation + 1;
        let key = self.keys.root(&self.gun, generation, now)?;
        self.root.key = key;
        self.root.generation = generation;
        self.root.changed = true;
        Ok(())
    }

    /// Replaces the key of one base role; a new root lists it, and the role is signed anew.
    ///
    /// # Errors
    /// As [`Collection::new`].
    pub fn rotate(&mut self, role: BaseRole) -> Result<(), LabError> {
        let generation = self.base.get(&role).map_or(0, |base| base.generation) + 1;
        let key = self.keys.base(&self.gun, role.name(), generation)?;
        self.base.insert(role, BaseKey { generation, key });
        self.root.changed = true;
        if role == BaseRole::Targets {
            self.file("targets").changed = true;
        }
        Ok(())
    }

    /// Signs all that changed, then a new snapshot and timestamp; what was published before stays
    /// to be had under its hash and version. Lifetimes are Notary's defaults, counted from `now`.
    ///
    /// # Errors
    /// `Key` if a key cannot sign, `Time` if an expiry date cannot be written.
    pub fn publish(&mut self, now: Wall) -> Result<&Documents, LabError> {
        self.publish_root(now)?;
        let names: Vec<String> = self.files.keys().cloned().collect();
        for name in names {
            self.publish_targets(&name, now)?;
        }
        self.snapshot_version += 1;
        let version = self.snapshot_version;
        let meta: Map<String, Value> = self
            .current
            .iter()
            .filter(|(role, _)| *role == "root" || role.starts_with("targets"))
            .map(|(role, bytes)| (role.clone(), file_meta(bytes)))
            .collect();
        let expires = rfc3339(now, SNAPSHOT_LIFETIME)?;
        let signed =
            json!({"_type": "Snapshot", "expires": expires, "meta": meta, "version": version});
        let bytes = envelope(&signed, &[self.base_key(BaseRole::Snapshot)?])?;
        self.store("snapshot", version, bytes);
        self.publish_timestamp(now)
    }

    /// Signs only a new timestamp over the snapshot last published, as the server does on its own.
    ///
    /// # Errors
    /// As [`Collection::publish`].
    pub fn publish_timestamp(&mut self, now: Wall) -> Result<&Documents, LabError> {
        self.timestamp_version += 1;
        let version = self.timestamp_version;
        let snapshot = self.current.get("snapshot").map(|bytes| file_meta(bytes));
        let meta = json!({"snapshot": snapshot});
        let expires = rfc3339(now, TIMESTAMP_LIFETIME)?;
        let signed =
            json!({"_type": "Timestamp", "expires": expires, "meta": meta, "version": version});
        let bytes = envelope(&signed, &[self.base_key(BaseRole::Timestamp)?])?;
        self.store("timestamp", version, bytes);
        Ok(&self.documents)
    }

    fn publish_root(&mut self, now: Wall) -> Result<(), LabError> {
        if !self.root.changed {
            return Ok(());
        }
        let mut keys = Map::new();
        let mut roles = Map::new();
        let mut list = |role: &str, key: &RoleKey| {
            keys.insert(key.id().to_hex(), key.listing().clone());
            roles.insert(role.to_owned(), json!({"keyids": [key.id()], "threshold": 1}));
        };
        list("root", &self.root.key);
        for (role, base) in &self.base {
            list(role.name(), &base.key);
        }
        let version = self.root.version + 1;
        let signed = json!({
            "_type": "Root",
            "consistent_snapshot": false,
            "expires": rfc3339(now, ROOT_LIFETIME)?,
            "keys": keys,
            "roles": roles,
            "version": version,
        });
        let mut signers = vec![&self.root.key];
        let replaced = |old: &&RoleKey| old.id() != self.root.key.id();
        signers.extend(self.root.published.as_ref().filter(replaced));
        let bytes = envelope(&signed, &signers)?;
        self.root.changed = false;
        self.root.published = Some(self.root.key.clone());
        self.root.version = version;
        self.store("root", version, bytes);
        Ok(())
    }

    fn publish_targets(&mut self, role: &str, now: Wall) -> Result<(), LabError> {
        let Some(file) = self.files.get(role).filter(|file| file.changed) else {
            return Ok(());
        };
        let targets: Map<String, Value> = file
            .tags
            .iter()
            .map(|(tag, (image, length))| (tag.clone(), entry(*image, *length)))
            .collect();
        let is_base = role == "targets";
        let delegations =
            if is_base { self.delegations() } else { json!({"keys": {}, "roles": []}) };
        let version = file.version + 1;
        let signed = json!({
            "_type": "Targets",
            "delegations": delegations,
            "expires": rfc3339(now, TARGETS_LIFETIME)?,
            "targets": targets,
            "version": version,
        });
        let mut signers = Vec::new();
        if is_base {
            signers.push(self.base_key(BaseRole::Targets)?);
        }
        for name in &file.signed_by {
            signers.push(self.signer_key(name)?);
        }
        let bytes = envelope(&signed, &signers)?;
        let file = self.file(role);
        file.changed = false;
        file.version = version;
        self.store(role, version, bytes);
        Ok(())
    }

    fn delegations(&self) -> Value {
        let mut keys = Map::new();
        let mut roles = Vec::new();
        for signer in &self.signers {
            let id = signer.key.id();
            keys.insert(id.to_hex(), signer.key.listing().clone());
            let name = format!("targets/{}", signer.name);
            roles.push(json!({"keyids": [id], "name": name, "paths": [""], "threshold": 1}));
        }
        let all: Vec<Sha256> = self.signers.iter().map(|signer| signer.key.id()).collect();
        if !all.is_empty() {
            roles.push(json!({"keyids": all, "name": RELEASES, "paths": [""], "threshold": 1}));
        }
        json!({"keys": keys, "roles": roles})
    }

    fn sign_into(&mut self, role: &str, tag: &str, image: Sha256, length: u64, signers: &[&str]) {
        let file = self.file(role);
        file.tags.insert(tag.to_owned(), (image, length));
        file.changed = true;
        file.signed_by = signers.iter().map(|&name| name.to_owned()).collect();
    }

    fn file(&mut self, role: &str) -> &mut TargetsFile {
        self.files.entry(role.to_owned()).or_default()
    }

    fn base_key(&self, role: BaseRole) -> Result<&RoleKey, LabError> {
        let found = self.base.get(&role);
        found.map(|base| &base.key).ok_or_else(|| LabError::UnknownSigner {
            gun: self.gun.clone(),
            signer: role.name().to_owned(),
        })
    }

    fn store(&mut self, role: &str, version: u64, bytes: Arc<[u8]>) {
        let digest = Sha256::of(&bytes);
        self.documents.insert(format!("{role}.json"), Arc::clone(&bytes));
        self.documents.insert(format!("{role}.{digest}.json"), Arc::clone(&bytes));
        self.documents.insert(format!("{version}.{role}.json"), Arc::clone(&bytes));
        self.current.insert(role.to_owned(), bytes);
    }
}

/// Signs the canonical form of `signed`. The text served need not be canonical, so it may escape
/// what canonical JSON leaves alone.
fn envelope(signed: &Value, signers: &[&RoleKey]) -> Result<Arc<[u8]>, LabError> {
    let message = canonical(signed)?;
    let mut signatures = Vec::with_capacity(signers.len());
    for key in signers {
        signatures.push(key.signature(&message)?);
    }
    let text = format!("{{\"signed\":{signed},\"signatures\":{}}}", Value::Array(signatures));
    Ok(Arc::from(text.into_bytes()))
}

/// The entry of an image in a targets document.
#[must_use]
pub fn entry(image: Sha256, length: u64) -> Value {
    json!({"hashes": {"sha256": STANDARD.encode(image.as_bytes())}, "length": length})
}

/// How a parent names a document: its length, SHA-256 and SHA-512.
#[must_use]
pub fn file_meta(bytes: &[u8]) -> Value {
    let sha256 = STANDARD.encode(Sha256::of(bytes).as_bytes());
    let sha512 = STANDARD.encode(digest(&SHA512, bytes).as_ref());
    json!({"hashes": {"sha256": sha256, "sha512": sha512}, "length": bytes.len()})
}

/// `lifetime` microseconds after `now` (before it, if negative), in RFC 3339 as Go writes it: UTC,
/// a fraction only where there is one.
///
/// # Errors
/// `Time` if it lies outside the years that can be written.
pub fn rfc3339(now: Wall, lifetime: i64) -> Result<String, LabError> {
    let micros = now.0.saturating_add(lifetime);
    let unwritable = || LabError::Time { micros };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|_| unwritable())?
        .format(&Rfc3339)
        .map_err(|_| unwritable())
}
