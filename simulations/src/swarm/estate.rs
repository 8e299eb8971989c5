//! Trust servers with their collections, registries, and those who sign.

use std::collections::BTreeSet;

use portreeve_lab::Keys;
use portreeve_protocol::{Settings, Sha256, Wall};

use super::mix::{Mix, Odd};
use crate::rng::{Rng, Streams};
use crate::scenario::{CollectionPlan, SignedTag, SignerPlan, TrustServerPlan};

/// Seed of the keys that publishers and signers have.
pub(super) const KEYS: u64 = 1;
/// Seed of keys that nobody should accept.
pub(super) const OTHER_KEYS: u64 = 2;
/// A registry that no rule names by itself.
pub(super) const UNCOVERED: &str = "elsewhere.example";
/// Those who sign.
pub(super) const SIGNERS: [&str; 3] = ["alice", "bob", "carol"];
/// The Secret of alice's other key.
pub(super) const OTHER_SECRET: &str = "other-alice";
/// The Secret that cannot be used.
pub(super) const BROKEN_SECRET: &str = "broken";
/// Namespaces of workloads.
pub(super) const NAMESPACES: [&str; 3] = ["shop", "tools", "batch"];

const MINUTE: u64 = 60_000_000;
const HOUR: i64 = 3_600_000_000;
/// How long a timestamp is good for, as the lab signs it.
const TIMESTAMP_LIFETIME: i64 = 14 * 24 * HOUR;
/// The wall clock at the start of every run.
pub(super) const START: Wall = Wall(1_795_415_688_000_000);

/// Trust servers with their collections, registries, and those who sign.
#[derive(Debug, Clone)]
pub(super) struct Estate {
    /// Until when there is something to do, in microseconds.
    pub(super) lasts: u64,
    /// When the collections were published.
    pub(super) published: Wall,
    /// The host of the registry whose images each server knows, in the order of the servers.
    pub(super) registries: Vec<String>,
    pub(super) repositories: Vec<Repository>,
    pub(super) servers: Vec<TrustServerPlan>,
    pub(super) signers: Vec<SignerPlan>,
}

/// A repository of images.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// Its name with the registry's host, which is its GUN.
    pub(super) gun: String,
    /// Its collection, if it is published during the run only.
    pub(super) late: Option<CollectionPlan>,
    /// The place of its trust server.
    pub(super) server: usize,
    /// Its tags, those that are signed later too.
    pub(super) tags: Vec<String>,
}

impl Estate {
    pub(super) fn draw(streams: &Streams, mix: &Mix) -> Self {
        let rng = &mut streams.stream("swarm/estate");
        let lasts = rng.between(MINUTE, 5 * MINUTE);
        let mut estate = Self {
            lasts,
            published: published(lasts, rng),
            registries: Vec::new(),
            repositories: Vec::new(),
            servers: Vec::new(),
            signers: Vec::new(),
        };
        for index in 0..rng.between(1, 3) {
            let (registry, url) = names(index, rng);
            estate.registries.push(registry);
            estate.servers.push(TrustServerPlan { collections: Vec::new(), url });
        }
        for index in 0..rng.between(2, 8) {
            estate.add_repository(index, mix, rng);
        }
        estate.signers = signers(rng);
        estate
    }

    fn add_repository(&mut self, index: u64, mix: &Mix, rng: &mut Rng) {
        let server = usize::try_from(rng.below(self.servers.len() as u64)).unwrap_or_default();
        let team = rng.pick(&["team", "library", "shop/front"]).copied().unwrap_or("team");
        let gun = format!("{}/{team}/app{index}", self.registries[server]);
        let plan = collection(&gun, mix, rng);
        let tags = plan.tags.iter().map(|tag| tag.tag.clone());
        let tags: BTreeSet<_> = tags.chain(["2.0", "latest"].map(str::to_owned)).collect();
        let mut repository =
            Repository { gun, late: None, server, tags: tags.into_iter().collect() };
        if mix.now(Odd::Late, rng) {
            repository.late = Some(plan);
        } else {
            self.servers[server].collections.push(plan);
        }
        self.repositories.push(repository);
    }

    /// Any repository; the first ones more often than the others.
    pub(super) fn repository(&self, rng: &mut Rng) -> &Repository {
        let most = self.repositories.len() as u64;
        let hot = rng.chance(700);
        let place = rng.below(if hot { most.min(2) } else { most });
        // There are two at least.
        &self.repositories[usize::try_from(place).unwrap_or_default()]
    }

