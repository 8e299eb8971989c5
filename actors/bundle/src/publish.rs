//! Publishing: what `trust.json` says now, signed, in files that may be served from anywhere.

use std::collections::HashMap;
use std::num::NonZeroU64;

use aws_lc_rs::rand::SystemRandom;
use portreeve_protocol::anchors::TARGET;
use portreeve_protocol::messages::admission::BundleVersions;
use portreeve_protocol::{Sha256, Wall};
use tough::TargetName;
use tough::editor::signed::SignedRole;
use tough::schema::{
    Hashes, KeyHolder, Metafile, Role, RoleType, Root, Signed, Snapshot, Target, Targets, Timestamp,
};

use crate::error::BundleError;
use crate::keys::{self, BundleKey, brief, short};
use crate::root::{SPEC, instant};
use crate::workshop::Workshop;

/// For how long what is signed now is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When it is signed.
    pub now: Wall,
    /// Until when the timestamp and the snapshot.
    pub online: Wall,
    /// Until when what the bundle says.
    pub targets: Wall,
}

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Whether the targets were signed anew; else only snapshot and timestamp were.
    pub anew: bool,
    /// The role that ends first, and when.
    pub first_end: (&'static str, Wall),
    /// The versions from now on.
    pub versions: BundleVersions,
}

/// Publishes what the workshop's `trust.json` says, or, without keys of the targets role and if it
/// says what is published already, only signs snapshot and timestamp for a new term.
///
/// # Errors
/// `Workshop` if keys are missing or of no use, if root or targets have expired, so that nobody
/// would take it, or if `trust.json` cannot be understood; `File`.
pub async fn publish(
    workshop: &Workshop,
    keys: &[BundleKey],
    terms: Terms,
) -> Result<Published, BundleError> {
    let (root, _) = workshop.root()?;
    let root = root.signed;
    of_use(&root, keys)?;
    let text = workshop.draft()?.text().map_err(BundleError::Workshop)?;
    let before = Before::read(workshop)?;
    let press = Press { keys, root: &root };
    let own = root.roles.get(&RoleType::Targets);
    let anew = own.is_some_and(|own| keys.iter().any(|key| own.keyids.contains(key.tuf_id())));
    let (targets, targets_end) = if anew {
        let version = next(before.targets.as_ref().map(|targets| targets.signed.version))?;
        let mut targets = Targets::new(SPEC.to_owned(), version, instant(terms.targets)?);
        let (name, target) = target(&text)?;
        targets.targets.insert(name, target);
        let end = targets.expires;
        (Printed::of(&press.sign(targets).await?), end)
    } else {
        unchanged(&root, &before, &text)?
    };
    let ends =
        [("timestamp", instant(terms.online)?), ("targets", targets_end), ("root", root.expires)];
    let ends = ends.map(|(role, end)| (role, Wall(end.as_microsecond())));
    if let Some((role, end)) = ends.iter().rev().find(|(_, end)| *end < terms.now) {
        return Err(ended(workshop, role, *end));
    }
    let first_end = ends.into_iter().min_by_key(|(_, end)| *end).unwrap_or(ends[0]);
    let version = next(before.snapshot.as_ref().map(|snapshot| snapshot.version))?;
    let mut snapshot = Snapshot::new(SPEC.to_owned(), version, instant(terms.online)?);
    snapshot.meta.insert("targets.json".to_owned(), targets.meta());
    let snapshot = Printed::of(&press.sign(snapshot).await?);
    let version = next(before.timestamp.as_ref().map(|timestamp| timestamp.version))?;
    let mut timestamp = Timestamp::new(SPEC.to_owned(), version, instant(terms.online)?);
    timestamp.meta.insert("snapshot.json".to_owned(), snapshot.meta());
    let timestamp = Printed::of(&press.sign(timestamp).await?);
    let versions = BundleVersions {
        root: root.version.get(),
        snapshot: snapshot.version.get(),
        targets: targets.version.get(),
        timestamp: timestamp.version.get(),
    };
    lay_out(workshop, &text, (&targets, &snapshot, &timestamp))?;
    Ok(Published { anew, first_end, versions })
}

