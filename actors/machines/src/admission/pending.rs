//! A review that waits for trust servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::decision::BundleRef;
use portreeve_protocol::messages::admission::{
    AdmissionEffect, Resolution, ResolutionOutcome, ReviewFacts,
};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{CredentialRef, Denial, DenyCode, Mono, Now, Settings, limits};
use serde::{Deserialize, Serialize};

use super::demand::Look;
use super::image::ImageCase;
use super::known::Question;
use super::owner::OwnerLook;
use super::seals::Seals;

/// A review and what is still to be known for its decision.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The trust bundle it came under.
    pub(super) bundle: Option<BundleRef>,
    /// The review as it came.
    pub(super) facts: Arc<ReviewFacts>,
    /// Its images, in the order of the object.
    pub(super) images: Vec<ImageCase>,
    /// How far the look at the controller has come.
    pub(super) owner: OwnerLook,
    /// The policies it came under.
    pub(super) policies: Arc<PolicySnapshot>,
    /// When it came.
    pub(super) received: Now,
    /// The seals that count.
    pub(super) seals: Seals,
    /// Why the controller's seal stands for nothing, if it was looked for in vain.
    pub(super) unproven: Option<String>,
    /// Every question its images depend on, equal ones once.
    #[serde(with = "crate::pairs")]
    asked: BTreeMap<Arc<Question>, Asked>,
}

/// How one question stands.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Asked {
    /// What the trust bundle says of the root.
    anchor: Option<Arc<RootAnchor>>,
    /// Whether it is put without credentials.
    anonymous: bool,
    /// The newest answer that is fresh enough.
    answer: Option<Arc<Resolution>>,
    /// Why there is no newer one.
    failed: Option<Denial>,
    /// For how long an answer serves by the strictest of the rules, in microseconds: its timestamp
    /// must have been asked for no longer than that before the review came.
    freshness: u64,
    /// The images that depend on it.
    images: Vec<usize>,
    /// The last verified state, of whatever age.
    last: Option<Arc<Resolution>>,
    /// The `not_before` it was asked with; `None` while it was not asked.
    since: Option<Mono>,
}

/// What is at hand of a question, for a review that was received at `received`.
fn look(asked: Option<&Asked>, now: Now, received: Mono) -> Look<'_> {
    Look {
        answer: asked.and_then(|asked| asked.answer.as_deref()),
        failed: asked.and_then(|asked| asked.failed.as_ref()),
        last: asked.and_then(|asked| asked.last.as_deref()),
        now,
        received,
    }
}

impl Pending {
    /// A review that came at `received` under `policies`, before anything was asked.
    pub(super) fn new(
        facts: Arc<ReviewFacts>,
        images: Vec<ImageCase>,
        (policies, bundle): (Arc<PolicySnapshot>, Option<BundleRef>),
        received: Now,
    ) -> Self {
        let seals = Seals::of(&facts);
        let (owner, unproven, asked) = (OwnerLook::Done, None, BTreeMap::new());
        Self { bundle, facts, images, owner, policies, received, seals, unproven, asked }
    }

    /// Settles the images that a seal stands for.
    pub(super) fn consult(&mut self, revoked: &BTreeSet<RevokedSeal>) {
        for image in self.images.iter_mut().filter(|image| image.is_waiting()) {
            image.consult(&self.seals, revoked);
        }
    }

    /// Undoes what a seal settled by an entry that has ended; whether anything is open by that.
    pub(super) fn reopen(&mut self, ended: &RevokedSeal) -> bool {
        let opened = self.images.iter_mut().filter_map(|image| image.reopen(ended).then_some(()));
        opened.count() > 0
    }

    /// Takes note of what must be asked for the images that are still open.
    pub(super) fn ask_for_open(&mut self, settings: &Settings) {
        for (index, image) in self.images.iter().enumerate() {
            for demand in image.open() {
                let fresh = demand.requirement.freshness.unwrap_or(settings.freshness);
                let unbound = || Asked { freshness: u64::MAX, ..Asked::default() };
                let one = self.asked.entry(Arc::clone(&demand.question)).or_insert_with(unbound);
                one.anchor = demand.anchor.as_ref().map(|anchor| Arc::clone(&anchor.root));
                one.anonymous |= demand.anonymous;
                one.freshness = one.freshness.min(fresh);
                if !one.images.contains(&index) {
                    one.images.push(index);
                }
            }
        }
    }

