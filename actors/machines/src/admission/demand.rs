//! What one rule asks of an image, and whether what trust servers said meets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::decision::Verified;
use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome, VerifiedTag};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{Mode, SignerKey, TrustRequirement};
use portreeve_protocol::seal::Requirement;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Denial, DenyClass, DenyCode, Mono, Now, Settings, Sha256, Wall};
use portreeve_trust::release::{Released, origin, release, root_is_pinned};
use serde::{Deserialize, Serialize};

use super::known::Question;
use super::terms::Anchored;

/// What one rule asks for, and who can say whether it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Demand {
    /// What the trust bundle says of the root, if there is a bundle.
    pub(super) anchor: Option<Anchored>,
    /// Whether the question is put without credentials.
    pub(super) anonymous: bool,
    /// What becomes of an image that does not meet it.
    pub(super) mode: Mode,
    /// Who is asked about what.
    pub(super) question: Arc<Question>,
    /// What must hold.
    pub(super) requirement: TrustRequirement,
}

/// What is at hand to answer a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// The newest answer that is fresh enough to allow.
    pub(super) answer: Option<&'a Resolution>,
    /// Why there is no newer one.
    pub(super) failed: Option<&'a Denial>,
    /// The last verified state, of whatever age.
    pub(super) last: Option<&'a Resolution>,
    /// The clocks now.
    pub(super) now: Now,
    /// When the review came.
    pub(super) received: Mono,
}

/// How a demand stands.
pub(super) enum Held {
    /// It is not met.
    Denied(Denial),
    /// Its question must be asked, or asked again.
    Missing,
    /// It is met.
    Released(Met),
    /// Allowed by a state of this age, in microseconds, that would otherwise be too old.
    Stale(Met, u64),
}

/// What meets a demand.
pub(super) struct Met {
    /// What was verified.
    pub(super) verified: Box<Verified>,
    /// Remarks for the person who sent the workload.
    pub(super) warnings: Vec<String>,
}

impl Demand {
    /// What a seal must name of it.
    pub(super) fn requirement(&self, settings: &Settings) -> Requirement {
        let mut pinned = settings.root_pins(&self.question.gun);
        let mut pins = self.requirement.pins.clone();
        pins.extend(pinned.keyids);
        let anchor = self.anchor.as_ref().map(|anchor| anchor.root.as_ref());
        if let Some(anchor) = anchor.filter(|anchor| anchor.pins()) {
            pins.extend(&anchor.keyids);
            pinned.authorities.clone_from(&anchor.authorities);
        }
        let signers = self.requirement.signers.iter().filter_map(|signer| match &signer.key {
            SignerKey::Usable { name, spki } => Some((name.clone(), *spki)),
            SignerKey::Invalid(_) | SignerKey::Missing => None,
        });
        Requirement {
            authorities: pinned.authorities.into_iter().collect(),
            first_use_forbidden: anchor.is_some_and(|anchor| !anchor.first_use),
            floors: anchor.map(|anchor| anchor.floors.clone()).unwrap_or_default(),
            pins,
            server: self.question.server.to_string(),
            signers: signers.collect::<BTreeSet<_>>(),
            strict_roles: self.requirement.strict_roles,
        }
    }

    /// How the demand stands by what is at hand.
    pub(super) fn hold(&self, look: Look<'_>, named: Option<Sha256>, settings: &Settings) -> Held {
        if let Some(answer) = look.answer {
            match self.satisfied(answer, look.now.wall, named, settings) {
                Ok(met) => return Held::Released(met),
                Err(denial) if planted::is(Bug::DeniedFromFreshness) => {
                    return Held::Denied(denial);
                }
                Err(denial) if answer.checked_at >= look.received => return Held::Denied(denial),
                // Something may have been signed since: it must be asked again.
                Err(_) => {}
            }
        }
        let Some(why) = look.failed else { return Held::Missing };
        self.stale(look, why, named, settings).unwrap_or_else(|| Held::Denied(why.clone()))
    }

    /// The last verified state, where the server is out of reach and the rules let it serve for a
    /// while. It allows or it says nothing.
    fn stale(
        &self,
        look: Look<'_>,
        why: &Denial,
        named: Option<Sha256>,
        settings: &Settings,
    ) -> Option<Held> {
        let leave = u64::from(planted::is(Bug::StalenessWithoutLeave)) * 3_600 * SECOND;
        let most = self.requirement.max_staleness.unwrap_or(settings.max_staleness).max(leave);
        let last = look.last.filter(|_| why.code.class() == DenyClass::Unavailable)?;
        let wall = Mono(look.now.wall.0.unsigned_abs());
        let now = if planted::is(Bug::StalenessByWall) { wall } else { look.now.mono };
        let age = now.since(last.checked_at);
        if (age > most && !planted::is(Bug::StalenessUnbounded)) || most == 0 {
            return None;
        }
        let mut met = self.satisfied(last, look.now.wall, named, settings).ok()?;
        met.warnings.push(format!(
            "the trust server {} is out of reach; what it said {} s ago was followed",
            self.question.server,
            age / SECOND
        ));
        Some(Held::Stale(met, age))
    }

