//! Loading a bundle.

use portreeve_protocol::Wall;
use tough::{ExpirationEnforcement, IntoVec, Limits, RepositoryLoader, TargetName, Transport};
use url::Url;

use crate::{Anchors, BundleError, Guarded};

const ANCHORS: &str = "anchors.json";
const LIMITS: Limits = Limits {
    max_root_size: 1 << 20,
    max_targets_size: 16 << 20,
    max_timestamp_size: 1 << 20,
    max_snapshot_size: 1 << 20,
    max_root_updates: portreeve_protocol::limits::ROOT_CHAIN,
};

/// A verified bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What it says.
    pub anchors: Anchors,
    /// Version of the root in force, for the next load to start from.
    pub root_version: u64,
    /// Version of the targets role, by which a decision names the bundle it used.
    pub version: u64,
}

/// Reads the repository below `base` (metadata in `metadata/`, targets in `targets/`) starting from
/// the trusted `root`, and judges expiry at `now`.
///
/// # Errors
/// `Refused` for what `tough` refuses, `Guard` for what it is not shown, `Expired`, `NoAnchors`,
/// `Anchors`.
pub async fn load<T: Transport + Clone + 'static>(
    transport: T,
    base: &Url,
    root: &[u8],
    now: Wall,
) -> Result<Bundle, BundleError> {
    let guard = Guarded::new(transport);
    let loaded = read(&guard, base, root, now).await;
    match guard.fault() {
        Some(fault) => Err(BundleError::Guard { file: fault.file, why: fault.why }),
        None => loaded,
    }
}

async fn read<T: Transport + Clone + 'static>(
    guard: &Guarded<T>,
    base: &Url,
    root: &[u8],
    now: Wall,
) -> Result<Bundle, BundleError> {
    let refused = |error: tough::error::Error| BundleError::Refused(Box::new(error));
    let below = |folder: &str| {
        base.join(folder)
            .map_err(|error| BundleError::Guard { file: folder.to_owned(), why: error.to_string() })
    };
    let repository = RepositoryLoader::new(&root, below("metadata/")?, below("targets/")?)
        .transport(guard.clone())
        .limits(LIMITS)
        // Replay and simulation must judge as the node did, so expiry is not the system clock's.
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .map_err(refused)?;
    for (role, expires) in [
        ("root", repository.root().signed.expires),
        ("timestamp", repository.timestamp().signed.expires),
        ("snapshot", repository.snapshot().signed.expires),
        ("targets", repository.targets().signed.expires),
    ] {
        let expires = Wall(expires.as_microsecond());
        if expires < now {
            return Err(BundleError::Expired { role, expires });
        }
    }
    let name = TargetName::new(ANCHORS).map_err(refused)?;
    let target = repository.read_target(&name).await.map_err(refused)?;
    let bytes = target
        .ok_or(BundleError::NoAnchors { name: ANCHORS })?
        .into_vec()
        .await
        .map_err(refused)?;
    Ok(Bundle {
        anchors: Anchors::parse(&bytes)?,
        root_version: repository.root().signed.version.get(),
        version: repository.targets().signed.version.get(),
    })
}
