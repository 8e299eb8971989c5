//! The audit annotations of a decision. Those that its verdicts say are made of them, and of
//! nothing else, so a record of the decision need not hold them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::policy::PolicyRef;
use crate::shown::{BETWEEN, cut, listed, shown};
use crate::{ContainerVerdict, Decision, limits};

/// The annotation that lists the policies whose rules decided.
const POLICY: &str = "policy";
/// The annotation that lists the digests of verified images, each with its container.
const DIGESTS: &str = "digests";

impl Decision {
    /// All audit annotations, without the webhook's prefix; the host adds the event and the hash of
    /// its record.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<&str, Cow<'_, str>> {
        let own = self.audit.iter().map(|(name, text)| (name.as_str(), text.as_str().into()));
        let mut all: BTreeMap<&str, Cow<'_, str>> = own.collect();
        for (name, list) in [(POLICY, self.policies()), (DIGESTS, self.digests())] {
            if !list.is_empty() {
                all.insert(name, list.into());
            }
        }
        all
    }

    /// Drops what is made of the verdicts: up to schema 5 a decision held that as well.
    pub(crate) fn forget_derived(&mut self) {
        self.audit.remove(POLICY);
        self.audit.remove(DIGESTS);
    }

    /// The policies whose rules decided, in words; sorted, equal ones once.
    fn policies(&self) -> String {
        let rules = self.verdicts.iter().flat_map(|verdict| verdict.rules.iter());
        let policies: BTreeSet<&PolicyRef> = rules.map(|rule| &rule.policy).collect();
        let named = |policy: &PolicyRef| format!("{policy} ({})", policy.group.name());
        let mut policies: Vec<String> = policies.into_iter().map(named).collect();
        policies.sort_unstable();
        policies.dedup();
        listed(&policies)
    }

    /// The digests that images were verified to have, in the order of the verdicts.
    fn digests(&self) -> String {
        let mut list = String::new();
        for ContainerVerdict { container, verdict, .. } in &self.verdicts {
            let Some(digest) = verdict.digest() else { continue };
            let between = if list.is_empty() { "" } else { BETWEEN };
            for text in [between, &shown(container), "=", &digest.to_oci()] {
                list.push_str(text);
            }
        }
        cut(list, limits::MESSAGE_BYTES)
    }
}
