//! `portreeve policy test`: which rules decide about an image.

use portreeve_machines::admission::select::Scope;
use portreeve_machines::admission::server::trust_server;
use portreeve_machines::policy::snapshot;
use portreeve_protocol::Denial;
use portreeve_protocol::reference::ImageReference;
use portreeve_replay::explain::{Candidate, Fate, candidates};
use serde::Serialize;

use super::args::TestArgs;
use super::{json, source};
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};

/// The object of `--json`.
#[derive(Serialize)]
struct Page {
    /// Why the image is denied whatever its trust data says; `null` if rules decide.
    code: Option<&'static str>,
    explanation: Option<String>,
    /// The image in full.
    image: String,
    namespace: String,
    rules: Vec<RuleView>,
}

#[derive(Serialize)]
struct RuleView {
    /// What the rule asks for, in words.
    asks: String,
    /// `decides`, `does-not-cover`, `invalid`, `less-specific` or `overruled`.
    fate: &'static str,
    /// The API group of its policy.
    group: &'static str,
    index: u32,
    pattern: String,
    policy: String,
    /// The trust server that a rule which decides has asked.
    server: Option<String>,
}

/// Looks, and tells.
pub(super) fn run(args: &TestArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let image: ImageReference = args.image.parse().map_err(|why| CommandError::Usage {
        flag: "IMAGE",
        text: args.image.clone(),
        why: format!("{why}"),
    })?;
    let source = source::read(&args.source, &args.policy)?;
    let policies = snapshot(&source.objects, &source.settings.operator_namespace);
    let winners = Scope::of(&policies, &args.namespace).rules(&image);
    let server = |candidate: &Candidate| {
        let winner = winners.as_ref().ok()?.iter().find(|(id, _)| *id == candidate.rule)?;
        let trust = winner.1.trust.as_ref()?;
        Some(match trust_server(&source.settings, trust, &image) {
            Ok((server, _)) => server,
            Err(denial) => format!("none, so it is denied: {}", denial.detail),
        })
    };
    let rules: Vec<(Candidate, Option<String>)> =
        candidates(&policies, &args.namespace, &args.image)
            .into_iter()
            .map(|candidate| (server(&candidate), candidate))
            .map(|(server, candidate)| (candidate, server))
            .collect();
    let denial = winners.as_ref().err();
    if args.source.json {
        let rules = rules.into_iter().map(view).collect();
        terminal.line(&json(&Page {
            code: denial.map(|denial| denial.code.code()),
            explanation: denial.map(|denial| denial.detail.clone()),
            image: image.to_string(),
            namespace: args.namespace.clone(),
            rules,
        })?);
    } else {
        show(&image, &args.namespace, denial, &rules, terminal);
    }
    Ok(if denial.is_none() { Outcome::Good } else { Outcome::Negative })
}

fn view((candidate, server): (Candidate, Option<String>)) -> RuleView {
    let fate = match candidate.fate {
        Fate::Decides => "decides",
        Fate::DoesNotCover => "does-not-cover",
        Fate::Invalid(_) => "invalid",
        Fate::LessSpecific => "less-specific",
        Fate::Overruled => "overruled",
    };
    let rule = candidate.rule;
    let (index, pattern) = (rule.index, rule.pattern);
    let (group, policy) = (rule.policy.group.name(), rule.policy.to_string());
    RuleView { asks: candidate.asks, fate, group, index, pattern, policy, server }
}

fn show(
    image: &ImageReference,
    namespace: &str,
    denial: Option<&Denial>,
    rules: &[(Candidate, Option<String>)],
    terminal: &Terminal,
) {
    terminal.styled(Style::Heading, &format!("{image} in namespace {namespace}"));
    if let Some(denial) = denial {
        terminal.styled(Style::Bad, &format!("  denied {}: {}", denial.code.code(), denial.detail));
        terminal.paragraph(2, denial.code.advice());
    }
    // If a policy is invalid, none of the others decides.
    let decides = |fate: &Fate| denial.is_none() && matches!(fate, Fate::Decides);
    for (candidate, server) in rules.iter().filter(|(candidate, _)| decides(&candidate.fate)) {
        terminal.styled(Style::Good, &format!("  {candidate}"));
        if let Some(server) = server {
            terminal.line(&format!("    trust server {server}"));
        }
    }
    for (candidate, _) in rules.iter().filter(|(candidate, _)| !decides(&candidate.fate)) {
        terminal.styled(Style::Quiet, &format!("  {candidate}"));
    }
}
