//! The policies that a replica has been told, and what they ask for. Judged by the scenario's own
//! typed policies, and not by what machines read out of their text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::messages::policy::{ObjectRef, PolicyInput, SignerSecret, SourceObject};
use portreeve_protocol::policy::{PolicyRef, PolicySnapshot, PolicyState, Rule, SignerKey};
use portreeve_protocol::reference::{ImageReference, split_port};
use portreeve_protocol::{Mono, Settings, Sha256};

use super::pattern::closeness;
use crate::Scenario;
use crate::scenario::{PolicyEvent, PolicyPlan, RulePlan, SignerPlan, TrustPlan};

/// A Secret: its namespace and its name.
type Secret = (String, String);
/// A signer: the name, and the seed of the key.
type Signer = (String, u64);

/// All policies and signers that a scenario ever has, by the text that replicas are told.
#[derive(Debug)]
pub struct Catalogue {
    policies: BTreeMap<(PolicyRef, String), Arc<PolicyPlan>>,
    signers: BTreeMap<(Secret, String, String), Signer>,
}

/// The policies and signers that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// Whether a whole list was ever told; nothing is in force before.
    listed: bool,
    policies: BTreeMap<PolicyRef, Option<Arc<PolicyPlan>>>,
    signers: BTreeMap<Secret, Option<Signer>>,
}

/// What the policies in force say of an image.
#[derive(Debug)]
pub enum Ruling<'a> {
    /// No policy covers it, or one that cannot be understood may, or none was read yet.
    Denied,
    /// All these rules must hold: each with the namespace of its signers' Secrets.
    Rules(Vec<(&'a str, &'a RulePlan)>),
}

/// What a rule asks for that asks for trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand<'a> {
    /// The rule.
    pub rule: &'a RulePlan,
    /// The trust server; `None` if none is known, or it may not be asked.
    pub server: Option<String>,
    /// Those who must have signed; `None` if one of their Secrets is not there or of no use.
    pub signers: Option<BTreeSet<Signer>>,
    /// What it asks for.
    pub trust: &'a TrustPlan,
}

impl Catalogue {
    /// All policies and signers of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let mut catalogue = Self { policies: BTreeMap::new(), signers: BTreeMap::new() };
        scenario.policies.iter().for_each(|plan| catalogue.add(plan));
        scenario.signers.iter().for_each(|plan| catalogue.add_signer(plan, scenario));
        for change in &scenario.policy_changes {
            match &change.what {
                PolicyEvent::Apply(plan) => catalogue.add(plan),
                PolicyEvent::ApplySigner(plan) => catalogue.add_signer(plan, scenario),
                PolicyEvent::Delete(_) | PolicyEvent::DeleteSigner { .. } => {}
            }
        }
        catalogue
    }

    /// What the API server holds at `at`.
    #[must_use]
    pub fn last(&self, scenario: &Scenario, at: Mono) -> InForce {
        let mut held = InForce { listed: true, ..InForce::default() };
        for object in scenario.objects().into_iter().flatten() {
            held.take(self, &object);
        }
        let mut changes: Vec<_> =
            scenario.policy_changes.iter().filter(|change| change.at <= at.0).collect();
        changes.sort_by_key(|change| change.at);
        for change in changes {
            match &change.what {
                PolicyEvent::Apply(plan) => {
                    held.take(self, &SourceObject::Policy(plan.object()));
                }
                PolicyEvent::ApplySigner(plan) => {
                    if let Ok(secret) = plan.object(scenario.published) {
                        held.take(self, &SourceObject::SignerSecret(secret));
                    }
                }
                PolicyEvent::Delete(id) => held.drop(&ObjectRef::Policy(id.clone())),
                PolicyEvent::DeleteSigner { namespace, secret } => {
                    let (namespace, secret) = (namespace.clone(), secret.clone());
                    held.drop(&ObjectRef::SignerSecret { namespace, secret });
                }
            }
        }
        held
    }

    fn add(&mut self, plan: &PolicyPlan) {
        let object = plan.object();
        self.policies.insert((object.id, object.spec), Arc::new(plan.clone()));
    }

    fn add_signer(&mut self, plan: &SignerPlan, scenario: &Scenario) {
        // Without a key the scenario cannot be run at all.
        let Ok(secret) = plan.object(scenario.published) else { return };
        let key = (id(&secret), secret.name.clone(), secret.public_key);
        self.signers.insert(key, (secret.name, plan.keys));
    }
}

