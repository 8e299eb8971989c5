//! One image of a review: the rules that decide about it, what they ask for, and the verdict.

use portreeve_protocol::decision::{Admitted, ContainerVerdict, RuleRef, Verdict, Verified};
use portreeve_protocol::messages::admission::{
    ImageFact, Resolution, ResolutionOutcome, VerifiedTag,
};
use portreeve_protocol::policy::{SignerKey, TrustRequirement};
use portreeve_protocol::reference::{DEFAULT_TAG, ImageReference};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    Denial, DenyClass, DenyCode, Mono, Now, ProtocolError, Settings, Sha256, Wall,
};
use portreeve_trust::release::{Released, origin, release};

use super::known::Question;
use super::select::Scope;
use super::server::trust_server;

/// An image and how far its verdict has come.
#[derive(Debug)]
pub(super) struct ImageCase {
    demands: Vec<Demand>,
    fact: ImageFact,
    /// The questions whose answers did not suffice when it was last judged.
    missing: Vec<Question>,
    /// Whether the rules let the reference be changed.
    mutate: bool,
    named: Option<Sha256>,
    rules: Vec<RuleRef>,
    /// What was decided by an older state, for the audit: the server and the age of the state.
    stale: Vec<String>,
    verdict: Option<Verdict>,
    warnings: Vec<String>,
}

/// What one rule asks for, and who can say whether it holds.
#[derive(Debug)]
struct Demand {
    /// Whether the question is put without credentials.
    anonymous: bool,
    question: Question,
    requirement: TrustRequirement,
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

/// A verdict with all that led to it.
pub(super) struct Concluded {
    /// Whether the reference may be changed.
    pub(super) mutate: bool,
    /// The older states that allowed it, for the audit.
    pub(super) stale: Vec<String>,
    /// The verdict.
    pub(super) verdict: ContainerVerdict,
    /// Remarks for the person who sent the workload.
    pub(super) warnings: Vec<String>,
}

enum Held {
    Denied(Denial),
    Missing,
    Released(Box<(Released, Verified)>),
    /// Allowed by a state of this age, in microseconds, that would otherwise be too old.
    Stale(Box<(Released, Verified)>, u64),
}

impl ImageCase {
    /// Finds what decides about an image. Whatever needs no trust server is decided at once.
    pub(super) fn new(fact: &ImageFact, scope: &Scope<'_>, settings: &Settings) -> Self {
        let mut case = Self {
            demands: Vec::new(),
            fact: fact.clone(),
            missing: Vec::new(),
            mutate: false,
            named: None,
            rules: Vec::new(),
            stale: Vec::new(),
            verdict: None,
            warnings: Vec::new(),
        };
        if let Err(denial) = case.plan(scope, settings) {
            case.deny(denial);
        } else if case.demands.is_empty() {
            case.verdict = Some(Verdict::Allowed(Admitted::TrustNotRequired));
        }
        case
    }

    fn plan(&mut self, scope: &Scope<'_>, settings: &Settings) -> Result<(), Denial> {
        let reference = parse(&self.fact.image)?;
        self.named = reference.digest;
        let rules = scope.rules(&reference)?;
        self.rules = rules.iter().map(|(id, _)| id.clone()).collect();
        self.mutate = rules.iter().all(|(_, rule)| rule.mutate_image);
        for (id, requirement) in
            rules.iter().filter_map(|(id, rule)| Some((id, rule.trust.as_ref()?)))
        {
            signers_have_keys(requirement)?;
            let (server, approved) = trust_server(settings, requirement, &reference)?;
            let tag = reference.tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
            self.demands.push(Demand {
                // Whoever may write policies in one namespace must not be able to have the
                // pull secrets of it sent to a server of their own choice.
                anonymous: id.policy.namespace.is_some() && !approved,
                question: Question { server, gun: reference.gun(), tag },
                requirement: requirement.clone(),
            });
        }
        Ok(())
    }

