//! Any text as the `spec` of a policy, given to the actor that reads policies.

use portreeve_machines::PolicyCache;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::policy::{
    Applied, PolicyEffect, PolicyInput, PolicyObject, Relisted, SourceObject,
};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef, PolicyState, Rule};
use portreeve_protocol::{
    ActorId, Delivery, EventId, Machine as _, NodeId, Now, Outbox, RULES_VERSION, Settings, Sha256,
    Wall,
};
use serde_json::Value;

use super::spelling::spelt_otherwise;

/// Reads `data` as a `spec`, in a whole list and as a change.
///
/// # Panics
/// If the same text is understood in two ways, if a rule is lost, if a demand for trust is lost, or
/// if order of members, blanks and escapes make a difference.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let listed = vec![PolicyInput::Relisted(Relisted { objects: vec![object(text)] })];
    let Some(state) = understood(listed.clone()) else { return };
    assert_eq!(understood(listed).as_ref(), Some(&state), "the same list, understood otherwise");
    let changed = vec![
        PolicyInput::Relisted(Relisted { objects: Vec::new() }),
        PolicyInput::Applied(Applied { object: object(text) }),
    ];
    assert_eq!(understood(changed).as_ref(), Some(&state), "as a change it means something else");

    let rules = match state {
        PolicyState::Invalid(why) => {
            assert!(!why.is_empty() && why.len() <= 4_096, "the author learns nothing: {why}");
            return;
        }
        PolicyState::Valid(rules) => rules,
    };
    // Serde's tree is limited in depth and in numbers where the reader skips what it does not know.
    let Ok(tree) = serde_json::from_str::<Value>(text) else { return };
    complete(&tree, &rules);
    let mut otherwise = String::new();
    spelt_otherwise(&tree, &mut otherwise);
    if otherwise.len() <= portreeve_protocol::limits::OBJECT_BYTES {
        let listed = PolicyInput::Relisted(Relisted { objects: vec![object(&otherwise)] });
        let state = understood(vec![listed]);
        assert_eq!(state, Some(PolicyState::Valid(rules)), "spelling matters: {otherwise}");
    }
}

/// Every entry of `spec.repositories` is a rule, and none asks for less than is written.
fn complete(spec: &Value, rules: &[Rule]) {
    let written = spec["repositories"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(written.len(), rules.len(), "a rule is lost: {spec}");
    for (written, rule) in written.iter().zip(rules) {
        assert_eq!(written["name"].as_str(), Some(rule.pattern.as_str()));
        let (policy, trust) = (&written["policy"], &written["policy"]["trust"]);
        let asked = trust["enabled"] == Value::Bool(true);
        assert_eq!(rule.trust.is_some(), asked, "trust is asked for or not: {written}");
        assert_eq!(rule.mutate_image, policy["mutateImage"] != Value::Bool(false));
        let Some(trust_rule) = &rule.trust else { continue };
        let strict = trust["strictRoles"] == Value::Bool(true);
        assert_eq!(trust_rule.strict_roles, strict, "{written}");
        let count = |member: &str| trust[member].as_array().map_or(0, Vec::len);
        let (secrets, inline) = (count("signerSecrets"), count("signers"));
        assert_eq!(trust_rule.signers.len(), secrets + inline, "a signer is lost: {written}");
    }
}

fn object(spec: &str) -> SourceObject {
    let id =
        PolicyRef { group: PolicyGroup::Portieris, name: "fuzzed".to_owned(), namespace: None };
    SourceObject::Policy(PolicyObject { id, resource_version: None, spec: spec.to_owned() })
}

/// What has become of the one policy at the end of `inputs`.
fn understood(inputs: Vec<PolicyInput>) -> Option<PolicyState> {
    let node: NodeId = "node".parse().ok()?;
    let mut machine = PolicyCache::new(&Started {
        build: "fuzz".to_owned(),
        incarnation: 1,
        jitter_seed: 1,
        node: node.clone(),
        restored: Restored::default(),
        rules: RULES_VERSION,
        settings: Settings::default(),
        settings_digest: Sha256::ZERO,
        wall: Wall(0),
    });
    let mut published = None;
    for (seq, input) in (1..).zip(&inputs) {
        let event = EventId { actor: ActorId::Policy, incarnation: 1, node: node.clone(), seq };
        let delivery = Delivery { event: event.clone(), now: Now::default(), root: event };
        let mut out = Outbox::default();
        machine.handle(&delivery, input, &mut out);
        for effect in out.into_effects() {
            match effect {
                PolicyEffect::Note(_) => {}
                PolicyEffect::Publish(snapshot) => published = Some(snapshot),
            }
        }
    }
    let published = published.filter(|snapshot| snapshot.cluster.len() == 1);
    assert!(published.is_some(), "one policy in, and not one out");
    published.and_then(|snapshot| snapshot.cluster.first().map(|policy| policy.rules.clone()))
}