fn id(secret: &SignerSecret) -> Secret {
    (secret.namespace.clone(), secret.secret.clone())
}

impl InForce {
    /// What is in force after a replica was told something.
    #[must_use]
    pub fn after(&self, catalogue: &Catalogue, told: &PolicyInput) -> Self {
        let mut next = self.clone();
        match told {
            PolicyInput::Applied(applied) => next.take(catalogue, &applied.object),
            PolicyInput::Deleted(deleted) => next.drop(&deleted.object),
            PolicyInput::Relisted(relisted) => {
                next = Self { listed: true, ..Self::default() };
                relisted.objects.iter().for_each(|object| next.take(catalogue, object));
            }
            PolicyInput::WatchLost(_) | PolicyInput::WatchRestored => {}
        }
        next
    }

    /// What is wrong with the policies that a replica obeys, if they are not these.
    #[must_use]
    pub fn differs(&self, settings: &Settings, obeyed: &PolicySnapshot) -> Option<String> {
        let all = obeyed.cluster.iter().chain(obeyed.namespaces.values().flatten());
        let obeyed: BTreeMap<_, _> = all.map(|policy| (&policy.id, &policy.rules)).collect();
        if let Some(id) = obeyed.keys().find(|id| !self.policies.contains_key(**id)) {
            return Some(format!("{} is not there any more", id.name));
        }
        self.policies.iter().find_map(|(id, plan)| {
            let secrets = id.namespace.as_deref().unwrap_or(&settings.operator_namespace);
            let same = match (obeyed.get(id), plan) {
                (None, _) => false,
                // A text that the scenario does not have.
                (Some(_), None) => true,
                (Some(PolicyState::Invalid(_)), Some(plan)) => plan.malformed,
                (Some(PolicyState::Valid(rules)), Some(plan)) => {
                    let equal = |(rule, plan)| self.is_rule(secrets, rule, plan);
                    !plan.malformed
                        && rules.len() == plan.rules.len()
                        && rules.iter().zip(&plan.rules).all(equal)
                }
            };
            (!same).then(|| format!("{} is another by now", id.name))
        })
    }

    /// Whether a rule is what was planned, with the Secrets that there are.
    fn is_rule(&self, secrets: &str, rule: &Rule, plan: &RulePlan) -> bool {
        let signers = match (&rule.trust, &plan.trust) {
            (None, None) => true,
            (Some(found), Some(planned)) => planned.signers.iter().all(|secret| {
                let there = self.signers.contains_key(&(secrets.to_owned(), secret.clone()));
                let name = format!("{secrets}/{secret}");
                let mut known = found.signers.iter().filter(|it| it.key != SignerKey::Missing);
                known.any(|it| it.secret == name) == there
            }),
            (None, Some(_)) | (Some(_), None) => false,
        };
        signers
            && rule.mode == plan.mode
            && rule.mutate_image == plan.mutate_image
            && rule.pattern == plan.pattern
    }

    fn take(&mut self, catalogue: &Catalogue, object: &SourceObject) {
        match object {
            SourceObject::Policy(policy) => {
                let key = (policy.id.clone(), policy.spec.clone());
                let plan = catalogue.policies.get(&key).cloned();
                self.policies.insert(policy.id.clone(), plan);
            }
            SourceObject::SignerSecret(secret) => {
                let key = (id(secret), secret.name.clone(), secret.public_key.clone());
                let signer = catalogue.signers.get(&key).cloned();
                self.signers.insert(id(secret), signer);
            }
        }
    }

    fn drop(&mut self, object: &ObjectRef) {
        match object {
            ObjectRef::Policy(id) => drop(self.policies.remove(id)),
            ObjectRef::SignerSecret { namespace, secret } => {
                self.signers.remove(&(namespace.clone(), secret.clone()));
            }
        }
    }

