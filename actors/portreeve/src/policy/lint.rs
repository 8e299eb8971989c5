//! `portreeve policy lint`: tells what was found.

use portreeve_machines::lint::{Finding, Severity, lint};
use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::policy::PolicyRef;
use serde::Serialize;

use super::args::LintArgs;
use super::{json, source};
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};

/// Columns of the severities and codes.
const SEVERITY: usize = 8;
const CODE: usize = 25;

/// The object of `--json`.
#[derive(Serialize)]
struct Page<'a> {
    findings: Vec<FindingView<'a>>,
    policies: usize,
}

#[derive(Serialize)]
struct FindingView<'a> {
    advice: &'static str,
    code: &'static str,
    message: &'a str,
    policy: Option<PolicyView<'a>>,
    rule: Option<RuleView<'a>>,
    severity: &'static str,
}

#[derive(Serialize)]
struct PolicyView<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
struct RuleView<'a> {
    index: u32,
    pattern: &'a str,
}

/// Looks, and tells.
pub(super) fn run(args: &LintArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let source = source::read(&args.source, &args.files)?;
    let mut findings = lint(&source.objects, &source.settings);
    findings.retain(|finding| finding.code.severity() >= args.severity.least());
    let policies = source.objects.iter().filter(|it| matches!(it, SourceObject::Policy(_)));
    let policies = policies.count();
    if args.source.json {
        let findings = findings.iter().map(view).collect();
        terminal.line(&json(&Page { findings, policies })?);
    } else {
        show(&findings, policies, terminal);
    }
    Ok(if findings.is_empty() { Outcome::Good } else { Outcome::Negative })
}

fn view(finding: &Finding) -> FindingView<'_> {
    FindingView {
        advice: finding.code.advice(),
        code: finding.code.code(),
        message: &finding.message,
        policy: finding.policy.as_ref().map(policy),
        rule: finding
            .rule
            .as_ref()
            .map(|rule| RuleView { index: rule.index, pattern: &rule.pattern }),
        severity: finding.code.severity().name(),
    }
}

fn policy(policy: &PolicyRef) -> PolicyView<'_> {
    let namespaced = policy.namespace.is_some();
    PolicyView {
        group: policy.group.name(),
        kind: if namespaced { "ImagePolicy" } else { "ClusterImagePolicy" },
        name: &policy.name,
        namespace: policy.namespace.as_deref(),
    }
}

fn show(findings: &[Finding], policies: usize, terminal: &Terminal) {
    if !findings.is_empty() {
        let heading = format!("{:SEVERITY$}  {:CODE$}  {}", "SEVERITY", "CODE", "WHERE");
        terminal.styled(Style::Heading, &heading);
    }
    for finding in findings {
        let severity = finding.code.severity();
        let style = match severity {
            Severity::Error => Some(Style::Bad),
            Severity::Note => Some(Style::Quiet),
            Severity::Warning => None,
        };
        let code = format!("  {:CODE$}  ", finding.code.code());
        let at = place(finding);
        let severity = format!("{:SEVERITY$}", severity.name());
        terminal.pieces([(style, severity.as_str()), (None, code.as_str()), (None, at.as_str())]);
        terminal
            .paragraph(SEVERITY + 2, &format!("{}. {}", finding.message, finding.code.advice()));
    }
    let of = |severity| {
        let found = findings.iter().filter(|finding| finding.code.severity() == severity);
        counted(found.count(), severity.name())
    };
    let policies = if policies == 1 { "1 policy".into() } else { format!("{policies} policies") };
    if findings.is_empty() {
        terminal.styled(Style::Good, &format!("{policies}: nothing was found"));
    } else {
        let found = Severity::ALL.into_iter().rev().map(of).collect::<Vec<_>>().join(", ");
        terminal.line(&format!("{policies}: {found}"));
    }
}

fn place(finding: &Finding) -> String {
    match (&finding.policy, &finding.rule) {
        (_, Some(rule)) => format!("{}, rule {}: `{}`", rule.policy, rule.index, rule.pattern),
        (Some(policy), None) => policy.to_string(),
        (None, None) => "all policies".to_owned(),
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
