//! A policy machine, and words to say what happens to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use portreeve_machines::PolicyCache;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::policy::{
    Applied, Deleted, ObjectRef, PolicyEffect, PolicyInput, PolicyObject, Relisted, SignerSecret,
    SourceObject,
};
use portreeve_protocol::policy::{Policy, PolicyGroup, PolicyRef, PolicySnapshot, PolicyState};
use portreeve_protocol::{
    ActorId, Delivery, EventId, Fact, Machine, Now, Outbox, Settings, Sha256, Wall,
};

/// A P-256 public key made for these tests; its private key was never kept.
pub const ALICE: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyIWVKufk3UsDUd4VUje3nzfOEJPE
HtgEFAqCZCGHUjhxWny0/LGNB6NQ0+yBHnvV6kX371165POAyXU06wgqHA==
-----END PUBLIC KEY-----
";
/// Another one.
pub const BOB: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEL5BBuZYc2uWhk6BFNDN16/bD7Cb6
2M0446XdFOVyl6hITTVKhdv2QbB+vTEaJUVPA4Vuz1g1aMulHLTm8zkLoQ==
-----END PUBLIC KEY-----
";

/// One machine.
pub struct World {
    machine: PolicyCache,
    seq: u64,
}

impl World {
    pub fn new() -> Self {
        let started = Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 1,
            node: "node".parse().unwrap(),
            restored: Restored::default(),
            rules: portreeve_protocol::RULES_VERSION,
            settings: Settings::default(),
            settings_digest: Sha256::ZERO,
            wall: Wall(0),
        };
        Self { machine: PolicyCache::new(&started), seq: 0 }
    }

    /// A machine that has received this whole list.
    pub fn listed(objects: Vec<SourceObject>) -> (Self, Vec<PolicyEffect>) {
        let mut world = Self::new();
        let effects = world.relist(objects);
        (world, effects)
    }

    pub fn deliver(&mut self, input: &PolicyInput) -> Vec<PolicyEffect> {
        self.seq += 1;
        let node = "node".parse().unwrap();
        let event = EventId { node, incarnation: 1, actor: ActorId::Policy, seq: self.seq };
        let delivery = Delivery { event: event.clone(), now: Now::default(), root: event };
        let mut out = Outbox::default();
        self.machine.handle(&delivery, input, &mut out);
        out.into_effects()
    }

    pub fn relist(&mut self, objects: Vec<SourceObject>) -> Vec<PolicyEffect> {
        self.deliver(&PolicyInput::Relisted(Relisted { objects }))
    }

    pub fn apply(&mut self, object: SourceObject) -> Vec<PolicyEffect> {
        self.deliver(&PolicyInput::Applied(Applied { object }))
    }

    pub fn delete(&mut self, object: ObjectRef) -> Vec<PolicyEffect> {
        self.deliver(&PolicyInput::Deleted(Deleted { object }))
    }
}

/// The snapshots among effects.
pub fn snapshots(effects: &[PolicyEffect]) -> Vec<Arc<PolicySnapshot>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            PolicyEffect::Publish(snapshot) => Some(Arc::clone(snapshot)),
            PolicyEffect::Note(_) => None,
        })
        .collect()
}

/// The one snapshot among effects.
pub fn snapshot(effects: &[PolicyEffect]) -> Arc<PolicySnapshot> {
    let found = snapshots(effects);
    assert_eq!(found.len(), 1, "{effects:?}");
    Arc::clone(&found[0])
}

/// The names of the facts among effects.
pub fn facts(effects: &[PolicyEffect]) -> Vec<&'static str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            PolicyEffect::Note(fact) => Some(Fact::name(fact)),
            PolicyEffect::Publish(_) => None,
        })
        .collect()
}

pub fn id(name: &str, namespace: Option<&str>) -> PolicyRef {
    PolicyRef {
        group: PolicyGroup::Portieris,
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
    }
}

pub fn policy(name: &str, namespace: Option<&str>, spec: &str) -> SourceObject {
    SourceObject::Policy(PolicyObject {
        id: id(name, namespace),
        resource_version: Some("1".to_owned()),
        spec: spec.to_owned(),
    })
}

pub fn secret(namespace: &str, secret: &str, name: &str, public_key: &str) -> SourceObject {
    SourceObject::SignerSecret(SignerSecret {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        public_key: public_key.to_owned(),
        resource_version: None,
        secret: secret.to_owned(),
    })
}

/// What becomes of one ClusterImagePolicy with this `spec`.
pub fn parsed(spec: &str) -> Policy {
    let (_, effects) = World::listed(vec![policy("p", None, spec)]);
    snapshot(&effects).cluster[0].clone()
}

/// Why one ClusterImagePolicy with this `spec` is not understood.
pub fn why_invalid(spec: &str) -> String {
    match parsed(spec).rules {
        PolicyState::Invalid(why) => why,
        PolicyState::Valid(rules) => panic!("{spec} is understood as {rules:?}"),
    }
}
