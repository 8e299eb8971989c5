//! From a verified view of a tag to the digest that may run.

use std::collections::BTreeSet;

use portreeve_protocol::evidence::{SigningKey, TargetEntry};
use portreeve_protocol::messages::admission::VerifiedTag;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{FROM_BUNDLE, SignerKey, SignerRequirement, TrustRequirement};
use portreeve_protocol::{Denial, DenyCode, Sha256};

use crate::role::{RELEASES, ROOT, TARGETS};
use crate::signer::role_of_signer;

/// A digest that satisfies a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The signed digest.
    pub digest: Sha256,
    /// The role whose entry gave it: `targets/releases` or `targets`.
    pub role: &'static str,
    /// Names of the required signers found to have signed it.
    pub signers: Vec<String>,
    /// Remarks for the person who sent the workload.
    pub warnings: Vec<String>,
}

/// Holds a verified tag against a requirement; `named` is the digest the image reference carries.
///
/// docker's rule gives the digest: the entry of `targets/releases`, else that of `targets`; entries
/// of other roles release nothing (docker/cli `cli/command/image/trust.go:getTrustedPullTargets`).
/// Every required signer must list the tag with that digest in its own role, and the pinned key
/// itself must have signed that role's document (Portieris `pkg/verifier/trust/trust.go:getDigest`
/// only wants it listed).
///
/// # Errors
/// The requirement that is not met.
pub fn release(
    tag: &VerifiedTag,
    requirement: &TrustRequirement,
    named: Option<Sha256>,
) -> Result<Released, Denial> {
    let mut warnings = Vec::new();
    root_is_pinned(tag, &requirement.pins)?;
    releases_stand(tag, requirement.strict_roles, &mut warnings)?;
    let (role, digest) = released(tag)?;
    let digest = named.filter(|_| planted::is(Bug::DigestFromRequest)).unwrap_or(digest);
    let entries = &tag.view.entries;
    if let (RELEASES, Some(base)) = (role, entries.get(TARGETS)) {
        match base {
            TargetEntry::Image { sha256, .. } if *sha256 == digest => {}
            TargetEntry::Image { sha256, .. } => warnings.push(format!(
                "targets names {}, but targets/releases names {} and is followed",
                sha256.to_oci(),
                digest.to_oci()
            )),
            TargetEntry::Unusable(why) => warnings.push(format!(
                "the entry in targets cannot be used ({why}); targets/releases is followed"
            )),
        }
    }
    let mut signers = Vec::new();
    let most = if planted::is(Bug::FirstSignerOnly) { 1 } else { usize::MAX };
    for required in requirement.signers.iter().take(most) {
        let name = signed_by(tag, required, digest)?;
        if !signers.contains(&name) {
            signers.push(name);
        }
    }
    if let Some(named) = named.filter(|named| *named != digest) {
        let (named, signed) = (named.to_oci(), digest.to_oci());
        return Err(Denial::new(
            DenyCode::DigestMismatch,
            format!("the image is named by {named}, but {signed} is signed"),
        ));
    }
    Ok(Released { digest, role, signers, warnings })
}

/// Holds the root in use against pins that only tighten: the keys that they name must be enough for
/// it by themselves. No pins ask for nothing.
///
/// # Errors
/// `RootPinMismatch`.
pub fn root_is_pinned(tag: &VerifiedTag, pins: &BTreeSet<Sha256>) -> Result<(), Denial> {
    if pins.is_empty() || planted::is(Bug::PolicyPinsIgnored) {
        return Ok(());
    }
    let root = tag.evidence.roles.get(ROOT);
    let pinned: BTreeSet<Sha256> = root
        .iter()
        .flat_map(|root| &root.signed_by)
        .filter(|key| [key.keyid, key.spki].iter().any(|id| pins.contains(id)))
        .map(|key| key.spki)
        .collect();
    if root.is_some_and(|root| pinned.len() as u64 >= u64::from(root.threshold)) {
        return Ok(());
    }
    let detail = format!("the root of {} is not signed by the keys pinned", tag.evidence.gun);
    Err(Denial::new(DenyCode::RootPinMismatch, detail))
}

