//! Loading a bundle.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use portreeve_protocol::anchors::{TARGET, TrustAnchors};
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::limits::{BUNDLE_METADATA_BYTES, ROOT_CHAIN};
use portreeve_protocol::messages::admission::{BundleLoaded, BundleVersions};
use portreeve_protocol::{Blob, Sha256, Wall};
use portreeve_trust::signer::{public_key_fingerprint, valid_signer_name};
use tough::schema::RoleType;
use tough::{ExpirationEnforcement, IntoVec, Limits, Repository, RepositoryLoader, TargetName};

use crate::error::BundleError;
use crate::guard::{Guarded, folder};
use crate::refusal;
use crate::source::Source;

const LIMITS: Limits = Limits {
    max_root_size: BUNDLE_METADATA_BYTES,
    max_targets_size: BUNDLE_METADATA_BYTES,
    max_timestamp_size: BUNDLE_METADATA_BYTES,
    max_snapshot_size: BUNDLE_METADATA_BYTES,
    max_root_updates: ROOT_CHAIN,
};

/// What a load goes by.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The bundle that was taken last: its newest root is where the load starts, and its versions
    /// are floors.
    pub before: Option<&'a BundleLoaded>,
    /// The root that the operator gave, as it stands in its file.
    pub given: &'a [u8],
    /// The time to judge expiry at.
    pub now: Wall,
    /// A directory of Portreeve's own for `tough` to work in; it is emptied first, so that nothing
    /// found there can spoil a load. `None` for one that is thrown away.
    pub store: Option<&'a Path>,
}

/// A verified bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub anchors: TrustAnchors,
    /// As it is told to the machines.
    pub message: BundleLoaded,
    /// Its four roles.
    pub roles: Vec<RoleReport>,
}

/// What is to be said of one role of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleReport {
    /// When it expires.
    pub expires: Wall,
    /// How many keys may sign it.
    pub keys: usize,
    /// Its name.
    pub name: &'static str,
    /// How many of them must.
    pub threshold: u64,
    /// Its version.
    pub version: u64,
}

/// Reads the bundle at `source` and judges it.
///
/// # Errors
/// `NotTaken`, with its code.
pub async fn load(source: Arc<dyn Source>, asked: Asked<'_>) -> Result<Loaded, BundleError> {
    let guard = Guarded::new(source);
    let loaded = Box::pin(read(&guard, asked)).await;
    // What the guard refused goes before what tough made of it.
    match guard.fault() {
        Some(fault) => Err(fault),
        None => loaded,
    }
}

async fn read(guard: &Guarded, asked: Asked<'_>) -> Result<Loaded, BundleError> {
    let origin = Sha256::of(asked.given);
    let before = asked.before.filter(|before| before.goes_on_from(origin));
    let start = before.map_or(asked.given, |before| before.root.bytes());
    if !start.is_ascii() {
        let why = "the root to start from holds a byte that is not ASCII";
        return Err(BundleError::not_taken(BundleCode::GivenRoot, why));
    }
    let mut loader = RepositoryLoader::new(&start, folder("metadata/")?, folder("targets/")?)
        .transport(guard.clone())
        .limits(LIMITS)
        // Replay and simulation must judge as the node did, so expiry is not the system clock's.
        .expiration_enforcement(ExpirationEnforcement::Unsafe);
    if let Some(store) = asked.store {
        empty(store)?;
        loader = loader.datastore(store);
    }
    let repository = loader.load().await.map_err(|error| refusal::of(&error))?;
    let roles = roles(&repository);
    let versions = versions(&roles);
    let root = guard.root(versions.root).unwrap_or_else(|| start.to_vec());
    let floors = asked.before.filter(|it| it.goes_on_from(origin) || it.root.bytes() == root);
    if let Some(before) = floors {
        not_behind(&versions, &before.versions)?;
    }
    for RoleReport { name, expires, .. } in &roles {
        if *expires < asked.now {
            let why = format!("its {name} expired at {expires}");
            return Err(BundleError::not_taken(BundleCode::Expired, why));
        }
    }
    let text = target(&repository).await?;
    if let Some(before) = floors {
        let other = before.anchors.digest() != Sha256::of(&text);
        if before.versions.targets == versions.targets && other {
            let why = format!("its targets of version {} were others before", versions.targets);
            return Err(BundleError::not_taken(BundleCode::Equivocation, why));
        }
    }
    let anchors =
        TrustAnchors::parse(&text).and_then(|anchors| signers(&anchors).map(|()| anchors));
    let anchors = anchors
        .map_err(|why| BundleError::not_taken(BundleCode::Anchors, format!("`{TARGET}`: {why}")))?;
    let expires = roles.iter().map(|role| role.expires).min().unwrap_or(Wall(0));
    let (blob, root) = (Blob::new(text), Blob::new(root));
    let message = BundleLoaded { anchors: blob, expires, origin, root, versions };
    Ok(Loaded { anchors, message, roles })
}

