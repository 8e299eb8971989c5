//! The reviews of a run: when they come, and of what.

use portreeve_protocol::messages::admission::{
    ContainerList, GroupKind, ImageFact, Operation, OwnerFact, Peer, ReviewFacts, ReviewPath,
    ReviewVersion,
};
use portreeve_protocol::{SealFact, Settings};

use super::estate::{Estate, NAMESPACES};
use super::images;
use super::mix::{Mix, Odd};
use crate::rng::{Rng, Streams};
use crate::scenario::{Later, PlannedReview};

const SECOND: u64 = 1_000_000;

/// Group, kind, and where the pod specification is.
type Kind = (&'static str, &'static str, &'static str);

const DEPLOYMENT: Kind = ("apps", "Deployment", "/spec/template/spec");
const POD: Kind = ("", "Pod", "/spec");
const KINDS: [Kind; 8] = [
    DEPLOYMENT,
    POD,
    ("apps", "StatefulSet", "/spec/template/spec"),
    ("apps", "DaemonSet", "/spec/template/spec"),
    ("apps", "ReplicaSet", "/spec/template/spec"),
    ("batch", "Job", "/spec/template/spec"),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
    ("", "ReplicationController", "/spec/template/spec"),
];

/// Kinds of what controllers make.
const OWNED: [&str; 3] = ["Pod", "ReplicaSet", "Job"];

/// The reviews of a run, in the order in which they come.
pub(super) fn draw(
    streams: &Streams,
    mix: &Mix,
    (estate, settings): (&Estate, &Settings),
    replicas: usize,
) -> Vec<PlannedReview> {
    let rng = &mut streams.stream("swarm/traffic");
    let number = streams.stream("swarm/reviews").log_between(30, 200);
    let times = times(number, estate.lasts, rng);
    let sealing = rng.chance(750);
    let drawer = Drawer { estate, mix, replicas, sealing, settings };
    let mut reviews = Vec::new();
    for (index, at) in times.into_iter().enumerate() {
        // A stream each: what one review draws does not change the others.
        let rng = &mut streams.stream(&format!("swarm/review/{index}"));
        let review = drawer.review(&format!("r{index}"), at, &reviews, rng);
        reviews.push(review);
    }
    drawer.floods(&mut reviews, &mut streams.stream("swarm/floods"));
    reviews.sort_by_key(|review| review.at);
    reviews
}

/// When the reviews come: evenly, in bursts, or both.
fn times(number: u64, lasts: u64, rng: &mut Rng) -> Vec<u64> {
    let bursting = [0, 1_000, rng.below(1_000)];
    let bursting = rng.pick(&bursting).copied().unwrap_or_default();
    let bursts: Vec<_> = (0..rng.between(1, 6)).map(|_| rng.below(lasts)).collect();
    let time = |_| {
        let (even, in_burst) = (rng.below(lasts), rng.chance(bursting));
        let begins = rng.pick(&bursts).copied().unwrap_or_default();
        let behind = rng.log_between(1, 2 * SECOND);
        if in_burst { (begins + behind).min(lasts) } else { even }
    };
    let mut times: Vec<_> = (0..number).map(time).collect();
    times.sort_unstable();
    times
}

/// Draws reviews.
struct Drawer<'a> {
    estate: &'a Estate,
    mix: &'a Mix,
    replicas: usize,
    sealing: bool,
    settings: &'a Settings,
}

