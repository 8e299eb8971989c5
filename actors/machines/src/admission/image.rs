//! One image of a review: the rules that decide about it, what they ask for, and the verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use portreeve_protocol::decision::{
    Admitted, ContainerVerdict, RuleRef, SealOf, Sealed, Tolerated, Verdict,
};
use portreeve_protocol::messages::admission::{ImageFact, ReviewPath};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::reference::{DEFAULT_TAG, ImageReference};
use portreeve_protocol::seal::{RevokedSeal, SealEntry};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    Denial, DenyClass, DenyCode, Proof, ProtocolError, Settings, Sha256, Wall,
};
use serde::{Deserialize, Serialize};

use super::bundle::Standing;
use super::demand::{Demand, Held, Look, Met, merge, signers_have_keys};
use super::known::Question;
use super::requirements::Requirements;
use super::seals::{Seals, Wanted};
use super::select::Scope;
use super::server::trust_server_by;
use super::terms::{Anchored, Terms};

/// An image and how far its verdict has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ImageCase {
    /// What rules ask for that trust servers are asked about.
    demands: Arc<[Demand]>,
    /// The image as it came.
    fact: ImageFact,
    /// What rules ask for that nobody needs to be asked about, because it cannot be met.
    failures: Vec<(Denial, Mode)>,
    /// The questions whose answers did not suffice when it was last judged.
    missing: Vec<Arc<Question>>,
    /// Whether the rules let the reference be changed.
    mutate: bool,
    /// What a rule that only warns has against an image that an enforcing one verified.
    overruled: Option<Denial>,
    /// The image as it is understood; `None` if it cannot be, or need not.
    reference: Option<Arc<ImageReference>>,
    /// Digest of what the rules ask for; of no meaning where they ask for nothing.
    requirement: Sha256,
    /// Ids of the keys that signed the root of what was verified. Kept apart from the evidence,
    /// which a checkpoint names by digest only.
    root_keys: BTreeSet<Sha256>,
    /// The rules that decide.
    rules: Arc<[RuleRef]>,
    /// Whether the rules let a verdict be sealed: all of them enforce and pin.
    sealable: bool,
    /// What was decided by an older state, for the audit: the server and the age of the state.
    stale: Vec<String>,
    /// The verdict; `None` while it waits.
    verdict: Option<Verdict>,
    /// Remarks for the person who sent the workload.
    warnings: Vec<String>,
}

/// A verdict with all that led to it.
pub(super) struct Concluded {
    /// What a seal may say of it.
    pub(super) entry: Option<SealEntry>,
    /// Whether the reference may be changed.
    pub(super) mutate: bool,
    /// What a rule that only warns has against it all the same.
    pub(super) overruled: Option<Denial>,
    /// The older states that allowed it, for the audit.
    pub(super) stale: Vec<String>,
    /// The verdict.
    pub(super) verdict: ContainerVerdict,
    /// Remarks for the person who sent the workload.
    pub(super) warnings: Vec<String>,
}

impl ImageCase {
    /// Takes evidence over that the verdict names by its digest.
    pub(super) fn fill(&mut self, told: &Proof) {
        if let Some(Verdict::Allowed(Admitted::Verified(verified))) = &mut self.verdict {
            verified.evidence.fill(told);
        }
    }

    fn empty(fact: &ImageFact) -> Self {
        Self {
            demands: Arc::default(),
            fact: fact.clone(),
            failures: Vec::new(),
            missing: Vec::new(),
            mutate: false,
            overruled: None,
            reference: None,
            requirement: Sha256::ZERO,
            root_keys: BTreeSet::new(),
            rules: Arc::default(),
            sealable: false,
            stale: Vec::new(),
            verdict: None,
            warnings: Vec::new(),
        }
    }

    /// The case of another container with the same image in the same namespace.
    pub(super) fn begun_with(&self, fact: ImageFact) -> Self {
        Self { fact, ..self.clone() }
    }

    /// Whether a container names no image yet.
    pub(super) fn is_blank(fact: &ImageFact) -> bool {
        fact.image.trim().is_empty()
    }

    /// An image that the old object has in the same container.
    pub(super) fn unchanged(fact: &ImageFact) -> Self {
        let verdict = Some(Verdict::Allowed(Admitted::Unchanged));
        Self { verdict, ..Self::empty(fact) }
    }