fn not_behind(found: &BundleVersions, floors: &BundleVersions) -> Result<(), BundleError> {
    let Some((role, found, floor)) = found.behind(floors) else { return Ok(()) };
    let why = format!("its {role} has version {found}, and {floor} was seen before");
    Err(BundleError::not_taken(BundleCode::Rollback, why))
}

/// Whatever is found there, nothing of it is used.
fn empty(store: &Path) -> Result<(), BundleError> {
    let cleared = match fs::symlink_metadata(store) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(store),
        Ok(_) => fs::remove_file(store),
        Err(_) => Ok(()),
    };
    cleared.and_then(|()| fs::create_dir_all(store)).map_err(|error| {
        let why = format!("{}: {}", store.display(), error.kind());
        BundleError::not_taken(BundleCode::Store, why)
    })
}

fn roles(repository: &Repository) -> Vec<RoleReport> {
    let root = &repository.root().signed;
    let keys = |role: RoleType| {
        let keys = root.roles.get(&role);
        keys.map_or((0, 0), |keys| (keys.keyids.len(), keys.threshold.get()))
    };
    let (timestamp, snapshot) = (&repository.timestamp().signed, &repository.snapshot().signed);
    let targets = &repository.targets().signed;
    [
        ("root", RoleType::Root, root.version, root.expires),
        ("timestamp", RoleType::Timestamp, timestamp.version, timestamp.expires),
        ("snapshot", RoleType::Snapshot, snapshot.version, snapshot.expires),
        ("targets", RoleType::Targets, targets.version, targets.expires),
    ]
    .into_iter()
    .map(|(name, role, version, expires)| {
        let (keys, threshold) = keys(role);
        let expires = Wall(expires.as_microsecond());
        RoleReport { expires, keys, name, threshold, version: version.get() }
    })
    .collect()
}

fn versions(roles: &[RoleReport]) -> BundleVersions {
    let of = |name: &str| roles.iter().find(|role| role.name == name).map_or(0, |it| it.version);
    BundleVersions {
        root: of("root"),
        snapshot: of("snapshot"),
        targets: of("targets"),
        timestamp: of("timestamp"),
    }
}

async fn target(repository: &Repository) -> Result<Vec<u8>, BundleError> {
    let name = TargetName::new(TARGET).map_err(|error| refusal::of(&error))?;
    let target = repository.read_target(&name).await.map_err(|error| refusal::of(&error))?;
    let Some(target) = target else {
        let why = format!("it holds no target `{TARGET}`");
        return Err(BundleError::not_taken(BundleCode::NoTarget, why));
    };
    target.into_vec().await.map_err(|error| refusal::of(&error))
}

/// Whether every signer has a usable name and key.
pub(crate) fn signers(anchors: &TrustAnchors) -> Result<(), String> {
    // The same people sign for many.
    let mut seen = BTreeSet::new();
    for anchor in &anchors.anchors {
        for signer in anchor.signers.iter().filter(|signer| seen.insert(*signer)) {
            let of = |why: String| {
                format!("the anchor of `{}`: signer `{}`: {why}", anchor.gun, signer.name)
            };
            if !valid_signer_name(&signer.name) {
                return Err(of("its name cannot be that of a delegation".to_owned()));
            }
            public_key_fingerprint(&signer.public_key).map_err(of)?;
        }
    }
    Ok(())
}