    /// The questions the verdict depends on, in the order of the rules; for each, whether it is put
    /// without credentials, and for how long an answer to it is fresh, in microseconds.
    pub(super) fn questions(
        &self,
        settings: &Settings,
    ) -> impl Iterator<Item = (&Question, bool, u64)> {
        let fresh = settings.freshness;
        self.demands.iter().map(move |demand| {
            let fresh = demand.requirement.freshness.unwrap_or(fresh);
            (&demand.question, demand.anonymous, fresh)
        })
    }

    /// Whether there is no verdict yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.verdict.is_none()
    }

    /// Settles the verdict: denied.
    pub(super) fn deny(&mut self, denial: Denial) {
        self.missing.clear();
        self.verdict = Some(Verdict::Denied(denial));
    }

    /// The questions it still waits for, in the order of the rules.
    pub(super) fn missing(&self) -> &[Question] {
        &self.missing
    }

    /// Judges by the answers at hand. The verdict waits until all suffice, so that it does not
    /// depend on their order.
    pub(super) fn judge<'a>(&mut self, settings: &Settings, look: impl Fn(&Question) -> Look<'a>) {
        let mut missing = Vec::new();
        let mut denied = None;
        let mut released: Option<(Released, Verified)> = None;
        self.stale.clear();
        for demand in &self.demands {
            let mut held = demand.hold(look(&demand.question), self.named, settings);
            if let Held::Stale(allowed, age) = held {
                let server = &demand.question.server;
                self.stale.push(format!("{server} {} s", age / SECOND));
                held = Held::Released(allowed);
            }
            match held {
                Held::Stale(..) => {}
                Held::Missing => missing.push(demand.question.clone()),
                Held::Denied(denial) => denied = denied.or(Some(denial)),
                Held::Released(next) => match released.as_mut().map(|first| merge(first, &next)) {
                    None => released = Some(*next),
                    Some(Ok(())) => {}
                    Some(Err(denial)) => denied = denied.or(Some(denial)),
                },
            }
        }
        self.missing = missing;
        if !self.missing.is_empty() {
            self.verdict = None;
            return;
        }
        match (denied, released) {
            (Some(denial), _) => self.deny(denial),
            (None, Some((released, verified))) => {
                self.warnings = released.warnings;
                self.verdict = Some(Verdict::Allowed(Admitted::Verified(Box::new(verified))));
            }
            (None, None) => {}
        }
    }

    /// The verdict with all that led to it. An image that was never decided is denied.
    pub(super) fn conclude(self) -> Concluded {
        let unsettled = || Verdict::Denied(Denial::new(DenyCode::Internal, "it was not decided"));
        let verdict = ContainerVerdict {
            container: self.fact.container,
            image: self.fact.image,
            pointer: self.fact.pointer,
            rules: self.rules,
            verdict: self.verdict.unwrap_or_else(unsettled),
        };
        let stale = match &verdict.verdict {
            Verdict::Allowed(_) => self.stale,
            Verdict::Denied(_) => Vec::new(),
        };
        let mutate = self.mutate && self.named.is_none();
        Concluded { mutate, stale, verdict, warnings: self.warnings }
    }
}