/// A key that the root names for nothing that is published, or one that cannot sign, is a mistake
/// that must not pass for a renewal.
fn of_use(root: &Root, keys: &[BundleKey]) -> Result<(), BundleError> {
    let named = |role: RoleType| {
        let role = root.roles.get(&role);
        role.map(|role| role.keyids.as_slice()).unwrap_or_default()
    };
    let roles = [RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];
    for key in keys {
        if !roles.iter().any(|role| named(*role).contains(key.tuf_id())) {
            let list = |role| short(named(role)).join(", ");
            return Err(BundleError::Workshop(format!(
                "the key {} is none that root version {} names for targets ({}), or for snapshot \
                 and timestamp ({}); give those by --key, or name it by `portreeve bundle rotate`",
                brief(key.tuf_id()),
                root.version,
                list(RoleType::Targets),
                list(RoleType::Timestamp),
            )));
        }
        key.must_sign()?;
    }
    Ok(())
}

/// Nobody would take a bundle of which this role has ended.
fn ended(workshop: &Workshop, role: &str, end: Wall) -> BundleError {
    let place = workshop.place().display();
    let mends = match role {
        "root" => format!(
            "`portreeve bundle rotate {place} --key FILE.pem`, with the keys of the root, makes \
             the next one; publish after that"
        ),
        "targets" => format!(
            "`portreeve bundle publish {place} --key FILE.pem`, with the keys of the targets role \
             besides, signs them for a new term"
        ),
        _ => "give a later end".to_owned(),
    };
    let why = format!("nothing is published: {role} expired at {end}, and nobody would take it; ");
    BundleError::Workshop(why + &mends)
}

/// Writes the files, the timestamp last: whoever reads meanwhile finds the old ones complete. Those
/// of the publication before stay, for whoever has just read its timestamp.
fn lay_out(
    workshop: &Workshop,
    text: &str,
    (targets, snapshot, timestamp): (&Printed, &Printed, &Printed),
) -> Result<(), BundleError> {
    let digest = Sha256::of(text.as_bytes());
    workshop.write(&format!("targets/{digest}.{TARGET}"), text.as_bytes())?;
    let before = [targets.version.get(), snapshot.version.get()];
    workshop.write(&format!("metadata/{}.targets.json", before[0]), &targets.bytes)?;
    workshop.write(&format!("metadata/{}.snapshot.json", before[1]), &snapshot.bytes)?;
    workshop.write("metadata/timestamp.json", &timestamp.bytes)?;
    workshop.prune("metadata", |name| {
        let of = |role: &str| name.strip_suffix(role).and_then(|version| version.parse().ok());
        let old = |version: Option<u64>, newest: u64| version.is_some_and(|it| it + 1 < newest);
        old(of(".targets.json"), before[0]) || old(of(".snapshot.json"), before[1])
    });
    Ok(())
}

/// Signs.
struct Press<'a> {
    keys: &'a [BundleKey],
    root: &'a Root,
}

impl Press<'_> {
    async fn sign<T: Role>(&self, role: T) -> Result<SignedRole<T>, BundleError> {
        let name = T::TYPE;
        let holder = KeyHolder::Root(self.root.clone());
        let signers = keys::signers(self.keys);
        let signed = SignedRole::new(role, &holder, &signers, &SystemRandom::new()).await;
        signed.map_err(|_| {
            let (needed, ids) = self
                .root
                .roles
                .get(&name)
                .map_or((0, Vec::new()), |role| (role.threshold.get(), short(&role.keyids)));
            let ids = ids.join(", ");
            let why = format!("{name} is signed by {needed} of the keys {ids}; give them by --key");
            BundleError::Workshop(why)
        })
    }
}