    /// Finds what decides about an image. Whatever needs no trust server is decided at once.
    pub(super) fn new(
        fact: &ImageFact,
        path: ReviewPath,
        scope: &Scope<'_>,
        (settings, bundle): (&Settings, &Standing),
        requirements: &mut Requirements,
    ) -> Self {
        let mut case = Self::empty(fact);
        if Self::is_blank(fact) && path == ReviewPath::Admit {
            // Something that runs later may fill it in; the validating pass sees what it is then.
            case.verdict = Some(Verdict::Allowed(Admitted::Blank));
        } else if let Err(denial) = case.plan(scope, settings, bundle, requirements) {
            case.deny(denial);
        } else if case.demands.is_empty() {
            let allowed = Verdict::Allowed(Admitted::TrustNotRequired);
            let failed = worst(std::mem::take(&mut case.failures));
            case.verdict = Some(failed.map_or(allowed, |(denial, mode)| case.failed(denial, mode)));
        }
        case
    }

    fn plan(
        &mut self,
        scope: &Scope<'_>,
        settings: &Settings,
        bundle: &Standing,
        requirements: &mut Requirements,
    ) -> Result<(), Denial> {
        let reference = parse(&self.fact.image)?;
        let rules = scope.rules(&reference)?;
        self.rules = rules.iter().map(|(id, _)| id.clone()).collect();
        let all_mutate = rules.iter().all(|(_, rule)| rule.mutate_image);
        let mut modes = Vec::new();
        let mut demands = Vec::new();
        for (id, rule) in &rules {
            let cluster = id.policy.namespace.is_none();
            let (anchor, mode, requirement) =
                match bundle.terms(&reference.gun(), rule, cluster, settings) {
                    Ok(Terms { anchor, mode, trust: Some(trust) }) => (anchor, mode, trust),
                    Ok(Terms { trust: None, .. }) => continue,
                    Err((denial, mode)) => {
                        modes.push(mode);
                        self.failures.push((denial, mode));
                        continue;
                    }
                };
            modes.push(mode);
            let server = signers_have_keys(&requirement)
                .and_then(|()| trust_server_by(settings, bundle, &requirement, &reference));
            match server {
                Err(denial) => self.failures.push((denial, mode)),
                Ok((server, approved)) => demands.push(Demand {
                    // Whoever may write policies in one namespace must not be able to have the
                    // pull secrets of it sent to a server of their own choice.
                    anonymous: !cluster && !approved && !planted::is(Bug::CredentialsToAnyServer),
                    mode,
                    question: Arc::new(question(&reference, server, anchor.as_ref())),
                    anchor,
                    requirement,
                }),
            }
        }
        // What enforces is not loosened by a rule that only records.
        let enforces = modes.contains(&Mode::Enforce);
        self.mutate = all_mutate && (enforces || !modes.contains(&Mode::Audit));
        self.sealable = all_mutate && modes.iter().all(|mode| *mode == Mode::Enforce);
        // The stricter first, so that the order of objects never matters where digests differ.
        demands.sort_by_key(|demand: &Demand| std::cmp::Reverse(strictness(demand.mode)));
        self.reference = Some(Arc::new(reference));
        // What cannot be met denies whatever the trust servers say.
        if self.failures.iter().any(|(_, mode)| *mode == Mode::Enforce) {
            demands.clear();
        }
        if demands.is_empty() {
            return Ok(());
        }
        let asked = demands.iter().map(|demand| demand.requirement(settings)).collect();
        self.requirement = requirements.digest(asked).map_err(|error| {
            Denial::new(DenyCode::Internal, format!("a requirement cannot be written: {error}"))
        })?;
        self.demands = demands.into();
        Ok(())
    }

    /// Settles the verdict by a seal, if one stands for the image and no trust server was asked.
    pub(super) fn consult(&mut self, seals: &Seals, revoked: &BTreeSet<RevokedSeal>) {
        let found = self.wanted(revoked).and_then(|wanted| seals.find(wanted));
        if let Some(sealed) = found {
            self.accept(sealed);
        }
    }

    /// Settles a verdict that says no more than that a trust server could not be asked: what the
    /// old object runs by its seal goes on, and is pinned to that.
    pub(super) fn go_on(
        &mut self,
        seals: &Seals,
        revoked: &BTreeSet<RevokedSeal>,
        old: &[ImageFact],
    ) {
        let found = self.wanted(revoked).and_then(|wanted| seals.running(wanted, old));
        let Some(sealed) = found else { return };
        self.warnings.push(format!(
            "the trust server could not be asked; the image that runs already, {}, goes on",
            sealed.digest.to_oci()
        ));
        self.accept(sealed);
    }

