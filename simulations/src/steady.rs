//! A steady load, by which the simulator's speed is measured: three replicas are asked for reviews
//! all the time, most of them of few collections, while collections are published anew, policies
//! change and some mild things go wrong.

use portreeve_protocol::messages::admission::{ContainerList, ImageFact, ReviewFacts};
use portreeve_protocol::policy::{Mode, PolicyGroup};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Settings, Sha256, Wall};

use crate::Scenario;
use crate::fault::{
    Crash, Delay, Duplication, Fault, Loss, ServerDown, SlowTrustServer, WatchBroken,
};
use crate::rng::{Rng, Streams};
use crate::scenario::{
    Change, CollectionPlan, PlannedReview, PolicyChange, PolicyEvent, PolicyPlan, Publication,
    RulePlan, SignedTag, SignerPlan, TrustPlan, TrustServerPlan,
};
use crate::scripted::review;

/// The trust servers.
const SERVERS: [&str; 2] = ["https://notary-a.example:4443", "https://notary-b.example:4443"];
/// The registry whose images each server knows.
const REGISTRIES: [&str; 2] = ["registry-a.example", "registry-b.example"];
/// Collections of each server.
const COLLECTIONS: u64 = 6;
/// Who signs.
const SIGNER: &str = "alice";
/// Seed of the keys.
const KEYS: u64 = 1;

/// Reviews that are planned; Deployments lead to more.
const REVIEWS: u64 = 4_800;
/// From one review to the next, in microseconds.
const APART: u64 = SECOND / 16;
/// From one publication of a collection to its next.
const PUBLISHED_EVERY: u64 = 300 * SECOND;
/// From one change of the policies to the next.
const POLICIES_EVERY: u64 = 20 * SECOND;
/// How long it goes on.
const LASTS: u64 = REVIEWS * APART;
const HOUR: i64 = 3_600_000_000;

/// The steady load of a seed: which images are asked for when, what is signed, and when what goes
/// wrong hang on it. If it is `audited`, every record is made into bytes and hashed, and journals
/// are run again; otherwise that is done where a replica that was killed reads its journal.
#[must_use]
pub fn steady(seed: u64, audited: bool) -> Scenario {
    let start = Wall(1_795_415_688_000_000);
    let streams = Streams::new(seed);
    let servers = SERVERS.iter().zip(REGISTRIES).map(|(url, registry)| TrustServerPlan {
        collections: (0..COLLECTIONS).map(|number| collection(registry, number, seed)).collect(),
        url: (*url).to_owned(),
    });
    Scenario {
        audited,
        bundle: None,
        changes: changes(seed, &mut streams.stream("steady/changes")),
        faults: faults(&mut streams.stream("steady/faults")),
        heal: Some(LASTS + SECOND),
        most_events: REVIEWS * 100,
        policies: vec![policy(), notes(Mode::Audit)],
        policy_changes: (1..LASTS / POLICIES_EVERY).map(policy_change).collect(),
        published: Wall(start.0 - HOUR),
        replicas: (0..3).map(|index| format!("sim-{index}")).collect(),
        reviews: reviews(&mut streams.stream("steady/reviews")),
        servers: servers.collect(),
        settings: Settings {
            approved_servers: SERVERS.map(str::to_owned).into(),
            ..Settings::default()
        },
        signers: vec![SignerPlan {
            keys: KEYS,
            name: SIGNER.to_owned(),
            namespace: Settings::default().operator_namespace,
            secret: SIGNER.to_owned(),
        }],
        start,
    }
}

fn gun(registry: &str, number: u64) -> String {
    format!("{registry}/shop/app{number}")
}

fn tag(gun: &str, tag: &str, edition: u64, seed: u64) -> SignedTag {
    SignedTag {
        digest: Sha256::of(format!("{gun}:{tag} {edition} {seed}").as_bytes()),
        length: 1_000,
        signers: vec![SIGNER.to_owned()],
        tag: tag.to_owned(),
    }
}

fn collection(registry: &str, number: u64, seed: u64) -> CollectionPlan {
    let gun = gun(registry, number);
    let tags = ["1.0", "1.1"].map(|name| tag(&gun, name, 0, seed)).into();
    CollectionPlan { gun, keys: KEYS, signers: vec![SIGNER.to_owned()], tags }
}

/// Each collection is published anew, one after the other: a tag is signed again, with another
/// digest.
fn changes(seed: u64, rng: &mut Rng) -> Vec<Change> {
    let mut changes = Vec::new();
    for (server, registry) in SERVERS.iter().zip(REGISTRIES) {
        for number in 0..COLLECTIONS {
            let first = rng.below(PUBLISHED_EVERY);
            for edition in 0..LASTS / PUBLISHED_EVERY {
                let gun = gun(registry, number);
                let tag = tag(&gun, "1.1", edition + 1, seed);
                let (at, server) = (first + edition * PUBLISHED_EVERY, (*server).to_owned());
                changes.push(Change { at, server, what: Publication::Sign { gun, tag } });
            }
        }
    }
    changes.sort_by_key(|change| change.at);
    changes
}

