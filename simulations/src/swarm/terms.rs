//! The settings of the machines.

use portreeve_protocol::Settings;
use portreeve_protocol::settings::TrustServerRule;

use super::estate::{Estate, KEYS, OTHER_KEYS};
use super::mix::{Mix, Odd};
use crate::rng::{Rng, Streams};

const SECOND: u64 = 1_000_000;

/// The settings of a run.
pub(super) fn draw(streams: &Streams, mix: &Mix, estate: &Estate) -> Settings {
    let rng = &mut streams.stream("swarm/settings");
    let mut settings = Settings {
        approved_only: rng.chance(150),
        client_required: rng.chance(200),
        freshness: rng.log_between(4, 60) * SECOND,
        max_staleness: if rng.chance(300) { rng.log_between(5, 300) * SECOND } else { 0 },
        require_pins: rng.chance(60),
        ..Settings::default()
    };
    for (registry, server) in estate.registries.iter().zip(&estate.servers) {
        if !mix.in_run(Odd::UnapprovedServer, rng) {
            settings.approved_servers.insert(server.url.clone());
        }
        // Of the others the rules must name the server.
        if rng.chance(500) {
            let (registry, server) = (registry.clone(), server.url.clone());
            settings.trust_servers.push(TrustServerRule { registry, server });
        }
    }
    pins(&mut settings, mix, estate, &mut streams.stream("swarm/pins"));
    settings
}

/// Pins roots of repositories, or of all that stand below a prefix.
fn pins(settings: &mut Settings, mix: &Mix, estate: &Estate, rng: &mut Rng) {
    let all = settings.require_pins && rng.chance(700);
    for repository in &estate.repositories {
        let wrong = mix.now(Odd::WrongPin, rng);
        if !all && !wrong && !mix.now(Odd::Pinned, rng) {
            continue;
        }
        let keys = if wrong { OTHER_KEYS } else { KEYS };
        if let Some(id) = estate.root_key(&repository.gun, keys) {
            settings.pins.entry(repository.gun.clone()).or_default().insert(id);
        }
    }
}