    /// Undoes what a seal settled by an entry that has ended; whether there was such.
    pub(super) fn reopen(&mut self, ended: &RevokedSeal) -> bool {
        let rests =
            |sealed: &Sealed| sealed.digest == ended.digest && *sealed.repository == *ended.gun;
        let Some(Verdict::Allowed(Admitted::Sealed(sealed))) = &self.verdict else { return false };
        if !rests(sealed) {
            return false;
        }
        // What there was to say was about the seal.
        self.warnings.clear();
        self.verdict = None;
        true
    }

    fn wanted<'a>(&'a self, revoked: &'a BTreeSet<RevokedSeal>) -> Option<Wanted<'a>> {
        let reference = self.reference.as_ref()?;
        let asks = !self.demands.is_empty() && self.failures.is_empty();
        asks.then_some(Wanted { reference, requirement: self.requirement, revoked })
    }

    fn accept(&mut self, sealed: Sealed) {
        if sealed.by == SealOf::Earlier {
            self.warnings.push(format!(
                "{} is an image of an earlier generation; it is allowed as it was verified then",
                sealed.digest.to_oci()
            ));
        }
        self.missing.clear();
        self.verdict = Some(Verdict::Allowed(Admitted::Sealed(Box::new(sealed))));
    }

    /// The demands whose questions the verdict depends on, in the order of the rules.
    pub(super) fn open(&self) -> &[Demand] {
        if self.verdict.is_none() { &self.demands } else { &[] }
    }

