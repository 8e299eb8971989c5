//! Policies: those of the cluster and of namespaces, of both API groups.

use std::collections::BTreeSet;

use portreeve_protocol::policy::{Mode, PolicyGroup};

use super::estate::{
    BROKEN_SECRET, Estate, KEYS, NAMESPACES, OTHER_KEYS, OTHER_SECRET, Repository, SIGNERS,
};
use super::mix::{Mix, Odd};
use super::spelling;
use crate::rng::{Rng, Streams};
use crate::scenario::{PolicyPlan, RulePlan, TrustPlan};

/// The name of the policy that every run has.
pub(super) const BASE: &str = "base";

/// The policies at the start.
pub(super) fn draw(streams: &Streams, mix: &Mix, estate: &Estate) -> Vec<PolicyPlan> {
    let rng = &mut streams.stream("swarm/policies");
    let mut drawer = Drawer { estate, mix, rng };
    let mut policies = vec![drawer.policy(BASE, None)];
    if drawer.rng.chance(250) {
        policies.push(drawer.policy("more", None));
    }
    for namespace in NAMESPACES {
        if drawer.rng.chance(250) {
            policies.push(drawer.policy("own", Some(namespace)));
        }
        if mix.now(Odd::MalformedPolicy, drawer.rng) {
            policies.push(PolicyPlan {
                malformed: true,
                ..drawer.policy("misunderstood", Some(namespace))
            });
        }
    }
    if drawer.rng.below(40) == 0 {
        policies.push(PolicyPlan { malformed: true, ..drawer.policy("misunderstood", None) });
    }
    policies
}

/// Draws policies for an estate.
pub(super) struct Drawer<'a> {
    pub(super) estate: &'a Estate,
    pub(super) mix: &'a Mix,
    pub(super) rng: &'a mut Rng,
}

impl Drawer<'_> {
    /// A policy that covers most registries, some repositories by name, and at times all else.
    pub(super) fn policy(&mut self, name: &str, namespace: Option<&str>) -> PolicyPlan {
        let estate = self.estate;
        let mut rules = Vec::new();
        for registry in &estate.registries {
            if self.rng.chance(920) {
                rules.push(self.registry_rule(registry));
            }
        }
        for _ in 0..self.rng.below(4) {
            let repository = estate.repository(self.rng);
            rules.push(self.repository_rule(repository));
        }
        if self.rng.chance(250) {
            let trust = self.rng.chance(500).then(|| self.trust(None, None));
            rules.push(self.rule("*".to_owned(), trust));
        }
        let group = if self.rng.chance(700) {
            PolicyGroup::Portieris
        } else {
            PolicyGroup::SecurityEnforcement
        };
        let namespace = namespace.map(str::to_owned);
        PolicyPlan { group, malformed: false, name: name.to_owned(), namespace, rules }
    }

    fn registry_rule(&mut self, registry: &str) -> RulePlan {
        let pattern = match self.rng.below(12) {
            // Without a slash it stands for names of Docker Hub, and covers hardly anything.
            0 if self.rng.chance(200) => format!("{registry}*"),
            // The `*` is the host's and does not reach into the path, so it covers hardly more.
            0 => format!("{}*/app0", &registry[..registry.len().min(5)]),
            1 => format!("{}*/*", &registry[..registry.len().min(5)]),
            2 => format!("{}/*", registry.to_ascii_uppercase()),
            _ => format!("{registry}/*"),
        };
        let trust = self.rng.chance(880).then(|| self.trust(Some(registry), None));
        self.rule(pattern, trust)
    }

    fn repository_rule(&mut self, repository: &Repository) -> RulePlan {
        let gun = &repository.gun;
        let registry = &self.estate.registries[repository.server];
        let pattern = match self.rng.below(6) {
            0 => format!("{gun}:1.0"),
            1 => format!("{gun}:*"),
            2 => format!("{gun}*"),
            3 => format!("{gun}:1.*"),
            4 => spelling::repository(gun, self.rng),
            _ => gun.clone(),
        };
        let trust = self.rng.chance(850).then(|| self.trust(Some(registry), Some(gun)));
        self.rule(pattern, trust)
    }

    fn rule(&mut self, pattern: String, trust: Option<TrustPlan>) -> RulePlan {
        let lenient = self.mix.now(Odd::Lenient, self.rng);
        let mode = match (lenient, self.rng.chance(500)) {
            (true, true) => Mode::Audit,
            (true, false) => Mode::Warn,
            (false, _) => Mode::Enforce,
        };
        RulePlan { mode, mutate_image: self.rng.chance(850), pattern, trust }
    }

    /// A demand for images of a registry, or of one repository.
    fn trust(&mut self, registry: Option<&str>, gun: Option<&str>) -> TrustPlan {
        let Self { estate, mix, rng } = self;
        let named = registry.and_then(|registry| estate.server_of(registry));
        // What `settings` maps need not be named; a registry that it does not map has no server.
        // What covers much is odd less often: else there would be runs in which all is denied.
        let odd = |odd, rng: &mut Rng| mix.now(odd, rng) && (gun.is_some() || rng.chance(200));
        let named = if odd(Odd::NoServer, rng) { None } else { named };
        let other = rng.pick(&estate.servers).map(|server| server.url.as_str());
        let named = if odd(Odd::OtherServer, rng) { other } else { named };
        let mut trust = TrustPlan {
            freshness: rng.chance(300).then(|| rng.log_between(2, 60)),
            max_staleness: rng.chance(250).then(|| rng.log_between(5, 300)),
            server: named.map(str::to_owned),
            strict_roles: odd(Odd::Strict, rng),
            ..TrustPlan::default()
        };
        trust.signers = signers(&odd, rng);
        let wrong = mix.now(Odd::WrongPin, rng);
        if let Some(gun) = gun.filter(|_| mix.now(Odd::Pinned, rng) || wrong) {
            let keys = if wrong { OTHER_KEYS } else { KEYS };
            trust.pins = estate.root_key(gun, keys).into_iter().collect();
        }
        trust
    }
}

/// The Secrets of those who must have signed: mostly alice, or nobody.
fn signers(odd: &dyn Fn(Odd, &mut Rng) -> bool, rng: &mut Rng) -> Vec<String> {
    let mut names = BTreeSet::new();
    match rng.below(12) {
        0..=4 => {}
        5..=9 => drop(names.insert(SIGNERS[0])),
        10 => names.extend(&SIGNERS[..2]),
        _ => names.extend(rng.pick(&SIGNERS)),
    }
    for (what, secret) in [
        (Odd::LostSecret, "lost"),
        (Odd::BrokenSecret, BROKEN_SECRET),
        (Odd::OtherKey, OTHER_SECRET),
    ] {
        if odd(what, rng) {
            names.insert(secret);
        }
    }
    names.into_iter().map(str::to_owned).collect()
}
