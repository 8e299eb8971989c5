//! The root: whose keys carry it, what it says of the other roles, and how one follows another
//! (Notary `tuf/data/root.go`, `trustpinning/certs.go:ValidateRoot`,
//! `client/tufclient.go:updateRoot`).

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::evidence::SigningKey;
use portreeve_protocol::limits::{COLLECTION_SIGNATURES, ROOT_CHAIN, SMALL_DOCUMENT_BYTES};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Sha256, Wall};

use crate::envelope::{Envelope, distinct};
use crate::error::TrustError;
use crate::fields::Fields;
use crate::header::{self, Header};
use crate::json::Value;
use crate::key::{self, Key};
use crate::pins;
use crate::role::{ROOT, RoleKeys, SNAPSHOT, TARGETS, TIMESTAMP};
use crate::signature::{self, Judge};

/// A root of the right structure.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// SHA-256 of the canonical form of what is signed.
    pub(crate) content: Sha256,
    /// Version and expiry.
    pub(crate) header: Header,
    /// SHA-256 of the document.
    pub(crate) sha256: Sha256,
    envelope: Envelope,
    roles: [RoleKeys; 4],
}

/// The root in use.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// Base roles whose keys some step of the walk changed.
    pub(crate) rekeyed: BTreeSet<&'static str>,
    /// The root.
    pub(crate) root: Root,
    /// The keys that carry it and validly signed it.
    pub(crate) signed_by: Vec<SigningKey>,
}

/// The roles every root must list, in the order of [`Root::roles`].
const BASE: [&str; 4] = [ROOT, TIMESTAMP, SNAPSHOT, TARGETS];

/// Keys of a root's own role, by id.
type Carriers = BTreeMap<Sha256, Key>;

impl Root {
    fn read(blob: &Blob) -> Result<Self, TrustError> {
        let envelope = Envelope::read(ROOT, blob, SMALL_DOCUMENT_BYTES)?;
        let members = ["consistent_snapshot", "keys", "roles"];
        let (header, fields) = header::read(ROOT, "Root", &envelope.signed, &members)?;
        let keys = key::read_keys(&fields)?;
        let listed: BTreeMap<_, _> = fields.map("roles")?.collect();
        let role = |name: &str| {
            let value = listed.get(&name.to_owned()).copied();
            let value = value.ok_or_else(|| fields.invalid("roles", "must list all base roles"))?;
            read_role(ROOT, &keys, value)
        };
        let roles = [role(ROOT)?, role(TIMESTAMP)?, role(SNAPSHOT)?, role(TARGETS)?];
        Ok(Self { content: envelope.content(), header, sha256: blob.digest(), roles, envelope })
    }

    /// Reads a root that was kept from earlier: for `gun`, and signed as it asks itself. Whether
    /// it is still in date is left to its use.
    ///
    /// # Errors
    /// `RootUntrusted`, and whatever reading a document may give.
    pub(crate) fn kept(blob: &Blob, gun: &str) -> Result<Self, TrustError> {
        let root = Self::read(blob)?;
        root.own_signers(&root.carriers(gun, None)?, signature::ANEW)?;
        Ok(root)
    }

    /// Who may sign for each base role, in the order of the root, timestamp, snapshot and targets.
    pub(crate) const fn roles(&self) -> &[RoleKeys; 4] {
        &self.roles
    }

    /// The keys of the root role that count: those in certificates for `gun`, one leaf each, and in
    /// date if there is a `date` to judge them by.
    /// Source: Notary `trustpinning/certs.go:parseAllCerts, validRootLeafCerts`.
    fn carriers(&self, gun: &str, date: Option<Wall>) -> Result<Carriers, TrustError> {
        let mut why = "none of its keys comes in a certificate";
        let mut carriers = self.roles[0].keys.clone();
        carriers.retain(|_, key| {
            let fault = fault(key, gun, date).or(key.public.as_ref().err().copied());
            why = fault.unwrap_or(why);
            fault.is_none()
        });
        if carriers.is_empty() {
            return Err(self.untrusted(why.to_owned()));
        }
        Ok(carriers)
    }

    fn untrusted(&self, why: String) -> TrustError {
        TrustError::RootUntrusted { version: self.header.version, why }
    }

    /// The keys among `carriers` that signed, if they are as many as this root itself asks for.
    fn own_signers(
        &self,
        carriers: &Carriers,
        judge: Judge<'_>,
    ) -> Result<Vec<SigningKey>, TrustError> {
        self.enough(self.envelope.signed_by(carriers, judge))
    }

    /// `signers`, if they are as many as this root itself asks for.
    fn enough(&self, signers: Vec<SigningKey>) -> Result<Vec<SigningKey>, TrustError> {
        let (valid, needed) = (distinct(&signers), self.roles[0].threshold);
        if valid < needed && !planted::is(Bug::RootUnsigned) {
            let why = format!("it needs signatures by {needed} of its own keys and has {valid}");
            return Err(self.untrusted(why));
        }
        Ok(signers)
    }

    /// Whether `next` follows this root: the next version, signed as this root asks.
    fn hands_over(&self, next: &Self, gun: &str, judge: Judge<'_>) -> Result<(), TrustError> {
        let refused =
            |why: String| Err(TrustError::RootRotation { version: next.header.version, why });
        if Some(next.header.version) != self.header.version.checked_add(1) {
            return refused(format!("the one before has version {}", self.header.version));
        }
        let valid = distinct(&next.envelope.signed_by(&self.carriers(gun, None)?, judge));
        let needed = self.roles[0].threshold;
        if valid < needed && !planted::is(Bug::RotationUnsigned) {
            return refused(format!("it needs signatures by {needed} of its keys and has {valid}"));
        }
        Ok(())
    }
}