    /// What is said of an image in a namespace.
    #[must_use]
    pub fn ruling<'a>(
        &'a self,
        settings: &'a Settings,
        namespace: &str,
        image: &ImageReference,
    ) -> Ruling<'a> {
        let of = |wanted: Option<&str>| -> Vec<_> {
            let fits = |id: &&PolicyRef| id.namespace.as_deref() == wanted;
            self.policies.iter().filter(|(id, _)| fits(id)).collect()
        };
        let own = of(Some(namespace));
        let scope = if own.is_empty() { of(None) } else { own };
        let mut best = None;
        let mut rules = Vec::new();
        for (id, plan) in scope {
            let Some(plan) = plan.as_ref().filter(|plan| !plan.malformed) else {
                return Ruling::Denied;
            };
            let secrets = id.namespace.as_deref().unwrap_or(&settings.operator_namespace);
            for rule in &plan.rules {
                let fit = closeness(&rule.pattern, image);
                if fit.is_none() || fit < best {
                    continue;
                }
                if fit > best {
                    rules.clear();
                    best = fit;
                }
                rules.push((secrets, rule));
            }
        }
        if rules.is_empty() || !self.listed { Ruling::Denied } else { Ruling::Rules(rules) }
    }

    /// What a rule asks for, if it asks for trust.
    #[must_use]
    pub fn demand<'a>(
        &self,
        settings: &Settings,
        (secrets, rule): (&str, &'a RulePlan),
        image: &ImageReference,
    ) -> Option<Demand<'a>> {
        let trust = rule.trust.as_ref()?;
        let signer = |secret: &String| {
            self.signers.get(&(secrets.to_owned(), secret.clone())).cloned().flatten()
        };
        let mapped = mapped(settings, image);
        let named = trust.server.as_ref().map(|url| url.trim_end_matches('/').to_owned());
        let server = named.or_else(|| mapped.clone()).filter(|server| {
            let approved = settings.approved_servers.contains(server);
            !settings.approved_only || approved || mapped.as_ref() == Some(server)
        });
        Some(Demand { rule, server, signers: trust.signers.iter().map(signer).collect(), trust })
    }
}

/// The trust server that is known for a registry: by its whole name, or by the end of it where the
/// table has a dot in front.
fn mapped(settings: &Settings, image: &ImageReference) -> Option<String> {
    let (name, port) = split_port(&image.host);
    let fits = |registry: &str| {
        let (wanted, wanted_port) = split_port(registry);
        let ported = wanted_port.is_none_or(|wanted| wanted == port.unwrap_or("443"));
        let named = match wanted.strip_prefix('.') {
            Some(end) => name
                .strip_suffix(end)
                .is_some_and(|head| head.strip_suffix('.').is_some_and(|head| !head.is_empty())),
            None => name == wanted,
        };
        ported && named
    };
    let line = settings.trust_servers.iter().find(|line| fits(&line.registry))?;
    Some(line.server.replace("{host}", name).trim_end_matches('/').to_owned())
}

