//! Which rules decide about an image.

use portreeve_protocol::decision::RuleRef;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{Policy, PolicySnapshot, PolicyState, Rule};
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{Denial, DenyCode};

use super::pattern::Subject;

/// The rules of the policies that count in a namespace: its own if it has any, else the cluster's.
#[derive(Debug)]
pub struct Scope<'a> {
    namespace: &'a str,
    own: bool,
    policies: &'a [Policy],
}

impl<'a> Scope<'a> {
    /// The policies that count in `namespace`.
    #[must_use]
    pub fn of(snapshot: &'a PolicySnapshot, namespace: &'a str) -> Self {
        match snapshot.namespaces.get(namespace).filter(|own| !own.is_empty()) {
            Some(own) if !planted::is(Bug::NamespacePoliciesIgnored) => {
                Self { namespace, own: true, policies: own }
            }
            Some(_) | None => Self { namespace, own: false, policies: &snapshot.cluster },
        }
    }

    /// The rules that fit `reference` most closely, in the order of the snapshot. All must hold.
    ///
    /// # Errors
    /// `PolicyInvalid` if one of the policies is not understood, for it might be what denies;
    /// `NoPolicy` if no rule fits.
    pub fn rules(&self, reference: &ImageReference) -> Result<Vec<(RuleRef, &'a Rule)>, Denial> {
        let subject = Subject::new(reference);
        let mut best = None;
        let mut winners: Vec<(RuleRef, &Rule)> = Vec::new();
        for policy in self.policies {
            let rules = match &policy.rules {
                PolicyState::Valid(rules) => rules,
                PolicyState::Invalid(why) => {
                    let detail = format!("{} cannot be understood: {why}", policy.id);
                    return Err(Denial::new(DenyCode::PolicyInvalid, detail));
                }
            };
            for (index, rule) in rules.iter().enumerate() {
                let Some(fit) = subject.fit(&rule.pattern) else { continue };
                if best.is_some() && (best > Some(fit)) != planted::is(Bug::LoosestRuleWins) {
                    continue;
                }
                if best != Some(fit) || planted::is(Bug::LastRuleOnly) {
                    best = Some(fit);
                    winners.clear();
                }
                let id = RuleRef {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    pattern: rule.pattern.clone(),
                    policy: policy.id.clone(),
                };
                winners.push((id, rule));
            }
        }
        if winners.is_empty() && !planted::is(Bug::UncoveredAllowed) {
            Err(self.no_rule(reference))
        } else {
            Ok(winners)
        }
    }

    fn no_rule(&self, reference: &ImageReference) -> Denial {
        let detail = match (self.own, self.policies.is_empty()) {
            (true, _) => format!(
                "no rule of the ImagePolicies in namespace `{}` covers {reference}",
                self.namespace
            ),
            (false, false) => format!("no rule of the ClusterImagePolicies covers {reference}"),
            (false, true) => format!(
                "there is no ImagePolicy in namespace `{}` and no ClusterImagePolicy",
                self.namespace
            ),
        };
        Denial::new(DenyCode::NoPolicy, detail)
    }
}
