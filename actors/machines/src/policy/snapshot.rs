//! From what is known to what is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::policy::PolicyEffect;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{
    Policy, PolicyRef, PolicySnapshot, PolicyState, Rule, SignerKey, SignerRequirement,
    TrustRequirement,
};
use portreeve_protocol::{Fact, Outbox, limits};

use super::PolicyCache;
use super::spec::{ParsedRule, ParsedTrust};

impl PolicyCache {
    /// Publishes what is known, if it differs from what was published last.
    pub(super) fn publish(&mut self, out: &mut Outbox<PolicyEffect>) {
        if !self.listed && !planted::is(Bug::PartialListPublished) {
            return;
        }
        let revision = self.published.as_ref().map_or(0, |last| last.revision);
        let mut snapshot = self.snapshot(revision);
        let same = |it: &PolicySnapshot| *it == snapshot || planted::is(Bug::FirstPoliciesStay);
        if self.published.as_deref().is_some_and(same) {
            return;
        }
        snapshot.revision = revision.saturating_add(u64::from(!planted::is(Bug::RevisionStays)));
        let known = self.published.as_deref().map(invalid).unwrap_or_default();
        for (id, why) in invalid(&snapshot) {
            if known.get(id) != Some(&why) {
                let (policy, why) = (id.clone(), why.to_owned());
                out.push(PolicyEffect::Note(Fact::PolicyInvalid { policy, why }));
            }
        }
        let snapshot = Arc::new(snapshot);
        // First the message, then the fact: by the fact the host calls the node ready, and a review
        // that comes then must stand behind the policies in the admission actor's mailbox.
        out.push(PolicyEffect::Publish(Arc::clone(&snapshot)));
        out.push(PolicyEffect::Note(Fact::PoliciesPublished {
            policies: u32::try_from(self.policies.len()).unwrap_or(u32::MAX),
            revision: snapshot.revision,
        }));
        self.published = Some(snapshot);
    }

    pub(super) fn snapshot(&self, revision: u64) -> PolicySnapshot {
        let mut cluster = Vec::new();
        let mut namespaces: BTreeMap<String, Vec<Policy>> = BTreeMap::new();
        for (id, parsed) in &self.policies {
            let policy = Policy { id: id.clone(), rules: self.state(id, parsed) };
            match &id.namespace {
                None => cluster.push(policy),
                Some(namespace) => namespaces.entry(namespace.clone()).or_default().push(policy),
            }
        }
        bound(&mut cluster);
        namespaces.values_mut().for_each(|scope| bound(scope));
        PolicySnapshot { cluster, namespaces, revision, watched: self.watched }
    }

    fn state(&self, id: &PolicyRef, parsed: &Result<Vec<ParsedRule>, String>) -> PolicyState {
        // Leaving some policies out could allow what they deny, so too many deny everything.
        if self.policies.len() > limits::OBJECTS || self.secrets.len() > limits::OBJECTS {
            return PolicyState::Invalid(format!(
                "the cluster holds more than {} policies or signer Secrets",
                limits::OBJECTS
            ));
        }
        match parsed {
            Err(_) if planted::is(Bug::InvalidPolicyEmpty) => PolicyState::Valid(Vec::new()),
            Err(why) => PolicyState::Invalid(why.clone()),
            Ok(rules) => PolicyState::Valid(rules.iter().map(|rule| self.rule(id, rule)).collect()),
        }
    }

    fn rule(&self, id: &PolicyRef, parsed: &ParsedRule) -> Rule {
        Rule {
            mode: parsed.mode,
            mutate_image: parsed.mutate_image,
            pattern: parsed.pattern.clone(),
            trust: parsed.trust.as_ref().map(|trust| self.requirement(id, trust)),
        }
    }

    /// Looks up the signers: of a ClusterImagePolicy in the operator's namespace, for whoever may
    /// write Secrets in the workload's could choose the key; an ImagePolicy's stand beside it.
    fn requirement(&self, id: &PolicyRef, trust: &ParsedTrust) -> TrustRequirement {
        let own = id.namespace.as_ref().filter(|_| !planted::is(Bug::SignerNamespaceIgnored));
        let namespace = own.unwrap_or(&self.operator_namespace);
        let mut signers: Vec<_> = trust
            .signer_secrets
            .iter()
            .map(|secret| SignerRequirement {
                key: self
                    .secrets
                    .get(&(namespace.clone(), secret.clone()))
                    .cloned()
                    .unwrap_or(SignerKey::Missing),
                secret: format!("{namespace}/{secret}"),
            })
            .collect();
        signers.extend(
            trust
                .signers
                .iter()
                .map(|key| SignerRequirement { key: key.clone(), secret: String::new() }),
        );
        signers.sort();
        signers.dedup();
        TrustRequirement {
            freshness: trust.freshness,
            max_staleness: trust.max_staleness,
            pins: trust.pins.clone(),
            server: trust.server.clone(),
            signers,
            strict_roles: trust.strict_roles,
        }
    }
}

/// Keeps whoever may write policies in one namespace from slowing the decisions of all others.
fn bound(scope: &mut [Policy]) {
    let rules = |policy: &Policy| match &policy.rules {
        PolicyState::Invalid(_) => 0,
        PolicyState::Valid(rules) => rules.len(),
    };
    if scope.iter().map(rules).sum::<usize>() > limits::RULES {
        for policy in scope {
            policy.rules = PolicyState::Invalid(format!(
                "the policies it stands among hold more than {} rules together",
                limits::RULES
            ));
        }
    }
}

/// The policies that are not understood, and why.
fn invalid(snapshot: &PolicySnapshot) -> BTreeMap<&PolicyRef, &str> {
    snapshot
        .cluster
        .iter()
        .chain(snapshot.namespaces.values().flatten())
        .filter_map(|policy| match &policy.rules {
            PolicyState::Invalid(why) => Some((&policy.id, why.as_str())),
            PolicyState::Valid(_) => None,
        })
        .collect()
}