    /// Lets the images go on that run already, where a trust server could not be asked.
    pub(super) fn go_on(&mut self, revoked: &BTreeSet<RevokedSeal>) {
        for image in &mut self.images {
            if image.is_unavailable() {
                image.go_on(&self.seals, revoked, &self.facts.old_images);
            }
        }
    }

    /// Every question the review depends on.
    pub(super) fn questions(&self) -> Vec<Arc<Question>> {
        self.asked.keys().cloned().collect()
    }

    /// The instant after which the answer to `question` must be, if it was asked.
    pub(super) fn asked_since(&self, question: &Question) -> Option<Mono> {
        self.asked.get(question).and_then(|asked| asked.since)
    }

    /// Takes an answer, unless it is too old or a newer one is here.
    pub(super) fn answer(&mut self, question: &Question, resolution: &Arc<Resolution>) {
        let Some(asked) = self.asked.get_mut(question) else { return };
        if matches!(resolution.outcome, ResolutionOutcome::Verified(_)) {
            asked.remember(resolution);
        }
        let oldest = self.received.mono.minus(asked.freshness);
        let newest = asked.answer.as_ref().map_or(oldest, |answer| answer.checked_at);
        if resolution.checked_at >= newest || planted::is(Bug::FreshnessIgnored) {
            asked.answer = Some(Arc::clone(resolution));
            asked.failed = None;
        }
    }

    /// Takes note of the last verified state, which may be too old to be an answer.
    pub(super) fn remember(&mut self, question: &Question, last: &Arc<Resolution>) {
        if let Some(asked) = self.asked.get_mut(question) {
            asked.remember(last);
        }
    }

    /// Takes note that `question` will not be answered.
    pub(super) fn fail(&mut self, question: &Question, why: Denial) {
        if let Some(asked) = self.asked.get_mut(question) {
            asked.failed = Some(why);
        }
    }

    /// Takes note that `server` cannot be asked; gives the open questions it was to answer.
    pub(super) fn fail_server(&mut self, server: &str, why: &Denial) -> Vec<Arc<Question>> {
        let missing = self.images.iter().flat_map(ImageCase::missing);
        let at_server = missing.filter(|question| *question.server == *server);
        let open: BTreeSet<Arc<Question>> = at_server.cloned().collect();
        for question in &open {
            self.fail(question, why.clone());
        }
        open.into_iter().collect()
    }

    /// Drops what is known of a collection; gives the questions to be put again.
    pub(super) fn forget(&mut self, server: &str, gun: &str) -> Vec<Arc<Question>> {
        let of = |question: &Question| *question.server == *server && *question.gun == *gun;
        let mut again = Vec::new();
        for (question, asked) in self.asked.iter_mut().filter(|(question, _)| of(question)) {
            asked.last = None;
            // The fetcher itself sees to whoever still waits for it.
            if asked.answer.take().is_some() {
                asked.since = None;
                again.push(Arc::clone(question));
            }
        }
        again
    }

    /// Judges the images that depend on `question` by the answers at hand. Gives the questions that
    /// must be asked, and since when the answer must hold.
    pub(super) fn judge(
        &mut self,
        question: &Question,
        now: Now,
        settings: &Settings,
    ) -> Vec<(Arc<Question>, Mono)> {
        let indices = self.asked.get(question).map(|asked| asked.images.clone());
        let mut wanted: BTreeMap<Arc<Question>, Mono> = BTreeMap::new();
        for index in indices.unwrap_or_default() {
            let Some(image) = self.images.get_mut(index) else { continue };
            image.judge(settings, |question| {
                look(self.asked.get(question), now, self.received.mono)
            });
            for missing in image.missing() {
                // What would deny is asked again as of the review's arrival: a denial is never
                // answered from freshness. Without any answer, a fresh one will do.
                let asked = self.asked.get(missing);
                let stale = asked.is_some_and(|asked| asked.answer.is_some());
                let fresh = asked.filter(|_| !stale).map_or(0, |asked| asked.freshness);
                let since = self.received.mono.minus(fresh);
                if asked.and_then(|asked| asked.since) < Some(since) {
                    wanted.insert(Arc::clone(missing), since);
                }
            }
        }
        for (question, since) in &wanted {
            if let Some(asked) = self.asked.get_mut(question) {
                asked.since = Some(*since);
                asked.failed = None;
            }
        }
        wanted.into_iter().collect()
    }