    fn satisfied(
        &self,
        answer: &Resolution,
        wall: Wall,
        named: Option<Sha256>,
        settings: &Settings,
    ) -> Result<Met, Denial> {
        let Question { server, gun, tag: wanted, .. } = &*self.question;
        let tag = match &answer.outcome {
            ResolutionOutcome::Absent => {
                let detail = format!("the trust server {server} has no trust data for {gun}");
                return Err(Denial::new(DenyCode::NotSigned, detail));
            }
            ResolutionOutcome::Refused(why) | ResolutionOutcome::Unavailable(why) => {
                let why = self.in_words_of_the_bundle(why);
                return Err(with_reset(gun, server, naming(server, &why)));
            }
            ResolutionOutcome::Verified(tag) => tag,
        };
        let VerifiedTag { evidence, view } = tag.as_ref();
        if evidence.gun != **gun || &view.tag != wanted {
            let detail = format!("an answer about {gun}:{wanted} is about something else");
            return Err(Denial::new(DenyCode::Internal, detail));
        }
        if evidence.expires < wall && !planted::is(Bug::ExpiredEvidenceServes) {
            let detail = format!("the trust data of {gun} expired at {}", evidence.expires);
            return Err(Denial::new(DenyCode::Expired, detail));
        }
        let anchor = self.anchor.as_ref().map(|anchor| anchor.root.as_ref());
        let forbidden = settings.require_pins || anchor.is_some_and(|anchor| !anchor.first_use);
        if forbidden && evidence.first_use {
            let detail = format!("the root of {gun} at {server} is covered by no pin");
            return Err(Denial::new(DenyCode::RootUnpinned, detail));
        }
        if anchor.is_some_and(RootAnchor::pins) {
            // The bundle's pin went before the operator's own, which may tighten it.
            root_is_pinned(tag, &settings.root_pins(gun).keyids)?;
        }
        let Released { digest, role, signers, mut warnings } =
            release(tag, &self.requirement, named)?;
        if evidence.first_use && self.requirement.pins.is_empty() {
            warnings.push(format!(
                "the root of {gun} at {server} was trusted as the first one seen; pin it"
            ));
        }
        let verified = Verified {
            digest,
            evidence: evidence.clone(),
            pinned: false,
            released_by: role.into(),
            server: Arc::clone(server),
            signers,
        };
        Ok(Met { verified: Box::new(verified), warnings })
    }
}

impl Demand {
    /// A refusal of the root, told as what it means where the bundle pins it.
    fn in_words_of_the_bundle(&self, why: &Denial) -> Denial {
        let anchor = self.anchor.as_ref().filter(|anchor| anchor.root.pins());
        let Some(Anchored { version, .. }) = anchor else { return why.clone() };
        let Question { server, gun, .. } = &*self.question;
        let what = if why.code == DenyCode::RootPinMismatch {
            format!(
                "a root of {gun} without the signatures that trust bundle version {version} pins"
            )
        } else if why.code == DenyCode::RootChanged {
            format!(
                "another root of {gun} than the one trusted, which trust bundle version {version} \
                 pins, and no rotation leads to it"
            )
        } else {
            return why.clone();
        };
        let detail =
            format!("the trust server {server}, or its root, was replaced: it serves {what}");
        Denial::new(why.code, detail)
    }
}

/// Rules of equal specificity must lead to one digest; what they found is put together.
pub(super) fn merge(first: &mut Met, next: Met) -> Result<(), Denial> {
    let Met { verified, warnings } = first;
    let Met { verified: other, warnings: more } = next;
    if verified.digest != other.digest && !planted::is(Bug::DisagreementIgnored) {
        let detail = format!(
            "rules of equal specificity lead to different signed digests, {} at {} and {} at {}",
            verified.digest.to_oci(),
            verified.server,
            other.digest.to_oci(),
            other.server
        );
        return Err(Denial::new(DenyCode::DigestMismatch, detail));
    }
    warnings.extend(more);
    warnings.sort();
    warnings.dedup();
    verified.signers.extend(other.signers);
    verified.signers.sort();
    verified.signers.dedup();
    Ok(())
}

/// A signer whose key is not at hand denies before anything is fetched.
pub(super) fn signers_have_keys(requirement: &TrustRequirement) -> Result<(), Denial> {
    for signer in &requirement.signers {
        match &signer.key {
            SignerKey::Usable { .. } => {}
            SignerKey::Missing => {
                let detail = format!("there is no {} with `name` and `publicKey`", origin(signer));
                return Err(Denial::new(DenyCode::SignerKeyMissing, detail));
            }
            SignerKey::Invalid(why) => {
                let detail = format!("the signer in {} cannot be used: {why}", origin(signer));
                return Err(Denial::new(DenyCode::SignerKeyInvalid, detail));
            }
        }
    }
    Ok(())
}

/// The denial of a root that changed, with the command by which the old one is forgotten.
fn with_reset(gun: &str, server: &str, mut denial: Denial) -> Denial {
    if denial.code == DenyCode::RootChanged {
        denial.detail.push_str(&format!(
            "; `portreeve trust reset {gun} --server {server} --reason TEXT` forgets the old one"
        ));
    }
    denial
}

/// The denial, with the trust server's name in it.
pub(super) fn naming(server: &str, why: &Denial) -> Denial {
    if why.detail.contains(server) {
        return why.clone();
    }
    Denial::new(why.code, format!("{} (trust server {server})", why.detail))
}
