//! A simulated trust server: what it holds, how that changes, and what bad content it serves
//! instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_lab::{BaseRole, Collection, Documents, TIMESTAMP_LIFETIME};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, Denial, DenyCode, Mono, Sha256, Wall};

use super::World;
use crate::SimulationError;
use crate::hostile::{self, Hostile, Material};
use crate::scenario::{CollectionPlan, Publication, SignedTag, TrustServerPlan};
use crate::truth::{Edition, Served, Stand, Truth};

/// A trust server.
pub(super) struct TrustServer {
    shelves: BTreeMap<String, Shelf>,
    url: String,
}

/// A collection and what is served of it.
struct Shelf {
    /// The publication that was served before the last change; `None` if nothing was.
    before: Option<usize>,
    /// How many publications there were of collections of that name before it was begun.
    begins: usize,
    collection: Collection,
    /// What was published, in order.
    history: Vec<Documents>,
    /// The collection as it stands, as data.
    plan: CollectionPlan,
    served: BTreeMap<String, Blob>,
    /// Tag to the digest that each signer signed for it last.
    signed: BTreeMap<String, BTreeMap<String, Sha256>>,
    /// The publication that is served; `None` if nothing is.
    stand: Option<usize>,
}

/// The instant of a change: by true time, and by the right wall clock.
#[derive(Clone, Copy)]
pub(super) struct When(pub(super) Mono, pub(super) Wall);

impl Shelf {
    fn new(plan: &CollectionPlan, published: Wall, begins: usize) -> Result<Self, SimulationError> {
        let collection = plan.sign(published)?;
        let history = vec![collection.documents().clone()];
        let (plan, served) = (plan.clone(), BTreeMap::new());
        let mut signed: BTreeMap<String, BTreeMap<String, Sha256>> = BTreeMap::new();
        for tag in &plan.tags {
            let by = signed.entry(tag.tag.clone()).or_default();
            by.extend(tag.signers.iter().map(|signer| (signer.clone(), tag.digest)));
        }
        Ok(Self { before: None, begins, collection, history, plan, served, signed, stand: Some(0) })
    }

    /// A publication, as the truth counts them: those of collections of that name before, too.
    const fn known_as(&self, place: usize) -> Served {
        Served::Edition(self.begins + place)
    }

    /// Another publication is served, or none.
    fn turn(&mut self, to: Option<usize>) {
        self.before = std::mem::replace(&mut self.stand, to);
        let documents = to.and_then(|index| self.history.get(index)).cloned().unwrap_or_default();
        self.show(&documents);
    }

    /// Serves documents.
    fn show(&mut self, documents: &Documents) {
        let blob = |(name, bytes): (&String, &Arc<[u8]>)| (name.clone(), Blob::new(bytes.clone()));
        self.served = documents.iter().map(blob).collect();
    }

    fn edition(&self, at: When, fresh: bool) -> Result<Edition, SimulationError> {
        let tag = |tag: &SignedTag| (tag.tag.clone(), tag.clone());
        Ok(Edition {
            at: at.0,
            expires: Wall(at.1.0.saturating_add(TIMESTAMP_LIFETIME)),
            fresh,
            root_keys: self.root_keys()?,
            signers: self.plan.signers.iter().map(|one| (one.clone(), self.plan.keys)).collect(),
            tags: self.plan.tags.iter().map(tag).collect(),
        })
    }

    /// What a pin may call the root keys: the ids in the published root, and that of the bare key.
    fn root_keys(&self) -> Result<BTreeSet<Sha256>, SimulationError> {
        let mut keys = root_keys(self.collection.documents())?;
        keys.insert(self.collection.root_key().spki());
        Ok(keys)
    }
}

impl TrustServer {
    pub(super) fn new(
        plan: &TrustServerPlan,
        published: Wall,
        truth: &mut Truth,
    ) -> Result<Self, SimulationError> {
        let mut server = Self { shelves: BTreeMap::new(), url: plan.url.clone() };
        for collection in &plan.collections {
            server.publish(collection, When(Mono(0), published), truth)?;
        }
        Ok(server)
    }

    /// Publishes a collection begun anew.
    fn publish(
        &mut self,
        plan: &CollectionPlan,
        at: When,
        truth: &mut Truth,
    ) -> Result<(), SimulationError> {
        let name = (self.url.clone(), plan.gun.clone());
        let begins = truth.collections.get(&name).map_or(0, |known| known.editions.len());
        let mut shelf = Shelf::new(plan, at.1, begins)?;
        shelf.turn(Some(0));
        self.published(&plan.gun, &shelf, at, true, truth)?;
        self.shelves.insert(plan.gun.clone(), shelf);
        Ok(())
    }

    fn published(
        &self,
        gun: &str,
        shelf: &Shelf,
        at: When,
        fresh: bool,
        truth: &mut Truth,
    ) -> Result<(), SimulationError> {
        let known = truth.collections.entry((self.url.clone(), gun.to_owned())).or_default();
        known.editions.push(shelf.edition(at, fresh)?);
        let what = Served::Edition(known.editions.len() - 1);
        known.served.push(Stand { from: at.0, what });
        Ok(())
    }