    /// Judges anew what rests on evidence that has expired since it was judged: a review may have
    /// waited for its other images past that instant. Nothing is asked for again.
    pub(super) fn expire(&mut self, now: Now, settings: &Settings) {
        for image in self.images.iter_mut().filter(|image| image.expired(now.wall)) {
            let detail = "its trust data expired while the review waited for other images";
            let late = Denial::new(DenyCode::Expired, detail);
            image.judge(settings, |question| {
                let look = look(self.asked.get(question), now, self.received.mono);
                Look { failed: look.failed.or(Some(&late)), ..look }
            });
        }
    }

    /// Fills the evidence in that verdicts of a checkpoint name by digest: it stands in the answers
    /// they rest on.
    pub(super) fn fill(&mut self) {
        for resolution in self.asked.values().flat_map(|one| one.answer.iter().chain(&one.last)) {
            if let ResolutionOutcome::Verified(verified) = &resolution.outcome {
                self.images.iter_mut().for_each(|image| image.fill(&verified.evidence));
            }
        }
    }

    /// Whether every image is decided.
    pub(super) fn is_settled(&self) -> bool {
        !self.images.iter().any(ImageCase::is_waiting)
    }

    /// The questions that are still open.
    pub(super) fn open(&self) -> BTreeSet<Arc<Question>> {
        self.images.iter().flat_map(ImageCase::missing).cloned().collect()
    }

    /// The questions whose answers are in the last third of the time for which they serve, each
    /// with the instant for which its answer holds.
    pub(super) fn ageing(&self) -> impl Iterator<Item = (&Arc<Question>, Mono)> {
        self.asked.iter().filter_map(|(question, asked)| {
            let (checked, serves) = (asked.answer.as_ref()?.checked_at, asked.freshness);
            let ages = self.received.mono.since(checked) > serves - serves / 3;
            ages.then_some((question, checked))
        })
    }

    /// How `question` is put to its trust server.
    pub(super) fn resolve(&self, question: &Question, not_before: Mono) -> AdmissionEffect {
        let asked = self.asked.get(question);
        let anonymous = asked.is_none_or(|asked| asked.anonymous);
        let anchor = asked.and_then(|asked| asked.anchor.clone());
        let Question { server, gun, tag, .. } = question;
        let (gun, tag) = (gun.to_string(), tag.clone());
        let credentials = if anonymous { BTreeSet::new() } else { credentials(&self.facts) };
        let namespace = self.facts.namespace.clone();
        let (dry_run, sealed_roots) = (self.facts.dry_run, self.seals.roots(&gun));
        let resolve =
            Resolve { anchor, credentials, dry_run, gun, namespace, not_before, sealed_roots, tag };
        AdmissionEffect::Resolve { server: server.to_string(), resolve }
    }

    /// Gives up what still waits, for the reason that `why` gives for its first open question, or
    /// for none where nothing was asked yet.
    pub(super) fn give_up(&mut self, why: impl Fn(Option<&Question>) -> Denial) {
        for image in self.images.iter_mut().filter(|image| image.is_waiting()) {
            let denial = why(image.missing().first().map(|missing| &**missing));
            image.give_up(denial);
        }
    }

    /// Whether a trust server was asked anything.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.values().any(|asked| asked.since.is_some())
    }
}

impl Asked {
    fn remember(&mut self, resolution: &Arc<Resolution>) {
        let known = self.last.as_ref().map(|last| last.checked_at);
        if known <= Some(resolution.checked_at) {
            self.last = Some(Arc::clone(resolution));
        }
    }
}

/// The credentials that pulling the workload's images goes by: its own pull secrets, else those of
/// its service account, as the API server's `ServiceAccount` admission has it.
fn credentials(facts: &ReviewFacts) -> BTreeSet<CredentialRef> {
    let namespace = &facts.namespace;
    if namespace.is_empty() {
        return BTreeSet::new();
    }
    let secret = |name: &String| CredentialRef::PullSecret {
        name: name.clone(),
        namespace: namespace.clone(),
    };
    if !facts.pull_secrets.is_empty() {
        return facts.pull_secrets.iter().take(limits::CREDENTIALS).map(secret).collect();
    }
    let account = facts.service_account.as_str();
    let name = if account.is_empty() { "default" } else { account }.to_owned();
    BTreeSet::from([CredentialRef::ServiceAccount { name, namespace: namespace.clone() }])
}
