//! What the seals at hand say about an image.

use std::collections::BTreeSet;

use portreeve_protocol::decision::{SealOf, Sealed};
use portreeve_protocol::messages::admission::{
    FoundOwner, ImageFact, Operation, OwnerFact, ReviewFacts, ReviewPath,
};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::reference::{DEFAULT_TAG, ImageReference};
use portreeve_protocol::seal::{
    RevokedSeal, SealClaims, SealEntry, SealFact, group_of, is_sealed_kind,
};
use portreeve_protocol::{ProtocolError, Sha256};
use serde::{Deserialize, Serialize};

/// The genuine seals that count in a review, each on the object it names.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seals {
    /// The seal of the old object.
    pub(super) old: Option<SealClaims>,
    /// The seal that the object was sent with.
    pub(super) own: Option<SealClaims>,
    /// The seal of the direct controller, and its kind and name.
    owner: Option<(SealOf, SealClaims)>,
    /// Whether the object's own seal stands for its images: it was put there by the mutating pass.
    own_counts: bool,
}

/// What is asked of the seals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The image.
    pub(super) reference: &'a ImageReference,
    /// Digest of what the policies ask of it today.
    pub(super) requirement: Sha256,
    /// The entries that operators ended.
    pub(super) revoked: &'a BTreeSet<RevokedSeal>,
}

impl Seals {
    /// The seals that came with a review.
    pub(super) fn of(facts: &ReviewFacts) -> Self {
        let genuine = |seal: &SealFact| match seal {
            SealFact::Valid(claims) => {
                let ReviewFacts { kind, namespace, name, .. } = facts;
                let own =
                    claims.names(&kind.kind, namespace, name) || planted::is(Bug::SealNotBound);
                own.then(|| SealClaims::clone(claims))
            }
            SealFact::Absent | SealFact::Invalid(_) => None,
        };
        let update = facts.operation == Operation::Update;
        Self {
            old: genuine(&facts.old_seal).filter(|_| update),
            own: genuine(&facts.seal),
            owner: None,
            own_counts: facts.path == ReviewPath::Validate,
        }
    }

    /// Takes the seal of the controller that was found, if it proves that this is the one that the
    /// owner reference names, and that the seal is its own.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub(super) fn take_owner(
        &mut self,
        facts: &ReviewFacts,
        owner: &OwnerFact,
        found: &FoundOwner,
    ) -> Result<(), String> {
        if found.uid != owner.uid && !planted::is(Bug::OwnerByNameOnly) {
            return Err("there is one of that name, but its uid is another".to_owned());
        }
        let claims = match &found.seal {
            SealFact::Absent => return Err("it carries no seal".to_owned()),
            SealFact::Invalid(fault) => return Err(format!("its seal: {}", fault.name())),
            SealFact::Valid(claims) => claims,
        };
        let copied = found.controller.as_ref().is_some_and(|above| {
            let deployment = is_sealed_kind(group_of(&above.api_version), &above.kind);
            owner.kind == "ReplicaSet"
                && (deployment && above.kind == "Deployment" && above.controller)
                && claims.names("Deployment", &facts.namespace, &above.name)
        });
        let kind = if planted::is(Bug::OwnerKindIgnored) { &claims.kind } else { &owner.kind };
        let own = claims.names(kind, &facts.namespace, &owner.name);
        if !copied && !own && !planted::is(Bug::OwnerSealNotBound) {
            return Err("its seal is that of another object".to_owned());
        }
        let of = SealOf::Owner(owner.kind.clone(), owner.name.clone());
        self.owner = Some((of, SealClaims::clone(claims)));
        Ok(())
    }

    /// The entry that stands for an image without a trust server being asked.
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Option<Sealed> {
        let own = self.own.iter().filter(|_| self.own_counts);
        let own = own.flat_map(|seal| seal.generations.first()).flatten();
        let own = own.map(|entry| (SealOf::Own, entry));
        let owner = self
            .owner
            .iter()
            .flat_map(|(of, seal)| seal.entries().map(|entry| (of.clone(), entry)));
        let mut found = own.chain(owner).filter(|(_, entry)| wanted.is_named(entry));
        let found = found.find(|(_, entry)| wanted.is_met(entry));
        let found = found.or_else(|| {
            let mut earlier = self.earlier().filter(|(_, entry)| wanted.is_exactly(entry));
            earlier.find(|(_, entry)| wanted.is_met(entry))
        });
        found.map(|(by, entry)| sealed(by, entry))
    }

    /// The entries of the old object.
    fn earlier(&self) -> impl Iterator<Item = (SealOf, &SealEntry)> {
        let generations = self.old.iter().flat_map(|seal| seal.generations.iter().enumerate());
        generations.flat_map(|(age, entries)| {
            let by = move || if age == 0 { SealOf::Running } else { SealOf::Earlier };
            entries.iter().map(move |entry| (by(), entry))
        })
    }

    /// The entry for the tag that was submitted again, if the old object runs its digest: where the
    /// trust server cannot be asked, what runs already may go on.
    pub(super) fn running(&self, wanted: Wanted<'_>, old: &[ImageFact]) -> Option<Sealed> {
        if wanted.reference.digest.is_some() {
            return None;
        }
        let current = self.old.as_ref()?.generations.first()?;
        let runs = |entry: &SealEntry| {
            old.iter().filter_map(|fact| fact.image.parse::<ImageReference>().ok()).any(|image| {
                image.digest == Some(entry.digest) && *image.gun() == *entry.repository
            })
        };
        let found = current
            .iter()
            .find(|entry| wanted.is_named(entry) && wanted.is_met(entry) && runs(entry));
        found.map(|entry| sealed(SealOf::Running, entry))
    }

    /// Ids of the keys that signed the root of `gun` by the seals of the owner and the old object.
    pub(super) fn roots(&self, gun: &str) -> BTreeSet<Sha256> {
        let seals = self.old.iter().chain(self.owner.iter().map(|(_, seal)| seal));
        let keys = seals.filter_map(|seal| seal.root_keys().get(gun).copied());
        keys.flatten().copied().collect()
    }

    /// The entry that says the same as `entry` but for the reference, so that it need not change:
    /// an image that was pinned in the meantime is still the one submitted by its tag.
    pub(super) fn same(&self, entry: SealEntry) -> SealEntry {
        let mut known = self.own.iter().chain(&self.old).flat_map(SealClaims::entries);
        let same = known.find(|known| {
            let reference = entry.reference.clone();
            same_image(&known.reference, &reference)
                && SealEntry { reference, ..SealEntry::clone(known) } == entry
        });
        same.cloned().unwrap_or(entry)
    }
}

