//! The swarm: from a seed to a scenario, as data, and to a verdict on the run of it.
//!
//! Every part draws from sub-streams of its own name, and every review, repository, class of faults
//! and oddity from one of its own: a new draw in one place leaves all the rest of a seed's scenario
//! as it was.

mod churn;
mod estate;
mod images;
mod mix;
mod news;
mod pledge;
mod rules;
mod spelling;
mod terms;
mod traffic;
mod trouble;

mod reach;
mod tally;
mod verdict;

use crate::Scenario;
use crate::fault::Ground;
use crate::rng::Streams;

pub use reach::{HOST_ONLY, reachable};
pub use tally::Tally;
pub use verdict::{Ending, Examined, examine, examine_traced};

/// Events of one run at most; the longest runs of the swarm have some hundred thousand.
const MOST_EVENTS: u64 = 3_000_000;
/// From the last that is planned until nothing goes wrong any more, in microseconds.
const REST: u64 = 1_000_000;

/// The scenario of a seed.
#[must_use]
pub fn draw(seed: u64) -> Scenario {
    let streams = Streams::new(seed);
    let mix = mix::Mix::draw(&streams);
    let estate = estate::Estate::draw(&streams, &mix);
    let settings = terms::draw(&streams, &mix, &estate);
    let number = streams.stream("swarm/replicas").between(1, 4);
    let replicas: Vec<_> = (0..number).map(|index| format!("sim-{index}")).collect();
    let reviews = traffic::draw(&streams, &mix, (&estate, &settings), replicas.len());
    let policies = rules::draw(&streams, &mix, &estate);
    let policy_changes = churn::draw(&streams, &mix, &estate, &policies);
    let bundle = pledge::draw(&streams, &estate);
    let mut changes = news::draw(&streams, &mix, &estate);
    pledge::keep_pledges(bundle.as_ref(), &mut changes);
    let ends = reviews.iter().map(|review| review.at + review.spread);
    let ends = ends.chain(changes.iter().map(|change| change.at));
    let ends = ends.chain(policy_changes.iter().map(|change| change.at));
    let editions = bundle.iter().flat_map(|bundle| &bundle.editions);
    let ends = ends.chain(editions.map(|edition| edition.at));
    let heal = ends.max().unwrap_or_default().max(estate.lasts) + REST;
    let collections = estate.collections();
    let pinned = |(_, gun): &&(String, String)| bundle.as_ref().is_some_and(|it| it.pins(gun));
    let ground = Ground {
        pinned: collections.iter().filter(pinned).cloned().collect(),
        collections,
        heal,
        replicas: replicas.len(),
        servers: estate.servers.iter().map(|server| server.url.clone()).collect(),
    };
    Scenario {
        audited: streams.stream("swarm/audited").below(8) == 0,
        bundle,
        changes,
        faults: trouble::draw(&streams, &ground),
        heal: Some(heal),
        most_events: MOST_EVENTS,
        policies,
        policy_changes,
        published: estate.published,
        replicas,
        reviews,
        servers: estate.servers,
        settings,
        signers: estate.signers,
        start: estate::START,
    }
}
