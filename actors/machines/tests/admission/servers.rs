//! Which trust server is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::policy::TrustRequirement;
use portreeve_protocol::{DenyCode, Settings};

use crate::world::{SERVER, World, code, policy, questions, rule, trust};

fn unnamed() -> Option<TrustRequirement> {
    Some(TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: Default::default(),
        server: None,
        signers: Vec::new(),
        strict_roles: false,
    })
}

fn asked(world: &mut World, image: &str) -> Vec<String> {
    questions(&world.pod(&[image])).into_iter().map(|(server, _)| server).collect()
}

#[test]
fn the_rules_server_comes_before_the_map() {
    let mut world = World::with_rule("*", trust(&[]));
    assert_eq!(asked(&mut world, "nginx"), [SERVER]);
}

#[test]
fn the_map_of_the_seed_names_the_servers_of_its_registries() {
    for (image, server) in [
        ("nginx", "https://notary.docker.io"),
        ("index.docker.io/team/app", "https://notary.docker.io"),
        ("quay.io/x/y", "https://quay.io:443"),
        ("registry.ng.bluemix.net/x/y", "https://registry.ng.bluemix.net:4443"),
        ("icr.io/x/y", "https://icr.io:4443"),
        ("de.icr.io/x/y", "https://de.icr.io:4443"),
    ] {
        assert_eq!(asked(&mut World::with_rule("*", unnamed()), image), [server], "{image}");
    }
}

#[test]
fn a_lookalike_of_a_known_registry_has_no_trust_server() {
    for image in ["evildocker.io/x", "evilicr.io/x", "docker.io.evil.example/x", "quay.io.evil/x"] {
        let decision = World::with_rule("*", unnamed()).decide(&[image]);
        assert_eq!(code(&decision), Some(DenyCode::NoTrustServer), "{image}");
    }
}

#[test]
pub fn with_approved_only_a_rule_names_approved_servers_or_the_maps() {
    let world = |approved: &[&str]| {
        let mut settings = Settings { approved_only: true, ..Settings::default() };
        settings.approved_servers = approved.iter().map(|it| (*it).to_owned()).collect();
        let mut world = World::new(settings);
        world.policies(vec![policy(
            "default",
            vec![rule("*", trust(&[])), rule("docker.io/*", unnamed())],
        )]);
        world
    };
    let decision = world(&[]).decide(&["registry.example/a"]);
    assert_eq!(code(&decision), Some(DenyCode::TrustServerRefused));
    assert!(decision.message.contains(SERVER), "{}", decision.message);
    assert_eq!(asked(&mut world(&[SERVER]), "registry.example/a"), [SERVER]);
    assert_eq!(asked(&mut world(&[]), "nginx"), ["https://notary.docker.io"]);
}
