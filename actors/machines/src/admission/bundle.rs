//! The trust bundle in force: how it comes, when it counts, when it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::anchors::TrustAnchors;
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::decision::BundleRef;
use portreeve_protocol::messages::admission::{AdmissionEffect, BundleFailed, BundleLoaded};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{FROM_BUNDLE, SignerKey, SignerRequirement};
use portreeve_protocol::settings::{BundleExpired, BundleSettings};
use portreeve_protocol::{
    Blob, BlobSource, Denial, DenyCode, Fact, Outbox, ProtocolError, Sha256, Wall,
};
use portreeve_trust::signer::public_key_fingerprint;
use serde::{Deserialize, Serialize};

use super::Admission;

/// What became of the trust bundle so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct BundleState {
    /// Why the last look brought none, if it did not.
    failure: Option<BundleFailed>,
    /// What `taken` says.
    #[serde(skip)]
    held: Option<Arc<Held>>,
    /// Whether it was said that it has expired.
    noted: bool,
    /// The last one taken.
    taken: Option<Box<BundleLoaded>>,
}

/// A trust bundle, read.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) anchors: TrustAnchors,
    pub(super) name: BundleRef,
    servers: BTreeSet<String>,
    signers: BTreeMap<String, Vec<SignerRequirement>>,
}

/// How the trust bundle stands for a review.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// None is configured.
    Absent,
    /// Whatever requires trust is denied.
    Denies(Denial),
    /// It is in force.
    Holds(Arc<Held>, BundleRef),
}

/// Whether a bundle may take the place of the one taken before: what it says must be understood,
/// and unless the operator begins anew from another root, no role may be older than it was.
///
/// # Errors
/// Why not.
pub fn succeeds(
    before: Option<&BundleLoaded>,
    next: &BundleLoaded,
) -> Result<TrustAnchors, BundleFailed> {
    let failed = |code, detail: String| BundleFailed { code, detail };
    let same =
        |it: &&BundleLoaded| it.goes_on_from(next.origin) || it.root.digest() == next.root.digest();
    if let Some(before) = before.filter(|it| same(it) && !planted::is(Bug::BundleRollback)) {
        if let Some((role, found, floor)) = next.versions.behind(&before.versions) {
            let detail = format!("its {role} has version {found}, and {floor} was seen before");
            return Err(failed(BundleCode::Rollback, detail));
        }
        let targets = next.versions.targets;
        if targets == before.versions.targets && next.anchors.digest() != before.anchors.digest() {
            let detail = format!("its targets of version {targets} were others before");
            return Err(failed(BundleCode::Equivocation, detail));
        }
    }
    let anchors = TrustAnchors::parse(next.anchors.bytes());
    let anchors = anchors.map_err(|why| failed(BundleCode::Anchors, why))?;
    signers(&anchors).map_err(|why| failed(BundleCode::Anchors, why))?;
    Ok(anchors)
}

/// The signers of each anchor that asks for any, by its GUN or prefix.
fn signers(anchors: &TrustAnchors) -> Result<BTreeMap<String, Vec<SignerRequirement>>, String> {
    let mut all = BTreeMap::new();
    // The same people sign for many.
    let mut read: BTreeMap<&str, Sha256> = BTreeMap::new();
    for anchor in anchors.anchors.iter().filter(|anchor| !anchor.signers.is_empty()) {
        let mut list = Vec::new();
        for signer in &anchor.signers {
            let name = signer.name.clone();
            let of = |why| format!("the anchor of `{}`: signer `{name}`: {why}", anchor.gun);
            if !portreeve_trust::signer::valid_signer_name(&name) {
                return Err(of("its name cannot be that of a delegation".to_owned()));
            }
            let spki = match read.get(signer.public_key.as_str()) {
                Some(spki) => *spki,
                None => public_key_fingerprint(&signer.public_key).map_err(of)?,
            };
            read.insert(&signer.public_key, spki);
            let key = SignerKey::Usable { name: name.clone(), spki };
            list.push(SignerRequirement { key, secret: FROM_BUNDLE.to_owned() });
        }
        all.insert(anchor.gun.clone(), list);
    }
    Ok(all)
}

impl BundleState {
    /// As an earlier incarnation left it.
    pub(super) fn restored(taken: Option<Box<BundleLoaded>>) -> Self {
        let mut state = Self { taken, ..Self::default() };
        state.read();
        state
    }

    /// Reads what was taken, which was understood then.
    fn read(&mut self) {
        let taken = self.taken.as_ref();
        let read = taken.and_then(|taken| Held::new(taken, succeeds(None, taken).ok()?));
        self.held = read.map(Arc::new);
    }

    /// The last one taken.
    pub(super) fn taken(&self) -> Option<&BundleLoaded> {
        self.taken.as_deref()
    }

