//! What is wrong with policies, or may be, found by the code that decides by them.
//!
//! Nothing is asked of any server, and nothing is guessed about which images there are: rules are
//! held against images made from their own patterns (see [`witness`]).

mod code;
mod pattern;
mod scope;
mod trust;
mod witness;

use portreeve_protocol::Settings;
use portreeve_protocol::decision::RuleRef;
use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::policy::{Policy, PolicyRef, PolicyState};

pub use code::{LintCode, Severity};

/// Something about a policy or one of its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: LintCode,
    /// What was seen, in a sentence.
    pub message: String,
    /// Which policy it is about; `None` if it is about all.
    pub policy: Option<PolicyRef>,
    /// Which rule of it.
    pub rule: Option<RuleRef>,
}

/// Looks at all policies among `objects`, as a node with these `settings` would understand them.
/// The findings stand in the order of policies, and within them of rules.
#[must_use]
pub fn lint(objects: &[SourceObject], settings: &Settings) -> Vec<Finding> {
    let snapshot = crate::policy::snapshot(objects, &settings.operator_namespace);
    let mut findings = Vec::new();
    if snapshot.cluster.is_empty() && snapshot.namespaces.is_empty() {
        let message = "no ImagePolicy and no ClusterImagePolicy was found".to_owned();
        let code = LintCode::NoPolicies;
        findings.push(Finding { code, message, policy: None, rule: None });
    }
    for scope in std::iter::once(&snapshot.cluster).chain(snapshot.namespaces.values()) {
        scope.iter().for_each(|policy| state(policy, &mut findings));
        let rules = scope::rules(scope);
        for rule in &rules {
            pattern::look(rule, &mut findings);
            trust::look(rule, objects, settings, &mut findings);
        }
        scope::look(&rules, &mut findings);
    }
    // By policy, then by rule; what is about a whole policy first.
    let place = |finding: &Finding| {
        let rule = finding.rule.as_ref().map(|rule| rule.index);
        let namespace = finding.policy.as_ref().map(|policy| policy.namespace.clone());
        (namespace, finding.policy.clone(), rule, finding.code)
    };
    findings.sort_by_key(place);
    findings
}

fn state(policy: &Policy, findings: &mut Vec<Finding>) {
    let (code, message) = match &policy.rules {
        PolicyState::Invalid(why) => {
            let unsupported = crate::policy::is_unsupported(why);
            let code = if unsupported { LintCode::NotSupported } else { LintCode::PolicyInvalid };
            (code, why.clone())
        }
        PolicyState::Valid(rules) if rules.is_empty() => {
            (LintCode::NoRules, "`spec.repositories` is empty".to_owned())
        }
        PolicyState::Valid(_) => return,
    };
    findings.push(Finding { code, message, policy: Some(policy.id.clone()), rule: None });
}