    /// Changes what is served. A change to a collection that is not there is none.
    pub(super) fn change(
        &mut self,
        what: &Publication,
        at: When,
        truth: &mut Truth,
    ) -> Result<(), SimulationError> {
        if let Publication::Publish(plan) = what {
            return self.publish(plan, at, truth);
        }
        let gun = what.gun().to_owned();
        let Some(mut shelf) = self.shelves.remove(&gun) else { return Ok(()) };
        let known = truth.collections.entry((self.url.clone(), gun.clone())).or_default();
        match what {
            Publication::Withdraw { .. } => {
                shelf.turn(None);
                known.served.push(Stand { from: at.0, what: Served::Nothing });
            }
            Publication::Rollback { .. } => {
                let before = shelf.before;
                shelf.turn(before);
                let what = before.map_or(Served::Nothing, |place| shelf.known_as(place));
                known.served.push(Stand { from: at.0, what });
            }
            Publication::Publish(_)
            | Publication::Remove { .. }
            | Publication::RotateRoot { .. }
            | Publication::RotateTimestamp { .. }
            | Publication::Sign { .. } => {
                let documents = shelf.revise(what, at.1)?;
                shelf.history.push(documents);
                shelf.turn(Some(shelf.history.len() - 1));
                self.published(&gun, &shelf, at, false, truth)?;
            }
        }
        self.shelves.insert(gun, shelf);
        Ok(())
    }

    /// Serves bad content instead of a collection; whether there is one.
    pub(super) fn misbehave(
        &mut self,
        (gun, class): (&str, Hostile),
        at: When,
        truth: &mut Truth,
    ) -> Result<bool, SimulationError> {
        let Some(shelf) = self.shelves.get_mut(gun) else { return Ok(false) };
        let evil = Sha256::of(format!("evil {gun} {}", class.id()).as_bytes());
        let Some(served) = shelf.history.last() else { return Ok(false) };
        let material = Material {
            collection: &shelf.collection,
            evil,
            history: &shelf.history,
            now: at.1,
            served,
        };
        let documents = hostile::serve(class, &material)?;
        shelf.show(&documents);
        let known = truth.collections.entry((self.url.clone(), gun.to_owned())).or_default();
        known.served.push(Stand { from: at.0, what: Served::Bad { class, evil } });
        Ok(true)
    }

    /// Serves a collection as its publishers made it last; whether there is one.
    pub(super) fn behave(&mut self, gun: &str, at: When, truth: &mut Truth) -> bool {
        let Some(shelf) = self.shelves.get_mut(gun) else { return false };
        let Some(documents) = shelf.history.last().cloned() else { return false };
        shelf.show(&documents);
        let known = truth.collections.entry((self.url.clone(), gun.to_owned())).or_default();
        let what = Served::Edition(known.editions.len().saturating_sub(1));
        known.served.push(Stand { from: at.0, what });
        true
    }

    /// Answers a request as the host's client would tell of it.
    pub(super) fn serve(&self, request: &FetchRequest) -> FetchOutcome {
        let shelf = self.shelves.get(&request.gun);
        match shelf.and_then(|shelf| shelf.served.get(&request.document.to_string())) {
            None => FetchOutcome::Absent,
            Some(blob) if blob.length() > request.limit => FetchOutcome::Failed(Denial::new(
                DenyCode::Oversize,
                format!("{} is longer than {} bytes", request.document, request.limit),
            )),
            Some(blob) => FetchOutcome::Document(blob.clone()),
        }
    }
}

impl Shelf {
    /// Changes the collection as its publishers do, and publishes it.
    fn revise(&mut self, what: &Publication, wall: Wall) -> Result<Documents, SimulationError> {
        let collection = &mut self.collection;
        match what {
            Publication::Remove { tag, .. } => {
                collection.remove(tag);
                self.plan.tags.retain(|one| one.tag != *tag);
                self.signed.remove(tag);
            }
            Publication::RotateRoot { .. } => collection.rotate_root(wall)?,
            Publication::RotateTimestamp { .. } => collection.rotate(BaseRole::Timestamp)?,
            Publication::Sign { tag, .. } => {
                tag.sign(collection)?;
                self.note_signed(tag);
            }
            Publication::Publish(_)
            | Publication::Rollback { .. }
            | Publication::Withdraw { .. } => {}
        }
        Ok(self.collection.publish(wall)?.clone())
    }

    /// What is signed of a tag from now on: what `targets` says counts only where no signer ever
    /// released the tag, and whoever signed the same digest before has signed it still.
    fn note_signed(&mut self, tag: &SignedTag) {
        let signed = self.signed.entry(tag.tag.clone()).or_default();
        signed.extend(tag.signers.iter().map(|signer| (signer.clone(), tag.digest)));
        if tag.signers.is_empty() && !signed.is_empty() {
            return;
        }
        let same = signed.iter().filter(|(_, digest)| **digest == tag.digest);
        let signers = same.map(|(signer, _)| signer.clone()).collect();
        self.plan.tags.retain(|one| one.tag != tag.tag);
        self.plan.tags.push(SignedTag { signers, ..tag.clone() });
    }
}

impl World<'_> {
    pub(super) fn change(&mut self, index: usize) -> Result<(), SimulationError> {
        let change = &self.scenario.changes[index];
        let when = When(self.scheduler.now(), self.wall());
        if let Some(server) = self.servers.get_mut(&change.server) {
            server.change(&change.what, when, &mut self.truth)?;
        }
        self.note('*', None, format!("{} at {}", change.what.gun(), change.server));
        Ok(())
    }
}

/// Ids of the root keys, as the published root names them.
fn root_keys(documents: &Documents) -> Result<BTreeSet<Sha256>, SimulationError> {
    let bytes = documents.get("root.json").map_or(&[][..], |bytes| &**bytes);
    let root: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        let (name, why) = ("root.json".to_owned(), error.to_string());
        SimulationError::Document { name, why }
    })?;
    let ids = root["signed"]["roles"]["root"]["keyids"].as_array().into_iter().flatten();
    Ok(ids.filter_map(|id| id.as_str()?.parse().ok()).collect())
}