impl Drawer<'_> {
    fn review(&self, uid: &str, at: u64, before: &[PlannedReview], rng: &mut Rng) -> PlannedReview {
        let mix = self.mix;
        let mut facts = self.facts(uid, rng);
        self.odd_object(&mut facts, rng);
        self.claim(&mut facts, before, rng);
        self.odd_operation(&mut facts, before, rng);
        let at = if mix.now(Odd::AtOnce, rng) { rng.below(5_000) } else { at };
        let copies = self.copied(&mut facts, before, rng);
        let mut review = PlannedReview::once(at, rng.log_between(1, 20_000), facts);
        review.copies = copies;
        if mix.now(Odd::Again, rng) {
            review.later = Later::Again;
        } else if mix.now(Odd::Changed, rng) {
            review.later = Later::Changed(images::reference(self.estate, mix, rng));
        }
        let follows = mix.now(Odd::Children, rng);
        if follows && review.facts.kind.kind == DEPLOYMENT.1 {
            review.children = u8::try_from(rng.between(1, 5)).unwrap_or_default();
        }
        if mix.now(Odd::Retries, rng) {
            review.retries = u8::try_from(rng.between(1, 4)).unwrap_or_default();
        }
        review.validated = mix.now(Odd::Validated, rng);
        if mix.now(Odd::PinnedReplica, rng) {
            let most = u64::try_from(self.replicas).unwrap_or_default();
            review.to = usize::try_from(rng.below(most)).ok();
        }
        review
    }

    fn facts(&self, uid: &str, rng: &mut Rng) -> ReviewFacts {
        let mix = self.mix;
        let kind = match rng.below(10) {
            0..=3 => DEPLOYMENT,
            4..=5 => POD,
            _ => rng.pick(&KINDS).copied().unwrap_or(POD),
        };
        let most = if mix.now(Odd::Crowd, rng) { 50 } else { rng.log_between(1, 4) };
        let images = self.images(kind.2, most, rng);
        let namespace = rng.pick(&NAMESPACES).copied().unwrap_or_default();
        let mut facts = self.plain(uid, kind, namespace, images);
        facts.annotated = rng.chance(500);
        facts.budget = if mix.now(Odd::Hasty, rng) {
            rng.log_between(1_000, SECOND)
        } else {
            rng.between(2, 29) * SECOND
        };
        facts.dry_run = mix.now(Odd::DryRun, rng);
        let stranger = mix.now(Odd::Stranger, rng);
        let known = self.settings.client_required || rng.chance(500);
        facts.peer.authenticated = known && !stranger;
        if rng.chance(100) {
            facts.version = ReviewVersion::V1Beta1;
        }
        facts
    }

    /// What of the object is out of the ordinary.
    fn odd_object(&self, facts: &mut ReviewFacts, rng: &mut Rng) {
        let mix = self.mix;
        if mix.now(Odd::Malformed, rng) {
            facts.malformed = Some("`spec.containers` is no list".to_owned());
            facts.images.clear();
        }
        if mix.now(Odd::UnknownKind, rng) {
            facts.kind = GroupKind {
                group: "example.com".to_owned(),
                kind: "Widget".to_owned(),
                version: "v1".to_owned(),
            };
        }
        if mix.now(Odd::NoImage, rng) {
            facts.sub_resource = Some("scale".to_owned());
            facts.images.clear();
        }
    }

    /// The name of the workload whose seal it carries, if that is not its own. In some it has the
    /// name and the images of that one, too, and is of another kind.
    fn copied(
        &self,
        facts: &mut ReviewFacts,
        before: &[PlannedReview],
        rng: &mut Rng,
    ) -> Option<String> {
        let copies = self.mix.now(Odd::CopiedSeal, rng);
        let from = rng.pick(before).map(|review| &review.facts).filter(|_| copies)?;
        if facts.operation != Operation::Create || facts.kind.kind == POD.1 {
            return None;
        }
        facts.namespace.clone_from(&from.namespace);
        if rng.chance(500) && from.kind != facts.kind {
            facts.name.clone_from(&from.name);
        }
        if rng.chance(600) {
            take_images(facts, from);
        }
        // There an object's own seal counts, and what passes keeps the seal that it has.
        if rng.chance(500) {
            facts.path = ReviewPath::Validate;
        }
        Some(from.name.clone())
    }

    /// A Pod claims that a controller made it, one that there is or one that there is not; so does
    /// what has a template of Pods.
    fn claim(&self, facts: &mut ReviewFacts, before: &[PlannedReview], rng: &mut Rng) {
        let claims = self.mix.now(Odd::ForgedOwner, rng);
        if !claims || !OWNED.contains(&facts.kind.kind.as_str()) {
            return;
        }
        let some = [rng.pick(before), rng.pick(before), rng.pick(before)].into_iter().flatten();
        let mut some = some.map(|review| &review.facts);
        // What carries the seal of another object makes things, too; Pods make nothing.
        let copies: Vec<_> = before.iter().filter(|review| review.copies.is_some()).collect();
        let copy = rng.pick(&copies).map(|review| &review.facts).filter(|_| rng.chance(400));
        let owner = copy.or_else(|| some.find(|facts| facts.kind.kind != POD.1));
        let owner = owner.or_else(|| some.next());
        let Some(owner) = owner else { return };
        facts.namespace.clone_from(&owner.namespace);
        let replica_set = owner.kind.kind == DEPLOYMENT.1 && rng.chance(500);
        let behind = if replica_set { ("-rs", "+rs") } else { ("", "") };
        let kind = if replica_set { "ReplicaSet" } else { owner.kind.kind.as_str() };
        let kind = if rng.chance(100) { "StatefulSet" } else { kind };
        let uid = format!("uid-of-{}{}", owner.uid, behind.1);
        let forged = rng.chance(400);
        facts.owners.push(OwnerFact {
            api_version: "apps/v1".to_owned(),
            controller: true,
            kind: kind.to_owned(),
            name: format!("{}{}", owner.name, behind.0),
            uid: if forged { format!("not-{uid}") } else { uid },
        });
        if rng.chance(600) {
            take_images(facts, owner);
            for image in &mut facts.images {
                if rng.chance(350) {
                    image.image = images::other_tag(self.estate, &image.image, rng).into();
                }
            }
        }
    }

    /// What of the operation is out of the ordinary.
    fn odd_operation(&self, facts: &mut ReviewFacts, before: &[PlannedReview], rng: &mut Rng) {
        let mix = self.mix;
        if mix.now(Odd::Validate, rng) {
            facts.path = ReviewPath::Validate;
        }
        let old = rng.pick(before).map(|review| &review.facts);
        if mix.now(Odd::Update, rng)
            && let Some(old) = old
        {
            of_the_same(facts, old);
            facts.operation = Operation::Update;
            facts.images.clone_from(&old.images);
            facts.old_images.clone_from(&old.images);
            for image in &mut facts.images {
                if rng.chance(400) {
                    image.image = images::reference(self.estate, mix, rng).into();
                }
            }
        }
        if mix.now(Odd::Ephemeral, rng) && facts.kind.kind == POD.1 {
            facts.sub_resource = Some("ephemeralcontainers".to_owned());
            facts.operation = Operation::Update;
            for (place, image) in facts.images.iter_mut().enumerate() {
                image.pointer = format!("/spec/ephemeralContainers/{place}/image").into();
                image.list = ContainerList::Ephemeral;
            }
        }
        for (odd, operation) in
            [(Odd::Delete, Operation::Delete), (Odd::Connect, Operation::Connect)]
        {
            if mix.now(odd, rng) {
                old.into_iter().for_each(|old| of_the_same(facts, old));
                facts.operation = operation;
                facts.images.clear();
                facts.old_images.clear();
            }
        }
    }

    fn images(&self, pod_spec: &str, number: u64, rng: &mut Rng) -> Vec<ImageFact> {
        let mut facts = Vec::new();
        for index in 0..number {
            let (list, member) = match rng.below(8) {
                0 if index == 0 && number > 1 => (ContainerList::Init, "initContainers"),
                _ => (ContainerList::Main, "containers"),
            };
            let place = facts.iter().filter(|fact: &&ImageFact| fact.list == list).count();
            facts.push(ImageFact {
                container: format!("c{index}").into(),
                image: images::reference(self.estate, self.mix, rng).into(),
                list,
                pointer: format!("{pod_spec}/{member}/{place}/image").into(),
            });
        }
        facts
    }

    /// The creation of a workload with these images.
    fn plain(
        &self,
        uid: &str,
        (group, kind, _): Kind,
        namespace: &str,
        images: Vec<ImageFact>,
    ) -> ReviewFacts {
        ReviewFacts {
            annotated: false,
            budget: 9 * SECOND,
            dry_run: false,
            images,
            kind: GroupKind {
                group: group.to_owned(),
                kind: kind.to_owned(),
                version: "v1".to_owned(),
            },
            malformed: None,
            name: format!("app-{uid}"),
            namespace: namespace.to_owned(),
            old_images: Vec::new(),
            old_seal: SealFact::Absent,
            operation: Operation::Create,
            owners: Vec::new(),
            path: ReviewPath::Admit,
            peer: Peer { address: "10.0.0.1".to_owned(), authenticated: true },
            pull_secrets: Vec::new(),
            seal: SealFact::Absent,
            sealing: self.sealing,
            service_account: String::new(),
            sub_resource: None,
            uid: uid.to_owned(),
            user: "system:serviceaccount:kube-system:deployment-controller".to_owned(),
            version: ReviewVersion::V1,
        }
    }

    /// In few runs, more at once than there is room for: images of one review, repositories of one
    /// namespace, tags of one repository, reviews that wait.
    fn floods(&self, reviews: &mut Vec<PlannedReview>, rng: &mut Rng) {
        let (which, at) = (rng.below(160), rng.below(self.estate.lasts));
        let repository = self.estate.repository(rng);
        let gun = &repository.gun;
        let named = |number: u64| match which {
            0 => format!("{gun}:1.0"),
            1 => format!("{gun}-{number}:1.0"),
            _ => format!("{gun}:0.{number}"),
        };
        // Reviews, and how many images each has.
        let (number, images) = match which {
            0 => (1, 1_001),
            1 | 2 => (2, 550),
            3 => (1_100, 1),
            _ => return,
        };
        for index in 0..number {
            let first = index * images;
            let fact = |place: u64| ImageFact {
                container: format!("c{place}").into(),
                image: named(first + place).into(),
                list: ContainerList::Main,
                pointer: format!("/spec/containers/{place}/image").into(),
            };
            let uid = format!("flood{index}");
            let facts = self.plain(&uid, POD, NAMESPACES[0], (0..images).map(fact).collect());
            let mut review = PlannedReview::once(at, 1_000, facts);
            review.to = Some(0);
            reviews.push(review);
        }
    }
}

/// Gives a workload the images of another one.
fn take_images(facts: &mut ReviewFacts, from: &ReviewFacts) {
    let kind = KINDS.iter().find(|(_, kind, _)| *kind == facts.kind.kind);
    let pod_spec = kind.map_or(POD.2, |(_, _, pod_spec)| pod_spec);
    facts.images.clone_from(&from.images);
    for (place, image) in facts.images.iter_mut().enumerate() {
        image.pointer = format!("{pod_spec}/containers/{place}/image").into();
        image.list = ContainerList::Main;
    }
}

/// Makes a review one of the object that another review is of.
fn of_the_same(facts: &mut ReviewFacts, old: &ReviewFacts) {
    facts.kind.clone_from(&old.kind);
    facts.name.clone_from(&old.name);
    facts.namespace.clone_from(&old.namespace);
    facts.owners.clone_from(&old.owners);
}