fn rule(pattern: &str, mode: Mode, trust: Option<TrustPlan>) -> RulePlan {
    RulePlan { mode, mutate_image: true, pattern: pattern.to_owned(), trust }
}

fn plan(name: &str, namespace: Option<&str>, rules: Vec<RulePlan>) -> PolicyPlan {
    PolicyPlan {
        group: PolicyGroup::Portieris,
        malformed: false,
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        rules,
    }
}

/// The policy of the cluster: a signer must have signed what one registry has, anybody what the
/// other has, nobody the tools.
fn policy() -> PolicyPlan {
    let trusting = |place: usize, signers: &[&str]| {
        let signers = signers.iter().map(|&name| name.to_owned()).collect();
        let server = Some(SERVERS[place].to_owned());
        let trust = TrustPlan { server, signers, ..TrustPlan::default() };
        rule(&format!("{}/*", REGISTRIES[place]), Mode::Enforce, Some(trust))
    };
    let tools = rule("tools.example/*", Mode::Enforce, None);
    plan("steady", None, vec![trusting(0, &[SIGNER]), trusting(1, &[]), tools])
}

/// A policy of a namespace of its own, which changes all the time.
fn notes(mode: Mode) -> PolicyPlan {
    plan("notes", Some("notes"), vec![rule("notes.example/*", mode, None)])
}

fn policy_change(number: u64) -> PolicyChange {
    let mode = if number.is_multiple_of(2) { Mode::Audit } else { Mode::Warn };
    PolicyChange { at: number * POLICIES_EVERY, what: PolicyEvent::Apply(notes(mode)) }
}

/// Most reviews are of Deployments and Pods with images of two collections of each server; some
/// Deployments have Pods; few images are not signed, or of no rule.
fn reviews(rng: &mut Rng) -> Vec<PlannedReview> {
    let mut reviews = Vec::new();
    for number in 0..REVIEWS {
        let (uid, at) = (format!("r{number}"), number * APART);
        let images: Vec<String> = (0..rng.between(1, 2)).map(|_| image(rng)).collect();
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let pod = rng.chance(300);
        let (group, kind) = if pod { ("", "Pod") } else { ("apps", "Deployment") };
        let mut facts = review(&uid, group, kind, &images);
        facts.sealing = true;
        if rng.chance(50) {
            facts.images.insert(0, init(&facts));
        }
        let mut planned = PlannedReview::once(at, APART, facts);
        if !pod && rng.chance(150) {
            planned.children = 2;
        }
        planned.validated = rng.chance(100);
        reviews.push(planned);
    }
    reviews
}

/// An init container of the tools.
fn init(facts: &ReviewFacts) -> ImageFact {
    let spec = if facts.kind.kind == "Pod" { "/spec" } else { "/spec/template/spec" };
    ImageFact {
        container: "init".into(),
        image: "tools.example/wait:1.0".into(),
        list: ContainerList::Init,
        pointer: format!("{spec}/initContainers/0/image").into(),
    }
}

fn image(rng: &mut Rng) -> String {
    let registry = rng.pick(&REGISTRIES).copied().unwrap_or_default();
    let hot = rng.chance(900);
    let gun = gun(registry, rng.below(if hot { 2 } else { COLLECTIONS }));
    match rng.below(100) {
        0 => format!("{gun}:9.9"),
        1 => "elsewhere.example/app:1.0".to_owned(),
        2..=11 => "tools.example/shell:1.0".to_owned(),
        12..=31 => format!("{gun}:1.1"),
        _ => format!("{gun}:1.0"),
    }
}

/// What goes wrong, each once: the network for a minute each, a trust server, a watch, a replica.
fn faults(rng: &mut Rng) -> Vec<Fault> {
    let span = |lasts: u64, rng: &mut Rng| {
        let from = rng.below(LASTS - lasts);
        (from, from + lasts)
    };
    let (delay, loss) = (span(60 * SECOND, rng), span(60 * SECOND, rng));
    let (twice, slow) = (span(60 * SECOND, rng), span(30 * SECOND, rng));
    let (down, broken) = (span(10 * SECOND, rng), span(10 * SECOND, rng));
    let (at, back) = span(2 * SECOND, rng);
    let [first, second] = SERVERS.map(str::to_owned);
    vec![
        Delay { from: delay.0, most: 20_000, until: delay.1 }.into(),
        Loss { from: loss.0, share: 5, until: loss.1 }.into(),
        Duplication { from: twice.0, share: 20, until: twice.1 }.into(),
        SlowTrustServer { from: slow.0, most: 200_000, server: first, until: slow.1 }.into(),
        ServerDown { from: down.0, server: second, until: Some(down.1) }.into(),
        WatchBroken { from: broken.0, replica: 0, until: broken.1 }.into(),
        Crash { at, back, replica: 1 }.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_one_steady_load_and_another_seed_another() {
        assert_eq!(steady(1, false), steady(1, false));
        assert_ne!(steady(1, false), steady(2, false));
        assert!(steady(1, true).check().is_ok());
    }
}