/// Whether two references differ in nothing but a digest that one of them lacks.
fn same_image(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<ImageReference>();
    let same = || -> Result<bool, ProtocolError> {
        let (one, other) = (parse(one)?, parse(other)?);
        Ok(one.gun() == other.gun() && tag(&one) == tag(&other))
    };
    same().unwrap_or(false)
}

impl Wanted<'_> {
    /// Whether the entry says what the policies ask for today, and nobody ended it.
    fn is_met(&self, entry: &SealEntry) -> bool {
        let ended = RevokedSeal { digest: entry.digest, gun: entry.repository.to_string() };
        let met = entry.requirement == self.requirement || planted::is(Bug::SealRequirementIgnored);
        met && (!self.revoked.contains(&ended) || planted::is(Bug::RevokedSealCounts))
    }

    /// Whether the image is that of the entry: by its digest, or without one by the tag submitted.
    fn is_named(&self, entry: &SealEntry) -> bool {
        if self.reference.digest.is_some() {
            return self.is_exactly(entry);
        }
        let submitted = entry.reference.parse::<ImageReference>();
        submitted.is_ok_and(|submitted| {
            submitted.gun() == self.reference.gun()
                && *entry.repository == *self.reference.gun()
                && (tag(&submitted) == tag(self.reference) || planted::is(Bug::SealTagIgnored))
        })
    }

    /// Whether the image is named by the digest of the entry.
    fn is_exactly(&self, entry: &SealEntry) -> bool {
        self.reference.digest == Some(entry.digest) && *self.reference.gun() == *entry.repository
    }
}

fn tag(reference: &ImageReference) -> &str {
    reference.tag.as_deref().unwrap_or(DEFAULT_TAG)
}

fn sealed(by: SealOf, entry: &SealEntry) -> Sealed {
    Sealed {
        by,
        digest: entry.digest,
        pinned: false,
        reference: entry.reference.clone(),
        repository: entry.repository.clone(),
        requirement: entry.requirement,
        root_keys: entry.root_keys.clone(),
    }
}

/// The controller that the object names, if it is one that can carry a seal.
pub(super) fn controller(facts: &ReviewFacts) -> Option<&OwnerFact> {
    let mut controllers = facts.owners.iter().filter(|owner| owner.controller);
    controllers.next().filter(|owner| is_sealed_kind(group_of(&owner.api_version), &owner.kind))
}

/// Equal images in equal containers of the old object, by list and name.
pub(super) fn unchanged(facts: &ReviewFacts, image: &ImageFact) -> bool {
    let same = |old: &str| *old == *image.image || planted::is(Bug::UnchangedByName);
    facts.operation == Operation::Update
        && facts.old_images.iter().any(|old| {
            old.list == image.list && old.container == image.container && same(&old.image)
        })
}