    /// Server and GUN of each collection, those that are published later too.
    pub(super) fn collections(&self) -> Vec<(String, String)> {
        let place = |it: &Repository| (self.servers[it.server].url.clone(), it.gun.clone());
        self.repositories.iter().map(place).collect()
    }

    /// The trust server's URL for images of a registry.
    pub(super) fn server_of(&self, registry: &str) -> Option<&str> {
        let place = self.registries.iter().position(|known| known == registry)?;
        Some(&self.servers[place].url)
    }

    /// The id of the first root key of a collection made of this seed.
    pub(super) fn root_key(&self, gun: &str, keys: u64) -> Option<Sha256> {
        Some(Keys::deterministic(keys).root(gun, 0, self.published).ok()?.spki())
    }
}

/// When the collections were published: in some runs so long ago that timestamps expire.
fn published(lasts: u64, rng: &mut Rng) -> Wall {
    let lasts = i64::try_from(rng.below(lasts)).unwrap_or_default();
    let long_ago = rng.below(32) == 0;
    Wall(START.0 - if long_ago { TIMESTAMP_LIFETIME - lasts } else { HOUR })
}

/// Host of a registry and URL of its trust server.
fn names(index: u64, rng: &mut Rng) -> (String, String) {
    if index == 0 && rng.chance(250) {
        return ("docker.io".to_owned(), "https://notary.docker.io".to_owned());
    }
    let port = if rng.chance(300) { ":5000" } else { "" };
    let registry = format!("registry{index}.example{port}");
    (registry, format!("https://notary{index}.example:4443"))
}

/// The digest of the image that stands behind a tag, of which there may be several in time.
pub(super) fn digest(gun: &str, tag: &str, edition: u64) -> Sha256 {
    Sha256::of(format!("{gun}:{tag}/{edition}").as_bytes())
}

fn collection(gun: &str, mix: &Mix, rng: &mut Rng) -> CollectionPlan {
    let most = [0, 1, 1, 2, 2, 2, 3, 3];
    let most = rng.pick(&most).copied().unwrap_or_default();
    let signers: Vec<_> = SIGNERS.iter().take(most).collect();
    let signers: Vec<String> = signers.into_iter().map(|&name| name.to_owned()).collect();
    let mut tags = Vec::new();
    for number in 0..rng.between(1, 3) {
        let tag = format!("1.{number}");
        tags.push(SignedTag {
            digest: digest(gun, &tag, 0),
            length: rng.between(500, 5_000),
            signers: some_of(&signers, rng),
            tag: tag.clone(),
        });
        if signers.len() > 1 && mix.now(Odd::Disagree, rng) {
            let last = signers.last().cloned().into_iter().collect();
            let digest = digest(gun, &tag, 1);
            tags.push(SignedTag { digest, length: 1_000, signers: last, tag });
        }
    }
    CollectionPlan { gun: gun.to_owned(), keys: KEYS, signers, tags }
}

/// Those of a collection who sign a tag: mostly all of them.
pub(super) fn some_of(signers: &[String], rng: &mut Rng) -> Vec<String> {
    let all = rng.chance(900);
    let few = rng.below(signers.len() as u64 + 1);
    let taken = if all { signers.len() } else { usize::try_from(few).unwrap_or_default() };
    signers.iter().take(taken).cloned().collect()
}

/// The signer Secrets: all of them in the operator's namespace, most of them in the others.
fn signers(rng: &mut Rng) -> Vec<SignerPlan> {
    let operators = Settings::default().operator_namespace;
    let mut plans = Vec::new();
    for namespace in std::iter::once(operators.as_str()).chain(NAMESPACES) {
        for name in SIGNERS {
            if namespace == operators || rng.chance(800) {
                plans.push(secret(namespace, name, name, KEYS));
            }
        }
        plans.push(secret(namespace, OTHER_SECRET, "alice", OTHER_KEYS));
        plans.push(secret(namespace, BROKEN_SECRET, "No Name For A Role", KEYS));
    }
    plans
}

/// A signer Secret.
pub(super) fn secret(namespace: &str, secret: &str, name: &str, keys: u64) -> SignerPlan {
    SignerPlan {
        keys,
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        secret: secret.to_owned(),
    }
}