/// All ids of root keys that an image's root is held against: the rule's pins and the operator's,
/// each by themselves.
#[must_use]
pub fn pins<'a>(trust: &'a TrustPlan, operator: &'a BTreeSet<Sha256>) -> Vec<&'a BTreeSet<Sha256>> {
    [&trust.pins, operator].into_iter().filter(|pins| !pins.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::messages::policy::{Applied, Deleted, Relisted};
    use portreeve_protocol::policy::{Mode, PolicyGroup};

    use super::*;
    use crate::oracle::sample;

    fn listed(scenario: &Scenario) -> (Catalogue, InForce) {
        let catalogue = Catalogue::of(scenario);
        let objects = scenario.objects().into_iter().flatten().collect();
        let told = PolicyInput::Relisted(Relisted { objects });
        let held = InForce::default().after(&catalogue, &told);
        (catalogue, held)
    }

    fn rules(held: &InForce, namespace: &str, image: &str) -> Option<Vec<String>> {
        let settings = Settings::default();
        match held.ruling(&settings, namespace, &image.parse().ok()?) {
            Ruling::Denied => None,
            Ruling::Rules(rules) => {
                Some(rules.iter().map(|(_, rule)| rule.pattern.clone()).collect())
            }
        }
    }

    fn plan(name: &str, namespace: Option<&str>, patterns: &[&str]) -> PolicyPlan {
        let rule = |pattern: &&str| RulePlan {
            mode: Mode::Enforce,
            mutate_image: true,
            pattern: (*pattern).to_owned(),
            trust: None,
        };
        PolicyPlan {
            group: PolicyGroup::Portieris,
            malformed: false,
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            rules: patterns.iter().map(rule).collect(),
        }
    }

    fn with(plans: Vec<PolicyPlan>) -> InForce {
        listed(&Scenario { policies: plans, ..sample::scenario() }).1
    }

    #[test]
    fn nothing_is_in_force_before_a_whole_list_was_told() {
        let scenario = sample::scenario();
        let catalogue = Catalogue::of(&scenario);
        let object = SourceObject::Policy(plan("all", None, &["*"]).object());
        let told = PolicyInput::Applied(Applied { object });
        let held = InForce::default().after(&catalogue, &told);
        assert_eq!(rules(&held, "shop", "nginx"), None);
    }

    #[test]
    fn policies_of_the_namespace_keep_those_of_the_cluster_out() {
        let held = with(vec![plan("all", None, &["*"]), plan("own", Some("shop"), &["nginx"])]);
        assert_eq!(rules(&held, "other", "redis"), Some(vec!["*".to_owned()]));
        assert_eq!(rules(&held, "shop", "nginx"), Some(vec!["nginx".to_owned()]));
        assert_eq!(rules(&held, "shop", "redis"), None);
    }

    #[test]
    fn both_api_groups_count_together_and_all_equally_close_rules_hold() {
        let older = PolicyPlan {
            group: PolicyGroup::SecurityEnforcement,
            ..plan("older", None, &["docker.io/library/nginx", "*"])
        };
        let held = with(vec![plan("newer", None, &["nginx"]), older]);
        let both = vec!["nginx".to_owned(), "docker.io/library/nginx".to_owned()];
        assert_eq!(rules(&held, "shop", "nginx:1"), Some(both));
    }

    #[test]
    fn a_policy_that_cannot_be_understood_denies_its_scope_alone() {
        let bad = PolicyPlan { malformed: true, ..plan("bad", Some("shop"), &["*"]) };
        let held = with(vec![plan("all", None, &["*"]), bad]);
        assert_eq!(rules(&held, "shop", "nginx"), None);
        assert!(rules(&held, "other", "nginx").is_some());
    }

    #[test]
    fn what_is_deleted_or_replaced_is_not_in_force_any_more() {
        let scenario = Scenario { policies: vec![plan("all", None, &["*"])], ..sample::scenario() };
        let (catalogue, held) = listed(&scenario);
        let id = plan("all", None, &[]).id();
        let told = PolicyInput::Deleted(Deleted { object: ObjectRef::Policy(id) });
        assert_eq!(rules(&held.after(&catalogue, &told), "shop", "nginx"), None);
        let unknown = SourceObject::Policy(plan("all", None, &["nginx"]).object());
        let told = PolicyInput::Applied(Applied { object: unknown });
        assert_eq!(rules(&held.after(&catalogue, &told), "shop", "nginx"), None);
        assert_eq!(catalogue.last(&scenario, Mono(0)), held);
    }

    #[test]
    fn a_demand_names_the_server_and_the_signers_with_their_keys() -> Result<(), String> {
        let scenario = sample::scenario();
        let (_, held) = listed(&scenario);
        let image: ImageReference = sample::IMAGE.parse().map_err(|error| format!("{error}"))?;
        let settings = &scenario.settings;
        let Ruling::Rules(rules) = held.ruling(settings, "shop", &image) else {
            return Err("no rule".to_owned());
        };
        let demands: Vec<_> =
            rules.into_iter().filter_map(|rule| held.demand(settings, rule, &image)).collect();
        let [demand] = demands.as_slice() else { return Err(format!("{demands:?}")) };
        assert_eq!(demand.server.as_deref(), Some(sample::SERVER));
        let alice = BTreeSet::from([("alice".to_owned(), sample::ALICE)]);
        assert_eq!(demand.signers, Some(alice));
        let mut without = held.clone();
        without.signers.clear();
        let rule = (settings.operator_namespace.as_str(), demand.rule);
        let demand = without.demand(settings, rule, &image);
        assert_eq!(demand.and_then(|demand| demand.signers), None);
        Ok(())
    }

    #[test]
    fn a_registry_is_known_by_its_whole_name_or_by_what_follows_a_dot() {
        let known = |image: &str| mapped(&Settings::default(), &image.parse().ok()?);
        assert_eq!(known("nginx").as_deref(), Some("https://notary.docker.io"));
        assert_eq!(known("us.icr.io/a").as_deref(), Some("https://us.icr.io:4443"));
        assert_eq!(known("evildocker.io/a"), None);
        assert_eq!(known("evilicr.io/a"), None);
    }
}
