//! The signed trust bundle of a cluster, as data: what it says, and how that changes.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_lab::Keys;
use portreeve_protocol::anchors::{Anchor, AnchorDefaults, AnchorSigner, FORMAT, TrustAnchors};
use portreeve_protocol::messages::admission::{BundleLoaded, BundleVersions};
use portreeve_protocol::settings::BundleExpired;
use portreeve_protocol::{Blob, Settings, Sha256, Wall, codec};
use serde::{Deserialize, Serialize};

use super::SignerPlan;
use crate::SimulationError;

/// The trust bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundlePlan {
    /// Its publications, in order of time.
    pub editions: Vec<BundleEdition>,
    /// What is done once one has expired.
    pub expired: BundleExpired,
}

/// A publication of the trust bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleEdition {
    /// GUNs of which it asks for versions that are still far off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ahead: BTreeSet<String>,
    /// What it pins: a GUN, or a prefix with `/*`, to the seed of the keys of its publishers, as
    /// [`CollectionPlan`](super::CollectionPlan) has them.
    pub anchors: BTreeMap<String, u64>,
    /// When it is published; microseconds after the start.
    pub at: u64,
    /// Whether a root that it does not pin may be trusted when it is first seen.
    pub first_use: bool,
    /// Microseconds until it expires.
    pub lifetime: u64,
    /// Who must have signed what it pins, besides those that policies name: each with the seed of
    /// the keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: BTreeMap<String, u64>,
    /// Its version; each is higher than the one before.
    pub version: u64,
}

impl BundlePlan {
    /// What the settings of a replica say of the bundle.
    pub fn configure(&self, settings: &mut Settings) {
        let root = origin();
        settings.bundle =
            Some(portreeve_protocol::settings::BundleSettings { expired: self.expired, root });
    }

    /// Whether an edition pins the root of a collection.
    #[must_use]
    pub fn pins(&self, gun: &str) -> bool {
        self.editions.iter().any(|edition| edition.keys(gun).is_some())
    }
}

impl BundleEdition {
    /// The seed of the keys that a collection's root is pinned to, by the most specific anchor.
    #[must_use]
    pub fn keys(&self, gun: &str) -> Option<u64> {
        let covers = |name: &str| match name.strip_suffix("/*") {
            Some(prefix) => gun.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
            None => name == gun,
        };
        let fitting = self.anchors.iter().filter(|(name, _)| covers(name));
        fitting.max_by_key(|(name, _)| name.trim_end_matches("/*").len()).map(|(_, keys)| *keys)
    }

    /// The bundle as it is handed to a replica. A prefix is pinned to the keys of each of `guns`
    /// below it.
    ///
    /// # Errors
    /// A key that cannot be made.
    pub(crate) fn loaded(
        &self,
        guns: &[String],
        start: Wall,
        published: Wall,
    ) -> Result<BundleLoaded, SimulationError> {
        let mut anchors = Vec::new();
        for (name, keys) in &self.anchors {
            let mut anchor = Anchor { gun: name.clone(), ..Anchor::default() };
            let of_prefix = |gun: &&String| self.keys(gun) == Some(*keys);
            let exact = std::slice::from_ref(name);
            let guns = if name.ends_with("/*") { guns } else { exact };
            for gun in guns.iter().filter(of_prefix) {
                let key = Keys::deterministic(*keys).root(gun, 0, published)?;
                anchor.root_key_ids.insert(key.id());
            }
            if self.ahead.contains(name) {
                anchor.floors.insert("targets".to_owned(), FAR_OFF);
            }
            for (name, keys) in &self.signers {
                let (namespace, secret) = (String::new(), String::new());
                let plan = SignerPlan { keys: *keys, name: name.clone(), namespace, secret };
                let public_key = plan.object(published)?.public_key;
                anchor.signers.push(AnchorSigner { name: name.clone(), public_key });
            }
            anchors.push(anchor);
        }
        let said = TrustAnchors {
            anchors,
            defaults: AnchorDefaults { first_use: self.first_use, ..AnchorDefaults::default() },
            format: FORMAT,
            trust_servers: Vec::new(),
        };
        let micros = self.at.saturating_add(self.lifetime);
        let expires = Wall(start.0.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX)));
        let version = self.version;
        Ok(BundleLoaded {
            anchors: Blob::new(codec::canonical(&said)?),
            expires,
            origin: origin(),
            root: Blob::new(ROOT.to_vec()),
            versions: BundleVersions {
                root: 1,
                snapshot: version,
                targets: version,
                timestamp: version,
            },
        })
    }
}

/// A version that no collection comes to.
const FAR_OFF: u64 = 1_000_000_000_000;
/// Stands for the root that replicas are configured with: machines only compare it.
const ROOT: &[u8] = b"the root of a simulated trust bundle";

fn origin() -> Sha256 {
    Sha256::of(ROOT)
}