/// Refuses, or remarks on, a role `targets/releases` that is not there to be followed.
fn releases_stand(
    tag: &VerifiedTag,
    strict: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Denial> {
    if tag.evidence.roles.contains_key(RELEASES) {
        return Ok(());
    }
    match tag.evidence.dropped.iter().find(|dropped| dropped.role == RELEASES) {
        Some(dropped) if strict || dropped.why.code == DenyCode::RoleWithdrawn => {
            Err(dropped.why.clone())
        }
        Some(dropped) => {
            warnings.push(format!("targets is followed: {}", dropped.why.detail));
            Ok(())
        }
        None if strict => Err(Denial::new(
            DenyCode::NotReleased,
            "the policy asks for targets/releases, which is not published",
        )),
        None => Ok(()),
    }
}

/// The role that releases the tag, and the digest it names.
fn released(tag: &VerifiedTag) -> Result<(&'static str, Sha256), Denial> {
    let entries = &tag.view.entries;
    let mut order = [RELEASES, TARGETS];
    if planted::is(Bug::ReleasesIgnored) {
        order.reverse();
    }
    let entry = order.into_iter().find_map(|role| Some((role, entries.get(role)?)));
    match entry {
        Some((role, TargetEntry::Image { sha256, .. })) => Ok((role, *sha256)),
        Some((role, TargetEntry::Unusable(why))) => Err(bad_entry(role, why)),
        None if entries.is_empty() => Err(Denial::new(
            DenyCode::TagNotSigned,
            format!("no role of {} names the tag", tag.evidence.gun),
        )),
        None => {
            let roles: Vec<_> = entries.keys().map(String::as_str).collect();
            Err(Denial::new(
                DenyCode::NotReleased,
                format!("only {} names the tag", roles.join(", ")),
            ))
        }
    }
}

/// The name of a required signer, if it signed `digest` for the tag.
fn signed_by(
    tag: &VerifiedTag,
    required: &SignerRequirement,
    digest: Sha256,
) -> Result<String, Denial> {
    let secret = || origin(required);
    let (name, spki) = match &required.key {
        SignerKey::Usable { name, spki } => (name, spki),
        SignerKey::Invalid(why) => {
            let detail = format!("{} cannot be used: {why}", secret());
            return Err(Denial::new(DenyCode::SignerKeyInvalid, detail));
        }
        SignerKey::Missing => {
            let detail = format!("there is no {}", secret());
            return Err(Denial::new(DenyCode::SignerKeyMissing, detail));
        }
    };
    let role = role_of_signer(name).ok_or_else(|| {
        let detail = format!("the signer's name in {} cannot be that of a delegation", secret());
        Denial::new(DenyCode::SignerKeyInvalid, detail)
    })?;
    match tag.view.entries.get(&role) {
        Some(TargetEntry::Image { sha256, .. }) if *sha256 == digest => {}
        Some(TargetEntry::Image { .. }) if planted::is(Bug::SignerDigestIgnored) => {}
        Some(TargetEntry::Image { sha256, .. }) => {
            let (other, digest) = (sha256.to_oci(), digest.to_oci());
            return Err(Denial::new(
                DenyCode::SignersDisagree,
                format!("{role} names {other}, but {digest} is released"),
            ));
        }
        Some(TargetEntry::Unusable(why)) => return Err(bad_entry(&role, why)),
        None => {
            let dropped = tag.evidence.dropped.iter().find(|dropped| dropped.role == role);
            let detail = dropped.map_or_else(
                || format!("{role} does not name the tag"),
                |dropped| format!("{role} is not believed: {}", dropped.why.detail),
            );
            return Err(Denial::new(DenyCode::SignerMissing, detail));
        }
    }
    let signed = tag.evidence.roles.get(&role);
    let by = |key: &SigningKey| key.spki == *spki || planted::is(Bug::SignerKeyNotCompared);
    if !signed.is_some_and(|role| role.signed_by.iter().any(by)) {
        return Err(Denial::new(
            DenyCode::SignerKeyMismatch,
            format!("{role} is not signed with the key in {}", secret()),
        ));
    }
    Ok(name.clone())
}

/// Where the key of a signer stands, as it is told to people.
#[must_use]
pub fn origin(signer: &SignerRequirement) -> String {
    if signer.secret.is_empty() {
        "the policy itself".to_owned()
    } else if signer.secret == FROM_BUNDLE {
        "the trust bundle".to_owned()
    } else {
        format!("Secret {}", signer.secret)
    }
}

fn bad_entry(role: &str, why: &str) -> Denial {
    Denial::new(DenyCode::BadEntry, format!("the entry in {role} cannot be used: {why}"))
}
