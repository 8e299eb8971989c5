//! Which rules were looked at for an image, and why all but some lost.

use portreeve_machines::admission::pattern::Subject;
use portreeve_protocol::decision::RuleRef;
use portreeve_protocol::policy::{
    Policy, PolicySnapshot, PolicyState, SignerKey, SignerRequirement, TrustRequirement,
};
use portreeve_protocol::reference::ImageReference;

use super::{Candidate, Fate};

/// Rules told of one image at most.
const CANDIDATES: usize = 200;

/// The rules of `snapshot` that count in `namespace`, held against `image`; none for an image that
/// cannot be understood.
#[must_use]
pub fn of(snapshot: &PolicySnapshot, namespace: &str, image: &str) -> Vec<Candidate> {
    let Ok(reference) = image.parse::<ImageReference>() else { return Vec::new() };
    let subject = Subject::new(&reference);
    let own = snapshot.namespaces.get(namespace).filter(|own| !own.is_empty());
    let counting = own.unwrap_or(&snapshot.cluster);
    let best = rules(counting).filter_map(|(rule, _)| subject.fit(&rule.pattern)).max();
    let mut candidates: Vec<Candidate> = counting.iter().filter_map(invalid).collect();
    for (rule, asks) in rules(counting) {
        let fate = match subject.fit(&rule.pattern) {
            None => Fate::DoesNotCover,
            fit if fit == best => Fate::Decides,
            Some(_) => Fate::LessSpecific,
        };
        candidates.push(Candidate { asks, fate, rule });
    }
    if own.is_some() {
        let overruled = |(rule, asks)| Candidate { asks, fate: Fate::Overruled, rule };
        candidates.extend(rules(&snapshot.cluster).map(overruled));
    }
    candidates.truncate(CANDIDATES);
    candidates
}

fn invalid(policy: &Policy) -> Option<Candidate> {
    match &policy.rules {
        PolicyState::Invalid(why) => Some(Candidate {
            asks: "cannot be understood".to_owned(),
            fate: Fate::Invalid(why.clone()),
            rule: RuleRef { index: 0, pattern: String::new(), policy: policy.id.clone() },
        }),
        PolicyState::Valid(_) => None,
    }
}

fn rules(policies: &[Policy]) -> impl Iterator<Item = (RuleRef, String)> + '_ {
    policies.iter().flat_map(|policy| {
        let rules = match &policy.rules {
            PolicyState::Invalid(_) => &[][..],
            PolicyState::Valid(rules) => rules,
        };
        rules.iter().zip(0..).map(|(rule, index)| {
            let (pattern, policy) = (rule.pattern.clone(), policy.id.clone());
            (RuleRef { index, pattern, policy }, asks(rule.trust.as_ref()))
        })
    })
}

fn asks(trust: Option<&TrustRequirement>) -> String {
    let Some(trust) = trust else { return "asks for no trust".to_owned() };
    let mut text = "asks for signed data".to_owned();
    if let Some(server) = &trust.server {
        text.push_str(&format!(" at {server}"));
    }
    if !trust.signers.is_empty() {
        let signers: Vec<String> = trust.signers.iter().map(signer).collect();
        text.push_str(&format!(" by {}", signers.join(" and ")));
    }
    text
}

fn signer(signer: &SignerRequirement) -> String {
    match &signer.key {
        SignerKey::Invalid(why) => format!("Secret {} (unusable: {why})", signer.secret),
        SignerKey::Missing => format!("Secret {} (missing)", signer.secret),
        SignerKey::Usable { name, .. } => name.clone(),
    }
}