/// Why a key does not carry a root for `gun`; `None` if nothing speaks against it.
fn fault(key: &Key, gun: &str, date: Option<Wall>) -> Option<&'static str> {
    let [leaf, intermediates @ ..] = key.certificates.as_slice() else {
        return Some("none of its keys comes in a readable certificate");
    };
    if leaf.ca || !intermediates.iter().all(|certificate| certificate.ca) {
        return Some("a certificate bundle is not one leaf and then its authorities");
    }
    if !leaf.is_for(gun) && !planted::is(Bug::CertificateOfAnother) {
        return Some("no certificate has the collection as its common name");
    }
    if date.is_some_and(|date| !leaf.in_date(date)) {
        return Some("a certificate is not valid at this time");
    }
    leaf.unfit()
}

/// Reads the keys and the threshold of a role, looking the ids up in `keys`.
/// Source: Notary `tuf/data/root.go:isValidRootRoleStructure`.
pub(crate) fn read_role(
    document: &str,
    keys: &BTreeMap<Sha256, Key>,
    value: &Value,
) -> Result<RoleKeys, TrustError> {
    // A delegation has a name and paths beside these; its reader looks at them.
    let role = Fields::of(document, "a role", value, &["keyids", "name", "paths", "threshold"])?;
    let threshold = u32::try_from(role.integer("threshold")?).unwrap_or(0);
    if threshold < 1 {
        return Err(role.invalid("threshold", "must be at least 1"));
    }
    let mut own = BTreeMap::new();
    for id in role.list("keyids")? {
        let Value::Text(id) = id else {
            return Err(role.invalid("keyids", "must be strings"));
        };
        let key = id.parse().ok().and_then(|id: Sha256| keys.get(&id));
        let key = key.ok_or_else(|| role.invalid("keyids", "must be ids of listed keys"))?;
        own.insert(key.id, key.clone());
    }
    Ok(RoleKeys { keys: own, threshold })
}

/// Walks the roots of `request` one by one to the last, which is the one in use.
///
/// A root that was verified before may be expired if it has successors; so may be any but the last.
/// Each step needs exactly the next version, the threshold of the root before and its own.
/// Certificates must be in date for every root that was not verified before. The pins are held
/// against the last root on every call.
///
/// # Errors
/// `RootUntrusted`, `RootRotation`, `RootPinMismatch`, `RootUnpinned`, `Expired`, and whatever
/// reading a document may give.
pub(crate) fn walk(
    request: &VerifyRequest,
    now: Wall,
    judge: Judge<'_>,
) -> Result<Current, TrustError> {
    let [first, successors @ ..] = request.roots.as_slice() else {
        return Err(unsupported("no root is at hand"));
    };
    if successors.len() as u64 > ROOT_CHAIN {
        return Err(unsupported("more rotations are to be walked than one resolution may"));
    }
    let gun = request.gun.as_str();
    let mut root = Root::read(first)?;
    let old = request.trusted_root && !successors.is_empty();
    let mut carriers = root.carriers(gun, (!old).then_some(now))?;
    let mut signers = root.own_signers(&carriers, judge)?;
    if !request.trusted_root && !successors.is_empty() {
        root.header.unexpired(ROOT, now)?;
    }
    let mut rekeyed = BTreeSet::new();
    let mut signatures = root.envelope.signatures();
    for successor in successors {
        let next = Root::read(successor)?;
        signatures += next.envelope.signatures();
        if signatures > COLLECTION_SIGNATURES {
            return Err(unsupported("the roots to be walked have too many signatures"));
        }
        root.hands_over(&next, gun, judge)?;
        carriers = next.carriers(gun, Some(now))?;
        signers = next.own_signers(&carriers, judge)?;
        for ((name, before), after) in BASE.into_iter().zip(root.roles()).zip(next.roles()) {
            if before.ids() != after.ids() {
                rekeyed.insert(name);
            }
        }
        root = next;
    }
    // Before the expiry: a root that is not the pinned one is refused as such.
    pins::filter(&request.pins, root.header.version, &mut carriers, now)?;
    root.header.unexpired(ROOT, now)?;
    signers.retain(|signer| carriers.contains_key(&signer.keyid));
    let signed_by = root.enough(signers)?;
    Ok(Current { rekeyed, root, signed_by })
}

impl Current {
    /// Takes `blob` in place of this root, if it is the same content signed again: so it comes when
    /// a publisher signs anew without any change. It carries itself as any root does.
    ///
    /// # Errors
    /// `RootChanged` for other content, and as [`walk`] for what does not carry itself.
    pub(crate) fn signed_again(
        self,
        blob: &Blob,
        request: &VerifyRequest,
        now: Wall,
        judge: Judge<'_>,
    ) -> Result<Self, TrustError> {
        let root = Root::read(blob)?;
        if root.content != self.root.content {
            return Err(TrustError::RootChanged { version: self.root.header.version });
        }
        let mut carriers = root.carriers(&request.gun, Some(now))?;
        pins::filter(&request.pins, root.header.version, &mut carriers, now)?;
        let signed_by = root.own_signers(&carriers, judge)?;
        Ok(Self { root, signed_by, ..self })
    }
}

fn unsupported(why: &str) -> TrustError {
    TrustError::UnsupportedForm { document: ROOT.to_owned(), why: why.to_owned() }
}
