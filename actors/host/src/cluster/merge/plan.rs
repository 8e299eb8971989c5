//! Which Secrets have to be watched for the policies there are.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::limits;
use portreeve_protocol::policy::PolicyRef;

use crate::cluster::origin::{is_namespace, is_object_name};

/// The Secrets to watch, and the policies that ask for too many of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Why a policy cannot be obeyed.
    pub(super) refused: BTreeMap<PolicyRef, String>,
    /// Namespace and name.
    pub(super) wanted: BTreeSet<(String, String)>,
}

/// A policy and the names of the Secrets it asks for.
pub(super) type Asking<'a> = (&'a PolicyRef, &'a BTreeSet<String>);

impl Plan {
    /// Plans for `policies`. Each Secret costs a connection, so there are bounds: first within a
    /// namespace, then over all, where the operator's namespace comes first and then those that ask
    /// for least, so that nobody is refused for what others ask for, as long as that can be.
    pub(super) fn of<'a>(
        policies: impl Iterator<Item = Asking<'a>>,
        operator_namespace: &str,
    ) -> Self {
        let mut spaces: BTreeMap<&str, Vec<Asking<'a>>> = BTreeMap::new();
        let policies: Vec<_> = policies.collect();
        for (policy, names) in &policies {
            let namespace = policy.namespace.as_deref().unwrap_or(operator_namespace);
            spaces.entry(namespace).or_default().push((policy, names));
        }
        let mut order: Vec<_> = spaces.into_iter().collect();
        order.sort_by_key(|(namespace, asking)| {
            (*namespace != operator_namespace, distinct(asking), *namespace)
        });
        let mut plan = Self::default();
        for (namespace, asking) in order {
            plan.add(namespace, &asking);
        }
        plan
    }

    fn add(&mut self, namespace: &str, asking: &[Asking<'_>]) {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for (policy, names) in asking {
            let fresh = names.iter().map(String::as_str);
            let fresh: Vec<_> =
                fresh.filter(|it| is_object_name(it) && !taken.contains(it)).collect();
            if taken.len() + fresh.len() > limits::WATCHED_SECRETS_PER_NAMESPACE {
                let most = limits::WATCHED_SECRETS_PER_NAMESPACE;
                let why = format!(
                    "the policies that take signers from namespace `{namespace}` name more than \
                     {most} Secrets together"
                );
                self.refused.insert(PolicyRef::clone(policy), why);
            } else if self.wanted.len() + taken.len() + fresh.len() > limits::WATCHED_SECRETS {
                let most = limits::WATCHED_SECRETS;
                let why = format!("all policies name more than {most} Secrets together");
                self.refused.insert(PolicyRef::clone(policy), why);
            } else {
                taken.extend(fresh);
            }
        }
        if is_namespace(namespace) {
            let taken = taken.into_iter().map(|name| (namespace.to_owned(), name.to_owned()));
            self.wanted.extend(taken);
        }
    }
}

fn distinct(asking: &[Asking<'_>]) -> usize {
    asking.iter().flat_map(|(_, names)| *names).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::policy::PolicyGroup;

    use super::*;

    fn policy(namespace: Option<&str>, name: &str) -> PolicyRef {
        let namespace = namespace.map(str::to_owned);
        PolicyRef { group: PolicyGroup::Portieris, name: name.to_owned(), namespace }
    }

    fn names(prefix: &str, count: usize) -> BTreeSet<String> {
        (0..count).map(|number| format!("{prefix}-{number}")).collect()
    }

    #[test]
    fn cluster_policies_take_secrets_from_the_operators_namespace_and_others_from_their_own() {
        let (cluster, own) = (policy(None, "all"), policy(Some("shop"), "own"));
        let (alice, bob) = (BTreeSet::from(["alice".to_owned()]), BTreeSet::from(["bob".into()]));
        let plan = Plan::of([(&cluster, &alice), (&own, &bob)].into_iter(), "portreeve");
        let expected = [("portreeve", "alice"), ("shop", "bob")];
        let expected = expected.map(|(namespace, name)| (namespace.into(), name.into()));
        assert_eq!(plan, Plan { refused: BTreeMap::new(), wanted: expected.into() });
    }

    #[test]
    fn a_name_that_no_secret_can_have_is_not_asked_for() {
        let own = policy(Some("shop"), "own");
        let asked = BTreeSet::from(["a,b=c".to_owned(), String::new(), "../x".to_owned()]);
        assert_eq!(Plan::of([(&own, &asked)].into_iter(), "portreeve"), Plan::default());
    }

    #[test]
    fn a_namespace_that_asks_for_too_many_secrets_is_refused_alone() {
        let most = limits::WATCHED_SECRETS_PER_NAMESPACE;
        let (greedy, more) = (policy(Some("a"), "greedy"), policy(Some("a"), "more"));
        let other = policy(Some("b"), "other");
        let (many, one) = (names("many", most), names("one", 1));
        let asking = [(&greedy, &many), (&more, &one), (&other, &one)];
        let plan = Plan::of(asking.into_iter(), "portreeve");
        assert_eq!(plan.refused.keys().collect::<Vec<_>>(), [&more]);
        assert_eq!(plan.wanted.len(), most + 1);
        assert!(plan.wanted.contains(&("b".to_owned(), "one-0".to_owned())));
    }

    #[test]
    fn where_all_ask_for_too_much_the_operator_and_the_modest_are_served_first() {
        let most = limits::WATCHED_SECRETS_PER_NAMESPACE;
        let spaces = limits::WATCHED_SECRETS / most;
        let policies: Vec<_> =
            (0..spaces).map(|number| policy(Some(&format!("greedy-{number:02}")), "all")).collect();
        let (many, one) = (names("many", most), names("one", 1));
        let (modest, cluster) = (policy(Some("zoo"), "modest"), policy(None, "cluster"));
        let asking = policies.iter().map(|policy| (policy, &many));
        let asking = asking.chain([(&modest, &one), (&cluster, &one)]);
        let plan = Plan::of(asking, "zzz-operator");
        assert_eq!(plan.refused.keys().collect::<Vec<_>>(), [&policies[spaces - 1]]);
        assert!(plan.wanted.contains(&("zoo".to_owned(), "one-0".to_owned())));
        assert!(plan.wanted.contains(&("zzz-operator".to_owned(), "one-0".to_owned())));
    }
}