    /// Every blob kept.
    pub(super) fn blobs(&self) -> Vec<Blob> {
        let taken = self.taken.iter().flat_map(|taken| taken.blobs());
        taken.cloned().collect()
    }

    /// Fills in what a checkpoint names.
    ///
    /// # Errors
    /// As [`Blob::hydrate`].
    pub(super) fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        if let Some(taken) = &mut self.taken {
            taken.blobs_mut().into_iter().try_for_each(|blob| blob.hydrate(source))?;
        }
        self.read();
        Ok(())
    }

    /// Takes note of the time; gives the news, if it has expired since.
    pub(super) fn look(&mut self, settings: Option<&BundleSettings>, wall: Wall) -> Option<Fact> {
        let (held, taken) = (self.held.as_ref()?, self.taken.as_ref()?);
        let counts = settings.is_some_and(|it| taken.goes_on_from(it.root));
        if !counts || taken.expires >= wall || self.noted {
            return None;
        }
        self.noted = true;
        Some(Fact::BundleExpired { version: held.name.version })
    }

    /// How it stands at a time.
    pub(super) fn standing(&self, settings: Option<&BundleSettings>, wall: Wall) -> Standing {
        let Some(settings) = settings else { return Standing::Absent };
        let same = |taken: &&BundleLoaded| taken.goes_on_from(settings.root);
        let (Some(held), Some(taken)) = (&self.held, self.taken().filter(same)) else {
            let why = match &self.failure {
                Some(BundleFailed { code, detail }) => format!("{detail} ({})", code.code()),
                None => "it was not looked for yet".to_owned(),
            };
            let detail = format!("no trust bundle could be loaded so far: {why}");
            return Standing::Denies(Denial::new(DenyCode::BundleUnavailable, detail));
        };
        let expired = taken.expires < wall;
        if expired && settings.expired == BundleExpired::Deny {
            let version = held.name.version;
            let detail = format!("trust bundle version {version} expired at {}", taken.expires);
            return Standing::Denies(Denial::new(DenyCode::BundleExpired, detail));
        }
        Standing::Holds(Arc::clone(held), BundleRef { expired, ..held.name })
    }
}

impl Held {
    fn new(taken: &BundleLoaded, anchors: TrustAnchors) -> Option<Self> {
        let name = BundleRef {
            digest: taken.anchors.digest(),
            expired: false,
            version: taken.versions.targets,
        };
        let servers = anchors.servers().keys().map(|url| (*url).to_owned()).collect();
        let signers = signers(&anchors).ok()?;
        Some(Self { anchors, name, servers, signers })
    }

    /// Whether it names this trust server.
    pub(super) fn vouches_for(&self, server: &str) -> bool {
        self.servers.contains(server)
    }

    /// The signers that the anchor of this GUN or prefix asks for.
    pub(super) fn signers(&self, anchor: &str) -> &[SignerRequirement] {
        self.signers.get(anchor).map_or(&[], Vec::as_slice)
    }
}

impl Admission {
    /// Judges by this bundle from now on, unless it is behind the one before. Reviews that wait
    /// keep the bundle they came under.
    pub(super) fn bundle_loaded(
        &mut self,
        loaded: &BundleLoaded,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let failed = self.bundle.failure.is_some() && self.bundle.taken.is_none();
        if failed && planted::is(Bug::BundleFailureLasts) {
            return;
        }
        let anchors = match succeeds(self.bundle.taken.as_deref(), loaded) {
            Ok(anchors) => anchors,
            Err(failed) => return self.bundle_failed(&failed, out),
        };
        let Some(held) = Held::new(loaded, anchors) else { return };
        let mended = self.bundle.failure.take().is_some() | std::mem::take(&mut self.bundle.noted);
        let other = self.bundle.held.as_ref().is_none_or(|old| old.name != held.name);
        self.bundle.taken = Some(Box::new(loaded.clone()));
        if other || mended {
            out.push(AdmissionEffect::Note(Fact::BundleLoaded {
                anchors: u32::try_from(held.anchors.anchors.len()).unwrap_or(u32::MAX),
                digest: held.name.digest,
                version: held.name.version,
            }));
        }
        if other {
            self.plans.clear();
            self.requirements.clear();
            self.bundle.held = Some(Arc::new(held));
        }
    }

    /// Remembers why there is none, or no newer one.
    pub(super) fn bundle_failed(
        &mut self,
        failed: &BundleFailed,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        self.bundle.failure = Some(failed.clone());
        out.push(AdmissionEffect::Note(Fact::BundleFailed {
            code: failed.code,
            why: failed.detail.clone(),
        }));
    }

    /// The last trust bundle taken, which outlives this incarnation.
    #[must_use]
    pub fn bundle(&self) -> Option<&BundleLoaded> {
        self.bundle.taken()
    }
}
