//! What is kept of one verified collection.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::evidence::{Evidence, Floors, TagView, TrustedCollection};
use portreeve_protocol::limits::TAGS_PER_GUN;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Mono, Proof, Sha256, Wall};
use serde::{Deserialize, Serialize};

/// What is kept of one collection whose root was verified.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Collection {
    /// The last successful check of this incarnation; `None` after a restart.
    pub(super) checked: Option<Checked>,
    /// Documents besides root and timestamp, by digest.
    pub(super) documents: BTreeMap<Sha256, Blob>,
    /// Whether the root was taken on first use.
    pub(super) first_use: bool,
    /// Versions below which nothing is believed.
    pub(super) floors: Floors,
    /// The namespace on whose behalf it was first asked for.
    pub(super) namespace: String,
    /// The newest verified root.
    pub(super) root: Blob,
    /// Version of `root`; `None` if nothing tells it, and then no successor can be asked for.
    pub(super) root_version: Option<u64>,
    /// The newest verified timestamp.
    pub(super) timestamp: Option<Blob>,
}

/// A successful check against the trust server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checked {
    /// Digest of the anchor that it was verified under.
    pub(super) anchor: Option<Sha256>,
    /// When the timestamp was asked for.
    pub(super) at: Mono,
    /// What was established.
    pub(super) evidence: Proof,
    /// Tag to what the documents say about it.
    views: BTreeMap<String, KeptView>,
}

/// What verified documents say about a tag.
#[derive(Debug, Serialize, Deserialize)]
struct KeptView {
    /// When they were verified with a view to the tag.
    verified_at: Mono,
    /// What they say.
    view: TagView,
}

impl Collection {
    /// The collection as an earlier incarnation left it.
    pub(super) fn restored(trusted: &TrustedCollection) -> Self {
        Self {
            checked: None,
            documents: by_digest(&trusted.documents),
            first_use: trusted.first_use,
            floors: if planted::is(Bug::FloorsLostAtRestart) {
                Floors::new()
            } else {
                trusted.floors.clone()
            },
            namespace: trusted.namespace.clone(),
            root: trusted.root.clone(),
            root_version: trusted.floors.get("root").map(|floor| floor.version),
            timestamp: trusted.timestamp.clone(),
        }
    }

    /// Every blob kept.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.root).chain(&self.timestamp).chain(self.documents.values())
    }

    /// As [`Collection::blobs`], to be filled in.
    pub(super) fn blobs_mut(&mut self) -> impl Iterator<Item = &mut Blob> {
        let others = self.timestamp.iter_mut().chain(self.documents.values_mut());
        std::iter::once(&mut self.root).chain(others)
    }

    /// What must outlive the incarnation.
    pub(super) fn trusted(&self, gun: &str, server: &str) -> TrustedCollection {
        TrustedCollection {
            documents: self.documents.values().cloned().collect(),
            first_use: self.first_use,
            floors: self.floors.clone(),
            gun: gun.to_owned(),
            namespace: self.namespace.clone(),
            root: self.root.clone(),
            server: server.to_owned(),
            timestamp: self.timestamp.clone(),
        }
    }

    /// The last check, if its timestamp was asked for at or after `not_before` and no document in
    /// use has expired since.
    pub(super) fn checked_since(&self, not_before: Mono, wall: Wall) -> Option<&Checked> {
        self.checked
            .as_ref()
            .filter(|checked| checked.at >= not_before && checked.evidence.expires > wall)
    }
}

impl Checked {
    /// A check, under this anchor, with the views it gave. Views of `before` are kept where all
    /// documents but the timestamp are the same, because then they would come out the same again.
    pub(super) fn new(
        (at, anchor): (Mono, Option<Sha256>),
        evidence: Proof,
        tags: &BTreeMap<String, TagView>,
        before: Option<Self>,
        now: Mono,
    ) -> Self {
        let mut views = match before {
            Some(before) if planted::is(Bug::OldViewsKept) => before.views,
            Some(before) if same_content(&before.evidence, &evidence) => before.views,
            Some(_) | None => BTreeMap::new(),
        };
        for (tag, view) in tags {
            views.insert(tag.clone(), KeptView { verified_at: now, view: view.clone() });
        }
        forget_oldest(&mut views);
        Self { anchor, at, evidence, views }
    }

    /// What the documents say about `tag`, if that was looked up.
    pub(super) fn view(&self, tag: &str) -> Option<&TagView> {
        self.views.get(tag).map(|kept| &kept.view)
    }
}

fn by_digest(documents: &[Blob]) -> BTreeMap<Sha256, Blob> {
    documents.iter().map(|blob| (blob.digest(), blob.clone())).collect()
}

/// Whether two checks rest on the same documents, timestamps apart, and left out the same roles.
fn same_content(one: &Evidence, other: &Evidence) -> bool {
    let digests = |evidence: &Evidence| -> BTreeSet<(String, Sha256)> {
        let roles = evidence.roles.iter().filter(|(role, _)| *role != "timestamp");
        roles.map(|(role, found)| (role.clone(), found.sha256)).collect()
    };
    one.dropped == other.dropped && digests(one) == digests(other)
}

fn forget_oldest(views: &mut BTreeMap<String, KeptView>) {
    while views.len() > TAGS_PER_GUN {
        let oldest = views.iter().min_by_key(|(_, kept)| kept.verified_at).map(|(tag, _)| tag);
        let Some(oldest) = oldest.cloned() else { return };
        views.remove(&oldest);
    }
}
