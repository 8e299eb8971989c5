//! Collections that bad content is made of, with their past.

use std::collections::BTreeMap;

use portreeve_lab::{BaseRole, Collection, Documents, Keys};
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::policy::{SignerKey, SignerRequirement, TrustRequirement};
use portreeve_protocol::{DenyCode, Settings, Sha256, Wall};
use portreeve_simulations::hostile::Material;
use portreeve_trust::release::release;

use super::replica::Verdict;

const START: i64 = 1_795_415_688_000_000;
const HOUR: i64 = 3_600_000_000;

/// The image nobody signed.
#[allow(non_snake_case)]
pub fn EVIL() -> Sha256 {
    Sha256::of(b"an image nobody signed")
}

/// A collection, what is served of it, and what was.
pub struct Shelf {
    pub collection: Collection,
    pub gun: String,
    pub history: Vec<Documents>,
    pub name: &'static str,
    pub now: Wall,
    pub served: Documents,
    /// Tag to the digests that were ever signed for it, the newest last.
    pub tags: BTreeMap<String, Vec<Sha256>>,
    /// Tag to who signed it.
    signers: BTreeMap<String, Vec<&'static str>>,
}

impl Shelf {
    fn new(name: &'static str) -> Self {
        let (gun, now) = (format!("registry.example/{name}/web"), Wall(START));
        let collection = Collection::new(&gun, Keys::deterministic(1), now).unwrap();
        Self {
            collection,
            gun,
            history: Vec::new(),
            name,
            now,
            served: Documents::new(),
            tags: BTreeMap::new(),
            signers: BTreeMap::new(),
        }
    }

    fn sign(&mut self, tag: &str, signers: &[&'static str]) {
        let digests = self.tags.entry(tag.to_owned()).or_default();
        let image = Sha256::of(format!("{tag} {}", digests.len()).as_bytes());
        digests.push(image);
        self.signers.insert(tag.to_owned(), signers.to_vec());
        if signers.is_empty() {
            self.collection.sign_base(tag, image, 1_000);
        } else {
            for signer in signers {
                self.collection.add_signer(signer, self.now).unwrap();
            }
            self.collection.sign(tag, image, 1_000, signers).unwrap();
        }
    }

    fn publish(&mut self) {
        self.now = Wall(self.now.0 + HOUR);
        let documents = self.collection.publish(self.now).unwrap().clone();
        let before = std::mem::replace(&mut self.served, documents);
        if !before.is_empty() {
            self.history.push(before);
        }
    }

    pub fn material(&self) -> Material<'_> {
        Material {
            collection: &self.collection,
            evil: EVIL(),
            history: &self.history,
            now: Wall(self.now.0 + HOUR),
            served: &self.served,
        }
    }

    pub fn newest(&self, tag: &str) -> Sha256 {
        *self.tags[tag].last().unwrap()
    }

    pub fn signers_of(&self, tag: &str) -> &[&'static str] {
        &self.signers[tag]
    }

    pub fn settings(&self) -> Settings {
        Settings::default()
    }

    /// What an outcome comes to under a policy that demands this signer, or none.
    pub fn verdict(&self, outcome: &ResolutionOutcome, signer: Option<&str>) -> Verdict {
        self.judged(outcome, signer, false)
    }

    /// What an outcome comes to under a policy that also takes no other role for releases.
    pub fn strict_verdict(&self, outcome: &ResolutionOutcome) -> Verdict {
        self.judged(outcome, None, true)
    }

    fn judged(
        &self,
        outcome: &ResolutionOutcome,
        signer: Option<&str>,
        strict_roles: bool,
    ) -> Verdict {
        let tag = match outcome {
            ResolutionOutcome::Absent => {
                return Verdict::Denied(DenyCode::NotSigned, String::new());
            }
            ResolutionOutcome::Refused(why) | ResolutionOutcome::Unavailable(why) => {
                return Verdict::Denied(why.code, why.detail.clone());
            }
            ResolutionOutcome::Verified(tag) => tag,
        };
        let signers = signer.map(|name| SignerRequirement {
            key: SignerKey::Usable {
                name: name.to_owned(),
                spki: self.collection.signer_key(name).unwrap().spki(),
            },
            secret: format!("shop/{name}"),
        });
        let requirement = TrustRequirement {
            freshness: None,
            max_staleness: None,
            pins: Default::default(),
            server: None,
            signers: signers.into_iter().collect(),
            strict_roles,
        };
        match release(tag, &requirement, None) {
            Ok(released) => Verdict::Allowed(released.digest),
            Err(why) => Verdict::Denied(why.code, why.detail),
        }
    }
}

/// One collection with signers, one without, and one whose keys were replaced.
pub fn shelves() -> Vec<Shelf> {
    let mut signed = Shelf::new("signed");
    signed.sign("1.0", &["alice", "bob"]);
    signed.publish();
    signed.sign("1.0", &["alice", "bob"]);
    signed.publish();
    signed.sign("2.0", &["alice", "bob"]);
    signed.publish();

    let mut plain = Shelf::new("plain");
    plain.sign("1.0", &[]);
    plain.publish();
    plain.sign("1.0", &[]);
    plain.publish();

    let mut rotated = Shelf::new("rotated");
    rotated.sign("1.0", &["alice"]);
    rotated.sign("base", &[]);
    rotated.publish();
    rotated.collection.rotate_root(rotated.now).unwrap();
    rotated.collection.rotate(BaseRole::Timestamp).unwrap();
    rotated.sign("1.0", &["alice"]);
    rotated.publish();
    rotated.collection.rotate(BaseRole::Targets).unwrap();
    rotated.sign("base", &[]);
    rotated.publish();
    vec![signed, plain, rotated]
}
