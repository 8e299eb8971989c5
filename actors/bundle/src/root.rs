//! The root of a bundle: who may sign what, kept offline, signed by m of n.

use std::collections::HashMap;
use std::num::NonZeroU64;

use aws_lc_rs::rand::SystemRandom;
use jiff::Timestamp;
use portreeve_protocol::Wall;
use tough::editor::signed::SignedRole;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{KeyHolder, RoleKeys, RoleType, Root, Signed};

use crate::error::BundleError;
use crate::keys::{self, BundleKey};
use crate::workshop::Workshop;

/// The version of TUF that is written.
pub(crate) const SPEC: &str = "1.0.0";

/// Who may sign what from now on. Keys with their private half at hand sign the root at once; for
/// others their public half is enough.
#[derive(Debug, Clone)]
pub struct RootPlan {
    /// When the root expires.
    pub expires: Wall,
    /// Keys of the timestamp and the snapshot, which are signed often; none leaves them.
    pub online_keys: Vec<BundleKey>,
    /// Keys of the root itself; none leaves them.
    pub root_keys: Vec<BundleKey>,
    /// How many of them must sign; `None` leaves it, and is all of one.
    pub root_threshold: Option<u64>,
    /// Keys of what the bundle says; none leaves them.
    pub targets_keys: Vec<BundleKey>,
    /// How many of them must sign; `None` leaves it, and is all of one.
    pub targets_threshold: Option<u64>,
}

/// How far a root has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoot {
    /// Whether it has all signatures that it needs, and is in force.
    pub complete: bool,
    /// Whose signatures it lacks: of its own keys, and of those of the root before it.
    pub missing: Vec<Missing>,
    /// The ids of the keys that have signed it.
    pub signed_by: Vec<String>,
    /// How many must, of its own keys.
    pub threshold: u64,
    /// Its version.
    pub version: u64,
}

/// Signatures that a root lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The ids of the keys that may give them.
    pub keys: Vec<String>,
    /// How many of these must.
    pub number: u64,
    /// The version of the root that names them.
    pub root: u64,
}

/// Makes the first root of a workshop that has none, and an empty `trust.json`.
///
/// # Errors
/// `Workshop` if there is one already, or the plan lacks keys; `File`.
pub async fn make_root(
    workshop: &Workshop,
    plan: &RootPlan,
    draft: &portreeve_protocol::anchors::TrustAnchors,
) -> Result<SignedRoot, BundleError> {
    none_waits(workshop)?;
    if workshop.has_root() {
        let why = "there is a root already; `portreeve bundle rotate` makes the next one";
        return Err(BundleError::Workshop(why.to_owned()));
    }
    for (what, keys) in [
        ("--root-key", &plan.root_keys),
        ("--targets-key", &plan.targets_keys),
        ("--online-key", &plan.online_keys),
    ] {
        if keys.is_empty() {
            return Err(BundleError::Workshop(format!("{what} is missing")));
        }
    }
    let nothing = Root {
        spec_version: SPEC.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: instant(plan.expires)?,
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    let root = planned(nothing, plan)?;
    workshop.set_draft(draft)?;
    Box::pin(sign(workshop, root, Vec::new(), &plan.root_keys)).await
}

/// Makes the next root, which replaces what the plan names. It needs signatures by the keys of the
/// root before it and by its own; `with` are keys of either.
///
/// # Errors
/// `Workshop` if another root waits for signatures, or the plan cannot be; `File`.
pub async fn rotate_root(
    workshop: &Workshop,
    plan: &RootPlan,
    with: &[BundleKey],
) -> Result<SignedRoot, BundleError> {
    none_waits(workshop)?;
    let (Signed { signed: mut root, .. }, _) = workshop.root()?;
    let next = root.version.checked_add(1);
    root.version = next.ok_or_else(|| BundleError::Workshop("its version is at its end".into()))?;
    root.expires = instant(plan.expires)?;
    let root = planned(root, plan)?;
    let keys: Vec<BundleKey> = plan.root_keys.iter().chain(with).cloned().collect();
    Box::pin(sign(workshop, root, Vec::new(), &keys)).await
}

/// Adds signatures to the root that waits for them.
///
/// # Errors
/// `Workshop` if none waits, or no key is one of it; `File`.
pub async fn sign_root(workshop: &Workshop, keys: &[BundleKey]) -> Result<SignedRoot, BundleError> {
    let Some(Signed { signed, signatures }) = workshop.pending()? else {
        let why = "no root waits for signatures";
        return Err(BundleError::Workshop(why.to_owned()));
    };
    keys.iter().try_for_each(BundleKey::must_sign)?;
    let before = before(workshop)?;
    let named: Vec<_> = std::iter::once(&signed).chain(&before).flat_map(own).cloned().collect();
    if !keys.iter().any(|key| named.contains(key.tuf_id())) {
        let given = keys::short(keys.iter().map(BundleKey::tuf_id)).join(", ");
        let version = signed.version;
        let mut why = format!("no key of root version {version} is given, but {given}; ");
        why.push_str(&format!("its own are {}", keys::short(own(&signed)).join(", ")));
        if let Some(before) = &before {
            let old = keys::short(own(before)).join(", ");
            why.push_str(&format!(", those of root version {} are {old}", before.version));
        }
        why.push_str(&format!(". {}", workshop.abandoning()));
        return Err(BundleError::Workshop(why));
    }
    Box::pin(sign(workshop, signed, signatures, keys)).await
}

/// A root that waits for signatures is not written over.
fn none_waits(workshop: &Workshop) -> Result<(), BundleError> {
    let Some(Signed { signed, .. }) = workshop.pending()? else { return Ok(()) };
    let why = format!(
        "root version {} waits for signatures; `portreeve bundle sign` adds them. {}",
        signed.version,
        workshop.abandoning()
    );
    Err(BundleError::Workshop(why))
}

/// The root in force, which comes before the one that waits.
fn before(workshop: &Workshop) -> Result<Option<Root>, BundleError> {
    if workshop.has_root() { Ok(Some(workshop.root()?.0.signed)) } else { Ok(None) }
}

/// The ids of a root's own keys.
fn own(root: &Root) -> &[Decoded<Hex>] {
    root.roles.get(&RoleType::Root).map(|role| role.keyids.as_slice()).unwrap_or_default()
}

/// Whose signatures are lacking of the keys that `of` names.
fn missing(of: &Root, signed: &Signed<Root>) -> Option<Missing> {
    let has = |id: &&Decoded<Hex>| signed.signatures.iter().any(|it| it.keyid == **id);
    let given = own(of).iter().filter(has).count() as u64;
    let threshold = of.roles.get(&RoleType::Root).map_or(0, |role| role.threshold.get());
    let number = threshold.saturating_sub(given);
    let keys = own(of).iter().filter(|id| !has(id)).map(|id| keys::hex(id)).collect();
    (number > 0).then(|| Missing { keys, number, root: of.version.get() })
}

/// The root with what the plan names replaced, and without keys that nobody uses.
fn planned(mut root: Root, plan: &RootPlan) -> Result<Root, BundleError> {
    let changes = [
        (RoleType::Root, &plan.root_keys, plan.root_threshold),
        (RoleType::Targets, &plan.targets_keys, plan.targets_threshold),
        (RoleType::Snapshot, &plan.online_keys, None),
        (RoleType::Timestamp, &plan.online_keys, None),
    ];
    for (role, keys, threshold) in changes {
        let before = root.roles.get(&role).cloned();
        let mut ids = before.as_ref().map(|before| before.keyids.clone()).unwrap_or_default();
        if !keys.is_empty() {
            ids = keys.iter().map(|key| key.tuf_id().clone()).collect();
        }
        ids.sort();
        ids.dedup();
        root.keys.extend(keys.iter().map(|key| (key.tuf_id().clone(), key.public().clone())));
        let old = before.as_ref().map(|before| before.threshold.get());
        let wanted = threshold.or(old).unwrap_or(1);
        let Some(threshold) = NonZeroU64::new(wanted).filter(|it| it.get() <= ids.len() as u64)
        else {
            let why = format!("{role}: {wanted} of {} keys cannot sign", ids.len());
            return Err(BundleError::Workshop(why));
        };
        root.roles.insert(role, RoleKeys { keyids: ids, threshold, _extra: HashMap::new() });
    }
    let roles = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];
    let used = roles.iter().filter_map(|role| root.roles.get(role));
    let used: Vec<_> = used.flat_map(|role| role.keyids.clone()).collect();
    root.keys.retain(|id, _| used.contains(id));
    Ok(root)
}