/// A file of metadata as it is published.
struct Printed {
    bytes: Vec<u8>,
    version: NonZeroU64,
}

impl Printed {
    fn of<T: Role>(role: &SignedRole<T>) -> Self {
        Self { bytes: role.buffer().clone(), version: role.signed().signed.version() }
    }

    fn meta(&self) -> Metafile {
        Metafile {
            length: Some(self.bytes.len() as u64),
            hashes: Some(hashes(&self.bytes)),
            version: self.version,
            _extra: HashMap::new(),
        }
    }
}

fn hashes(bytes: &[u8]) -> Hashes {
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    Hashes { sha256: sha256.as_ref().to_vec().into(), _extra: HashMap::new() }
}

fn target(text: &str) -> Result<(TargetName, Target), BundleError> {
    let name = TargetName::new(TARGET).map_err(|error| BundleError::Workshop(error.to_string()))?;
    let target = Target {
        length: text.len() as u64,
        hashes: hashes(text.as_bytes()),
        custom: HashMap::new(),
        _extra: HashMap::new(),
    };
    Ok((name, target))
}

fn next(before: Option<NonZeroU64>) -> Result<NonZeroU64, BundleError> {
    let Some(before) = before else { return Ok(NonZeroU64::MIN) };
    before.checked_add(1).ok_or_else(|| BundleError::Workshop("a version is at its end".to_owned()))
}

/// What was published before.
#[derive(Default)]
struct Before {
    snapshot: Option<Snapshot>,
    targets: Option<Signed<Targets>>,
    targets_bytes: Vec<u8>,
    timestamp: Option<Timestamp>,
}

impl Before {
    fn read(workshop: &Workshop) -> Result<Self, BundleError> {
        let mut before = Self::default();
        let broken = |name: &str| {
            BundleError::Workshop(format!("{name} of the workshop cannot be understood"))
        };
        let name = "metadata/timestamp.json";
        let Some(bytes) = workshop.published(name)? else { return Ok(before) };
        let timestamp: Signed<Timestamp> =
            serde_json::from_slice(&bytes).map_err(|_| broken(name))?;
        let meta = timestamp.signed.meta.get("snapshot.json").ok_or_else(|| broken(name))?;
        let name = format!("metadata/{}.snapshot.json", meta.version);
        let bytes = workshop.published(&name)?.ok_or_else(|| broken(&name))?;
        let snapshot: Signed<Snapshot> =
            serde_json::from_slice(&bytes).map_err(|_| broken(&name))?;
        let meta = snapshot.signed.meta.get("targets.json").ok_or_else(|| broken(&name))?;
        let name = format!("metadata/{}.targets.json", meta.version);
        before.targets_bytes = workshop.published(&name)?.ok_or_else(|| broken(&name))?;
        let targets = serde_json::from_slice(&before.targets_bytes);
        before.targets = Some(targets.map_err(|_| broken(&name))?);
        before.snapshot = Some(snapshot.signed);
        before.timestamp = Some(timestamp.signed);
        Ok(before)
    }
}

/// The targets as they are published, if they still say what is to be said and are signed as the
/// root asks.
fn unchanged(
    root: &Root,
    before: &Before,
    text: &str,
) -> Result<(Printed, jiff::Timestamp), BundleError> {
    let needed = |why: &str| {
        BundleError::Workshop(format!("{why}: give the keys of the targets role by --key"))
    };
    let Some(targets) = &before.targets else {
        return Err(needed("nothing is published yet"));
    };
    let (name, target) = target(text)?;
    let same = targets.signed.targets.get(&name).is_some_and(|old| old.hashes == target.hashes);
    if !same {
        return Err(needed("trust.json says something else than what is published"));
    }
    if root.verify_role(targets).is_err() {
        return Err(needed("the root names other keys than signed what is published"));
    }
    let printed = Printed { bytes: before.targets_bytes.clone(), version: targets.signed.version };
    Ok((printed, targets.signed.expires))
}