    /// Whether there is no verdict yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.verdict.is_none()
    }

    /// Settles the verdict: denied, whatever the rules' modes.
    pub(super) fn deny(&mut self, denial: Denial) {
        self.missing.clear();
        self.verdict = Some(Verdict::Denied(denial));
    }

    /// Gives up what still waits, for this reason: denied, if one of the rules that it waits for
    /// enforces.
    pub(super) fn give_up(&mut self, why: Denial) {
        let waits =
            |demand: &&Demand| self.missing.is_empty() || self.missing.contains(&demand.question);
        let open = self.demands.iter().filter(waits).map(|demand| (why.clone(), demand.mode));
        let failures = open.chain(self.failures.iter().cloned()).collect();
        let (denial, mode) = worst(failures).unwrap_or((why, Mode::Enforce));
        let mode = if planted::is(Bug::GivenUpAllows) { Mode::Warn } else { mode };
        self.missing.clear();
        self.verdict = Some(self.failed(denial, mode));
    }

    /// The questions it still waits for, in the order of the rules.
    pub(super) fn missing(&self) -> &[Arc<Question>] {
        &self.missing
    }

    /// Whether it is let in by evidence that expires before `wall`.
    pub(super) fn expired(&self, wall: Wall) -> bool {
        let Some(Verdict::Allowed(Admitted::Verified(verified))) = &self.verdict else {
            return false;
        };
        verified.evidence.is_known() && verified.evidence.expires < wall
    }

    /// Judges by the answers at hand. The verdict waits until all suffice, so that it does not
    /// depend on their order.
    pub(super) fn judge<'a>(&mut self, settings: &Settings, look: impl Fn(&Question) -> Look<'a>) {
        let mut missing = Vec::new();
        let mut failures = self.failures.clone();
        let mut released: Option<Met> = None;
        self.overruled = None;
        self.stale.clear();
        let named = self.reference.as_ref().and_then(|reference| reference.digest);
        for demand in &*self.demands {
            let mut held = demand.hold(look(&demand.question), named, settings);
            if let Held::Stale(allowed, age) = held {
                let server = &demand.question.server;
                self.stale.push(format!("{server} {} s", age / SECOND));
                held = Held::Released(allowed);
            }
            match held {
                Held::Stale(..) => {}
                Held::Missing => missing.push(Arc::clone(&demand.question)),
                Held::Denied(denial) => {
                    let passes = denial.code.class() == DenyClass::Unavailable
                        && planted::is(Bug::UnavailableAllows);
                    failures.push((denial, if passes { Mode::Warn } else { demand.mode }));
                }
                Held::Released(next) => match &mut released {
                    None => released = Some(next),
                    Some(first) => {
                        let differs = merge(first, next).err();
                        failures.extend(differs.map(|denial| (denial, demand.mode)));
                    }
                },
            }
        }
        self.missing = missing;
        let early = released.is_some() && planted::is(Bug::FirstAnswerDecides);
        if !self.missing.is_empty() && !early {
            self.verdict = None;
            return;
        }
        let enforced = self.demands.iter().any(|demand| demand.mode == Mode::Enforce);
        self.verdict = match (worst(failures), released) {
            // What enforcing rules verified stays pinned, whatever other rules warn of or record.
            (Some((denial, mode)), Some(Met { verified, warnings }))
                if enforced && mode != Mode::Enforce =>
            {
                self.warnings = warnings;
                if mode == Mode::Warn {
                    let Denial { code, detail } = &denial;
                    self.warnings.push(format!("would be denied: {detail} ({})", code.code()));
                }
                self.overruled = Some(denial);
                Some(Verdict::Allowed(Admitted::Verified(verified)))
            }
            (Some((denial, mode)), _) => Some(self.failed(denial, mode)),
            (None, Some(Met { verified, warnings })) => {
                self.warnings = warnings;
                let root = verified.evidence.roles.get("root");
                let keys = root.map(|root| root.signed_by.iter().map(|key| key.keyid).collect());
                self.root_keys = keys.unwrap_or_default();
                Some(Verdict::Allowed(Admitted::Verified(verified)))
            }
            (None, None) => return,
        };
    }

    /// The verdict on an image that does not satisfy a rule of this mode.
    fn failed(&self, denial: Denial, mode: Mode) -> Verdict {
        match mode {
            Mode::Enforce => Verdict::Denied(denial),
            Mode::Audit | Mode::Warn => {
                Verdict::Allowed(Admitted::Tolerated(Box::new(Tolerated { denial, mode })))
            }
        }
    }

    /// Whether there is nothing against the image but that a trust server could not be asked, and
    /// the object may be changed: a rule that only records leaves it as it is.
    pub(super) fn is_unavailable(&self) -> bool {
        let denial = match &self.verdict {
            Some(Verdict::Denied(denial)) => denial,
            Some(Verdict::Allowed(Admitted::Tolerated(tolerated))) => match tolerated.mode {
                Mode::Enforce | Mode::Warn => &tolerated.denial,
                Mode::Audit => return false,
            },
            Some(Verdict::Allowed(
                Admitted::Blank
                | Admitted::Sealed(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged
                | Admitted::Verified(_),
            ))
            | None => return false,
        };
        denial.code.class() == DenyClass::Unavailable
    }

    /// The verdict with all that led to it. An image that was never decided is denied.
    pub(super) fn conclude(mut self) -> Concluded {
        let unsettled = || Verdict::Denied(Denial::new(DenyCode::Internal, "it was not decided"));
        let entry = self.entry();
        let named = self.reference.as_ref().is_some_and(|it| it.digest.is_some());
        let mutate = self.mutate && !named;
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
        let (overruled, warnings) = (self.overruled, self.warnings);
        Concluded { entry, mutate, overruled, stale, verdict, warnings }
    }

    /// What a seal may say of the image, if the rules let it be sealed.
    fn entry(&mut self) -> Option<SealEntry> {
        let Verdict::Allowed(admitted) = self.verdict.as_ref().filter(|_| self.sealable)? else {
            return None;
        };
        let (digest, reference, repository, root_keys) = match admitted {
            Admitted::Sealed(sealed) => {
                let Sealed { digest, reference, repository, root_keys, .. } = &**sealed;
                (*digest, reference.clone(), repository.clone(), root_keys.clone())
            }
            Admitted::Verified(verified) => {
                let repository = Arc::clone(&self.demands.first()?.question.gun);
                let root_keys = std::mem::take(&mut self.root_keys);
                (verified.digest, self.fact.image.clone(), repository, root_keys)
            }
            Admitted::Blank
            | Admitted::Tolerated(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged => return None,
        };
        Some(SealEntry {
            container: self.fact.container.clone(),
            digest,
            reference,
            repository,
            requirement: self.requirement,
            root_keys,
        })
    }
}

const fn strictness(mode: Mode) -> u8 {
    match mode {
        Mode::Audit => 0,
        Mode::Warn => 1,
        Mode::Enforce => 2,
    }
}

/// The failure that counts: the first of the strictest mode.
fn worst(failures: Vec<(Denial, Mode)>) -> Option<(Denial, Mode)> {
    let mut all = failures.into_iter();
    let first = all.next()?;
    Some(all.fold(first, |worst, next| {
        let stricter = strictness(next.1) > strictness(worst.1);
        if stricter != planted::is(Bug::MildestModeCounts) { next } else { worst }
    }))
}

/// What the trust server is asked.
fn question(reference: &ImageReference, server: String, anchor: Option<&Anchored>) -> Question {
    let tag = reference.tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
    let anchor = anchor.map(|anchor| anchor.root.digest());
    Question { server: server.into(), gun: reference.gun().into(), tag, anchor }
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