impl Demand {
    fn hold(&self, look: Look<'_>, named: Option<Sha256>, settings: &Settings) -> Held {
        if let Some(answer) = look.answer {
            match self.satisfied(answer, look.now.wall, named, settings) {
                Ok(released) => return Held::Released(Box::new(released)),
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
        let most = self.requirement.max_staleness.unwrap_or(settings.max_staleness);
        let last = look.last.filter(|_| why.code.class() == DenyClass::Unavailable)?;
        let age = look.now.mono.since(last.checked_at);
        if age > most || most == 0 {
            return None;
        }
        let (mut released, verified) = self.satisfied(last, look.now.wall, named, settings).ok()?;
        released.warnings.push(format!(
            "the trust server {} is out of reach; what it said {} s ago was followed",
            self.question.server,
            age / SECOND
        ));
        Some(Held::Stale(Box::new((released, verified)), age))
    }

    fn satisfied(
        &self,
        answer: &Resolution,
        wall: Wall,
        named: Option<Sha256>,
        settings: &Settings,
    ) -> Result<(Released, Verified), Denial> {
        let Question { server, gun, tag: wanted } = &self.question;
        let tag = match &answer.outcome {
            ResolutionOutcome::Absent => {
                let detail = format!("the trust server {server} has no trust data for {gun}");
                return Err(Denial::new(DenyCode::NotSigned, detail));
            }
            ResolutionOutcome::Refused(why) | ResolutionOutcome::Unavailable(why) => {
                return Err(with_reset(gun, server, naming(server, why)));
            }
            ResolutionOutcome::Verified(tag) => tag,
        };
        let VerifiedTag { evidence, view } = tag.as_ref();
        if &evidence.gun != gun || &view.tag != wanted {
            let detail = format!("an answer about {gun}:{wanted} is about something else");
            return Err(Denial::new(DenyCode::Internal, detail));
        }
        if evidence.expires < wall {
            let detail = format!("the trust data of {gun} expired at {}", evidence.expires);
            return Err(Denial::new(DenyCode::Expired, detail));
        }
        if settings.require_pins && evidence.first_use {
            let detail = format!("the root of {gun} at {server} is covered by no pin");
            return Err(Denial::new(DenyCode::RootUnpinned, detail));
        }
        let mut released = release(tag, &self.requirement, named)?;
        if evidence.first_use && self.requirement.pins.is_empty() {
            released.warnings.push(format!(
                "the root of {gun} at {server} was trusted as the first one seen; pin it"
            ));
        }
        let verified = Verified {
            digest: released.digest,
            evidence: evidence.clone(),
            pin: None,
            released_by: released.role.clone(),
            server: server.clone(),
            signers: released.signers.clone(),
        };
        Ok((released, verified))
    }
}

/// Rules of equal specificity must lead to one digest; what they found is put together.
fn merge(first: &mut (Released, Verified), next: &(Released, Verified)) -> Result<(), Denial> {
    let ((released, verified), (other, other_verified)) = (first, next);
    if verified.digest != other_verified.digest {
        let detail = format!(
            "rules of equal specificity lead to different signed digests, {} at {} and {} at {}",
            verified.digest.to_oci(),
            verified.server,
            other_verified.digest.to_oci(),
            other_verified.server
        );
        return Err(Denial::new(DenyCode::DigestMismatch, detail));
    }
    released.warnings.extend(other.warnings.iter().cloned());
    released.warnings.sort();
    released.warnings.dedup();
    verified.signers.extend(other.signers.iter().cloned());
    verified.signers.sort();
    verified.signers.dedup();
    Ok(())
}

fn parse(image: &str) -> Result<ImageReference, Denial> {
    if image.trim().is_empty() {
        return Err(Denial::new(DenyCode::ImageMissing, "the container names no image"));
    }
    image.parse().map_err(|error: ProtocolError| {
        if let ProtocolError::ReferenceDigest { algorithm, .. } = &error {
            let detail = format!("its digest is of {algorithm}, only sha256 is supported");
            return Denial::new(DenyCode::DigestUnsupported, detail);
        }
        let why = if let ProtocolError::Reference { why, .. } = &error { why } else { "" };
        Denial::new(DenyCode::ReferenceInvalid, format!("the image reference is invalid: {why}"))
    })
}

/// A signer whose key is not at hand denies before anything is fetched.
fn signers_have_keys(requirement: &TrustRequirement) -> Result<(), Denial> {
    for signer in &requirement.signers {
        let origin = origin(signer);
        match &signer.key {
            SignerKey::Usable { .. } => {}
            SignerKey::Missing => {
                let detail = format!("there is no {origin} with `name` and `publicKey`");
                return Err(Denial::new(DenyCode::SignerKeyMissing, detail));
            }
            SignerKey::Invalid(why) => {
                let detail = format!("the signer in {origin} cannot be used: {why}");
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