/// Signs `root` with those of `keys` that are its own or its predecessor's, and puts it in force if
/// that is enough.
async fn sign(
    workshop: &Workshop,
    root: Root,
    signatures: Vec<tough::schema::Signature>,
    keys: &[BundleKey],
) -> Result<SignedRoot, BundleError> {
    let before = before(workshop)?;
    let mut signed = unsigned(&root, signatures);
    // A root is signed with the keys of the one before it, and with its own.
    for of in std::iter::once(&root).chain(&before) {
        let named = |key: &&BundleKey| key.signs() && own(of).contains(key.tuf_id());
        let at_hand: Vec<BundleKey> = keys.iter().filter(named).cloned().collect();
        if at_hand.is_empty() {
            continue;
        }
        let (holder, signers) = (KeyHolder::Root(of.clone()), keys::signers(&at_hand));
        let made = SignedRole::new(root.clone(), &holder, &signers, &SystemRandom::new()).await;
        let made = made.map_err(|error| BundleError::Workshop(error.to_string()))?;
        for signature in &made.signed().signatures {
            if !signed.signatures.iter().any(|it| it.keyid == signature.keyid) {
                signed.signatures.push(signature.clone());
            }
        }
    }
    let complete = root.verify_role(&signed).is_ok()
        && before.as_ref().is_none_or(|before| before.verify_role(&signed).is_ok());
    let version = root.version.get();
    let mut bytes = serde_json::to_vec_pretty(&signed)
        .map_err(|error| BundleError::Workshop(error.to_string()))?;
    bytes.push(b'\n');
    if complete {
        workshop.set_root(version, &bytes)?;
    } else {
        workshop.set_pending(&bytes)?;
    }
    Ok(SignedRoot {
        complete,
        missing: std::iter::once(&root)
            .chain(&before)
            .filter_map(|of| missing(of, &signed))
            .collect(),
        signed_by: signed.signatures.iter().map(|it| keys::hex(&it.keyid)).collect(),
        threshold: root.roles.get(&RoleType::Root).map_or(0, |role| role.threshold.get()),
        version,
    })
}

fn unsigned(root: &Root, signatures: Vec<tough::schema::Signature>) -> Signed<Root> {
    Signed { signed: root.clone(), signatures }
}

/// A time as `tough` has it, in whole seconds, as TUF 1.0 writes it.
pub(crate) fn instant(wall: Wall) -> Result<Timestamp, BundleError> {
    Timestamp::from_second(wall.0.div_euclid(1_000_000))
        .map_err(|_| BundleError::Workshop(format!("{wall} is not a time that can be written")))
}
