//! Collections whose roots a trust bundle pins; one is behind a trust server that was replaced.

use std::collections::BTreeMap;
use std::path::Path;

use portreeve_bundle::{RootPlan, Terms, Workshop, make_key, make_root, publish};
use portreeve_lab::{Collection, Documents, Keys, NotaryServer};
use portreeve_protocol::anchors::{Anchor, TrustAnchors};
use portreeve_protocol::{Sha256, Wall};
use serde_json::Value;

use super::stage::MANIFEST_LENGTH;
use crate::cli::BundleFlags;
use crate::error::CommandError;

/// The collection as its team signed it.
pub(super) const GENUINE: &str = "registry.example/vault/app";
/// The collection that an attacker serves in the place of the team's.
pub(super) const REPLACED: &str = "registry.example/vault/keys";
/// The tag of both.
pub(super) const TAG: &str = "1.0.0";

/// The term of what the demo signs.
const DAY: i64 = 86_400 * 1_000_000;

/// What was signed, and by which root keys the team did.
pub(super) struct Vault {
    expires: Wall,
    root_keys: BTreeMap<&'static str, Sha256>,
    pub(super) signed: BTreeMap<String, Sha256>,
}

/// Signs both collections. The second one is the attacker's: well signed, by a fresh root of their
/// own, at a server with a valid certificate. Nothing in it is wrong but whose it is.
pub(super) fn sign(notary: &NotaryServer, now: Wall) -> Result<Vault, CommandError> {
    let (root_keys, signed) = (BTreeMap::new(), BTreeMap::new());
    let mut vault = Vault { expires: Wall(now.0 + DAY), root_keys, signed };
    for gun in [GENUINE, REPLACED] {
        let image = format!("{gun}:{TAG}");
        let digest = Sha256::of(image.as_bytes());
        let signed = || -> Result<Documents, CommandError> {
            let mut collection = Collection::new(gun, Keys::fresh(), now)?;
            collection.sign_base(TAG, digest, MANIFEST_LENGTH);
            Ok(collection.publish(now)?.clone())
        };
        let of_the_team = signed()?;
        vault.root_keys.insert(gun, root_key(&of_the_team)?);
        let served = if gun == GENUINE { of_the_team } else { signed()? };
        notary.publish(gun, &served);
        vault.signed.insert(image, digest);
    }
    Ok(vault)
}

/// The id of the key that a collection's root is signed by.
fn root_key(documents: &Documents) -> Result<Sha256, CommandError> {
    let root = documents.get("root.json").map(|root| serde_json::from_slice::<Value>(root));
    let id = root.and_then(Result::ok).and_then(|root| {
        root["signed"]["roles"]["root"]["keyids"][0].as_str().and_then(|id| id.parse().ok())
    });
    let why = || CommandError::Unclear { why: "a collection of the demo has no root".to_owned() };
    id.ok_or_else(why)
}

/// Makes and publishes the bundle that pins the team's roots, as `portreeve bundle` would.
pub(super) async fn bundle(
    place: &Path,
    vault: &Vault,
    server: &str,
) -> Result<BundleFlags, CommandError> {
    let workshop = Workshop::at(place);
    std::fs::create_dir_all(place).map_err(|source| CommandError::File {
        what: "make",
        path: place.to_owned(),
        source,
    })?;
    let key = |name: &str| make_key(&place.join(name));
    let (root, targets, online) = (key("root.pem")?, key("targets.pem")?, key("online.pem")?);
    let mut says = TrustAnchors::empty();
    // The demo's other collections are as the seed's: trusted when they are first seen.
    says.defaults.first_use = true;
    for (gun, key) in &vault.root_keys {
        says.anchors.push(Anchor {
            gun: (*gun).to_owned(),
            root_key_ids: [*key].into(),
            trust_server: Some(server.to_owned()),
            ..Anchor::default()
        });
    }
    let plan = RootPlan {
        expires: vault.expires,
        online_keys: vec![online.clone()],
        root_keys: vec![root],
        root_threshold: None,
        targets_keys: vec![targets.clone()],
        targets_threshold: None,
    };
    make_root(&workshop, &plan, &says).await?;
    let terms =
        Terms { now: Wall(vault.expires.0 - DAY), online: vault.expires, targets: vault.expires };
    publish(&workshop, &[targets, online], terms).await?;
    Ok(BundleFlags {
        bundle: Some(place.display().to_string()),
        bundle_ca: Vec::new(),
        bundle_root: Some(place.join("root.json")),
    })
}
