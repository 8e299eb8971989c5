//! How policies and signer Secrets change during a run.

use super::estate::{Estate, KEYS, OTHER_KEYS};
use super::mix::{Mix, Odd};
use super::rules::{BASE, Drawer};
use crate::rng::{Rng, Streams};
use crate::scenario::{PolicyChange, PolicyEvent, PolicyPlan, SignerPlan};

/// How what the API server holds changes, in order.
pub(super) fn draw(
    streams: &Streams,
    mix: &Mix,
    estate: &Estate,
    policies: &[PolicyPlan],
) -> Vec<PolicyChange> {
    let rng = &mut streams.stream("swarm/churn");
    let mut changes = Vec::new();
    let most = if rng.chance(600) { rng.log_between(1, 16) } else { 0 };
    for index in 0..most {
        let rng = &mut streams.stream(&format!("swarm/churn/{index}"));
        let at = rng.below(estate.lasts);
        let back = rng.between(at, estate.lasts) + 1;
        let mut push = |at, what| changes.push(PolicyChange { at, what });
        if rng.chance(300) {
            let Some(signer) = rng.pick(&estate.signers) else { continue };
            push(at, signer_event(signer, rng));
            if rng.chance(700) {
                push(back, PolicyEvent::ApplySigner(signer.clone()));
            }
            continue;
        }
        let Some(policy) = rng.pick(policies) else { continue };
        if mix.now(Odd::MalformedPolicy, rng) {
            push(at, PolicyEvent::Apply(PolicyPlan { malformed: true, ..policy.clone() }));
            push(back, PolicyEvent::Apply(policy.clone()));
        } else if rng.chance(450) {
            push(at, PolicyEvent::Delete(policy.id()));
            // Without the first one hardly anything would be allowed.
            if policy.namespace.is_none() && policy.name == BASE || rng.chance(300) {
                push(back, PolicyEvent::Apply(policy.clone()));
            }
        } else {
            let namespace = policy.namespace.as_deref();
            let group = policy.group;
            let plan = Drawer { estate, mix, rng }.policy(&policy.name, namespace);
            push(at, PolicyEvent::Apply(PolicyPlan { group, ..plan }));
        }
    }
    changes.sort_by_key(|change| change.at);
    changes
}

/// A Secret is deleted, or comes to hold another key.
fn signer_event(signer: &SignerPlan, rng: &mut Rng) -> PolicyEvent {
    if rng.chance(500) {
        let (namespace, secret) = (signer.namespace.clone(), signer.secret.clone());
        return PolicyEvent::DeleteSigner { namespace, secret };
    }
    let keys = if signer.keys == KEYS { OTHER_KEYS } else { KEYS };
    PolicyEvent::ApplySigner(SignerPlan { keys, ..signer.clone() })
}
