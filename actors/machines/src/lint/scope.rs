//! Rules that stand in each other's way.

use portreeve_protocol::decision::RuleRef;
use portreeve_protocol::policy::{Policy, PolicyGroup, PolicyState, Rule};

use super::witness::{Witness, common, witnesses};
use super::{Finding, LintCode};

/// In scopes of more rules, one image that a rule decides about is enough.
const MANY: usize = 256;

/// A rule, and images that it covers.
pub(super) struct Placed<'a> {
    pub(super) id: RuleRef,
    pub(super) rule: &'a Rule,
    pub(super) witnesses: Vec<Witness>,
}

impl Placed<'_> {
    /// A finding about this rule.
    pub(super) fn finding(&self, code: LintCode, message: String) -> Finding {
        let (policy, rule) = (Some(self.id.policy.clone()), Some(self.id.clone()));
        Finding { code, message, policy, rule }
    }

    fn named(&self) -> String {
        let RuleRef { index, pattern, policy } = &self.id;
        // Of two policies of one name, one in each group, both may hold.
        let group = match policy.group {
            PolicyGroup::Portieris => String::new(),
            old @ PolicyGroup::SecurityEnforcement => format!(" ({})", old.name()),
        };
        format!("rule {index} (`{pattern}`) of {policy}{group}")
    }

    fn asks_as(&self, other: &Self) -> bool {
        let asked = |rule: &Rule| (rule.mode, rule.mutate_image, rule.trust.clone());
        asked(self.rule) == asked(other.rule)
    }
}

/// The rules that count together, in the order of policies.
pub(super) fn rules(scope: &[Policy]) -> Vec<Placed<'_>> {
    let rules = scope.iter().flat_map(|policy| {
        let rules = match &policy.rules {
            PolicyState::Invalid(_) => &[][..],
            PolicyState::Valid(rules) => rules,
        };
        rules.iter().zip(0..).map(|(rule, index)| {
            let (pattern, policy) = (rule.pattern.clone(), policy.id.clone());
            let witnesses = witnesses(&pattern);
            Placed { id: RuleRef { index, pattern, policy }, rule, witnesses }
        })
    });
    rules.collect()
}

/// Looks for rules that never decide, and for those that decide together.
pub(super) fn look(rules: &[Placed<'_>], findings: &mut Vec<Finding>) {
    let many = rules.len() > MANY;
    let mut pairs = Vec::new();
    for (own, rule) in rules.iter().enumerate() {
        let mut shadow = None;
        let mut wins = rule.witnesses.is_empty();
        for witness in &rule.witnesses {
            let winners = winners(rules, witness);
            if winners.contains(&own) {
                wins = true;
                pairs.extend(winners.iter().filter(|it| **it < own).map(|it| (*it, own)));
                if many {
                    break;
                }
            } else {
                shadow = shadow.or_else(|| winners.first().copied());
            }
        }
        if let (false, Some(shadow)) = (wins, shadow) {
            let message = format!("{} fits more closely", rules[shadow].named());
            findings.push(rule.finding(LintCode::NeverWins, message));
        }
        if !many {
            let others = (0..own).filter(|other| overlap(rules, *other, own));
            pairs.extend(others.map(|other| (other, own)));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    findings.extend(pairs.iter().map(|(one, other)| together(&rules[*one], &rules[*other])));
}

/// The places of the rules that decide about an image.
fn winners(rules: &[Placed<'_>], witness: &Witness) -> Vec<usize> {
    let mut best = None;
    let mut winners = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let fit = witness.subject.fit(&rule.id.pattern);
        if fit.is_none() || fit < best {
            continue;
        }
        if fit > best {
            best = fit;
            winners.clear();
        }
        winners.push(place);
    }
    winners
}

/// Whether two patterns, neither of which covers all of the other, decide about an image together.
fn overlap(rules: &[Placed<'_>], one: usize, other: usize) -> bool {
    let images = common(&rules[one].id.pattern, &rules[other].id.pattern);
    images.iter().any(|image| {
        let winners = winners(rules, image);
        winners.contains(&one) && winners.contains(&other)
    })
}

fn together(one: &Placed<'_>, other: &Placed<'_>) -> Finding {
    let first = one.named();
    if one.asks_as(other) {
        let message = format!("{first} fits the same images equally closely and asks for the same");
        return other.finding(LintCode::Duplicate, message);
    }
    let trust = match (&one.rule.trust, &other.rule.trust) {
        (None, None) => "they differ in `mode` or `mutateImage`",
        (None, Some(_)) | (Some(_), None) => {
            "one asks for trust and the other does not, so it is \
                                              required"
        }
        (Some(_), Some(_)) => "what both ask for is required",
    };
    let message = format!("{first} fits equally closely: {trust}");
    other.finding(LintCode::Conflict, message)
}
