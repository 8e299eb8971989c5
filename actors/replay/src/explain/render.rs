//! An explanation as plain text.

use std::fmt;

use portreeve_protocol::decision::{ContainerVerdict, RuleRef, SealOf, Verified};
use portreeve_protocol::evidence::RoleEvidence;
use portreeve_protocol::letter::steers;
use portreeve_protocol::{Admitted, Decision, DenyCode, NewSeal, Sha256, Verdict};

use super::select::refused;
use super::text::{counted, millis, refusal, subject};
use super::{
    AnswerState, Candidate, ContainerExplanation, CredentialUse, Explanation, Fate, StateAge,
    TrustSource,
};

/// Columns that are always assumed.
const NARROWEST: usize = 40;
/// Hexadecimal digits shown of a key id.
const SHORT: usize = 12;

/// A piece of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// One or more lines, each with its end.
    pub text: String,
    /// How it is to be shown where colours may be used.
    pub tone: Tone,
}

/// How a piece of text is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Bad news.
    Bad,
    /// Good news.
    Good,
    /// A heading.
    Heading,
    /// Like most text.
    Plain,
    /// Less important than most.
    Quiet,
}

/// Lines under construction.
struct Page {
    paragraphs: Vec<Paragraph>,
    width: usize,
}

impl Page {
    fn blank(&mut self) {
        self.paragraphs.push(Paragraph { text: "\n".to_owned(), tone: Tone::Plain });
    }

    /// One paragraph: its first line begins with `label`, the others under its text.
    fn item(&mut self, indent: usize, label: &str, text: &str) {
        self.toned(Tone::Plain, indent, label, text);
    }

    fn toned(&mut self, tone: Tone, indent: usize, label: &str, text: &str) {
        let mut lines = String::new();
        let mut line = format!("{}{label}", " ".repeat(indent));
        let hang = line.chars().count();
        let mut empty = true;
        for word in escaped(text).split(' ') {
            let length = line.chars().count() + usize::from(!empty) + word.chars().count();
            if !empty && length > self.width {
                lines.push_str(line.trim_end());
                lines.push('\n');
                line = " ".repeat(hang);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
        self.paragraphs.push(Paragraph { text: lines, tone });
    }
}

/// What others wrote must not steer a terminal.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

pub(super) fn render(told: &Explanation, width: usize) -> Vec<Paragraph> {
    let mut page = Page { paragraphs: Vec::new(), width: width.max(NARROWEST) };
    head(told, &mut page);
    for container in &told.containers {
        page.blank();
        image(container, &mut page);
    }
    if let Some(decision) = &told.decision {
        change(decision, &mut page);
    }
    events(told, &mut page);
    page.paragraphs
}

/// What is changed in the object, and what is told to the API server.
fn change(decision: &Decision, page: &mut Page) {
    let annotations = decision.annotations();
    if decision.patches() || decision.seal.is_some() || !annotations.is_empty() {
        page.blank();
    }
    if let Some(patch) = decision.patch() {
        page.item(0, "Patch    ", &patch);
    }
    if let Some(seal) = &decision.seal {
        let NewSeal { kind, name, namespace, .. } = seal;
        let text = format!("for {kind} {name} in {namespace}, claims {}", seal.digest());
        page.item(0, "Seal     ", &text);
    }
    for (name, value) in &annotations {
        page.item(0, "Audit    ", &format!("{name}: {value}"));
    }
}

fn events(told: &Explanation, page: &mut Page) {
    page.blank();
    page.toned(Tone::Heading, 0, "Events", "");
    for line in &told.events {
        let sign = if line.offset < 0 { '-' } else { '+' };
        let offset = format!("{sign}{}", millis(line.offset.unsigned_abs()));
        let below = "  ".repeat(line.depth.min(12) as usize);
        let other = if line.shared { " (asked for by another review)" } else { "" };
        let text = format!("{} [{}]{other}", line.text, line.event);
        let tone = if line.shared { Tone::Quiet } else { Tone::Plain };
        page.toned(tone, 2, &format!("{offset:>14}  {below}"), &text);
    }
    if told.events_cut {
        page.item(2, "", "and more");
    }
}

/// The decision in three lines.
fn head(told: &Explanation, page: &mut Page) {
    let verdict = match &told.decision {
        Some(decision) => match &decision.denial {
            None => "allowed".to_owned(),
            Some(denial) if decision.allowed => format!("allowed in spite of {}", refusal(denial)),
            Some(denial) => format!("denied {}", refusal(denial)),
        },
        None if told.panicked => "not decided: the machine panicked on it".to_owned(),
        None => "not decided in this journal".to_owned(),
    };
    page.toned(
        Tone::Heading,
        0,
        "Review   ",
        &format!("{}, uid {}", subject(&told.facts), told.facts.uid),
    );
    let allowed = told.decision.as_ref().is_some_and(|decision| decision.allowed);
    let tone = if allowed { Tone::Good } else { Tone::Bad };
    page.toned(tone, 0, "Decision ", &verdict);
    let mut course = format!(
        "received {} in {} ({} line {})",
        told.received, told.review, told.segment, told.line
    );
    if let (Some(micros), Some(event), Some(decision)) =
        (told.micros, &told.decided_by, &told.decision)
    {
        course.push_str(&format!(
            "; decided after {} in {event} under policy revision {}",
            millis(micros),
            decision.policy_revision
        ));
    }
    if told.policies_watched == Some(false) {
        course.push_str(", while the policies were not being watched");
    }
    page.item(0, "Course   ", &format!("{course}; {}", answer(&told.answer)));
    if let Some(bundle) = told.decision.as_ref().and_then(|decision| decision.bundle) {
        let expired = if bundle.expired { ", which had expired" } else { "" };
        let text = format!("version {} ({}){expired}", bundle.version, bundle.digest.to_oci());
        page.item(0, "Bundle   ", &text);
    }
    for warning in told.decision.iter().flat_map(|decision| &decision.warnings) {
        page.item(0, "Warning  ", warning);
    }
}

fn answer(answer: &AnswerState) -> String {
    match answer {
        AnswerState::NotRecorded => "no answer is recorded".to_owned(),
        AnswerState::Sent { allowed: true, wall, .. } => format!("answered with allow at {wall}"),
        AnswerState::Sent { allowed: false, code, wall } => {
            let code = code.map_or("no code", DenyCode::code);
            format!("answered with deny {code} at {wall}")
        }
        AnswerState::UnknownOrDenied => {
            "answer unknown or denied: the journal has a gap".to_owned()
        }
    }
}

fn image(container: &ContainerExplanation, page: &mut Page) {
    let ContainerVerdict { container: name, image, pointer, rules, verdict } = &container.verdict;
    let image = if image.is_empty() { "none" } else { image };
    let text = format!("{image} of container {name} ({pointer})");
    page.toned(Tone::Heading, 0, "Image    ", &text);
    judged(verdict, page);
    for rule in rules.iter() {
        page.item(2, "rule       ", &rule_text(rule));
    }
    for candidate in container.candidates.iter().filter(|it| it.fate != Fate::Decides) {
        page.toned(Tone::Quiet, 2, "candidate  ", &candidate.to_string());
    }
    page.item(2, "trust data ", &source(&container.source, container.state.as_ref()));
    credentials(container, page);
    if let Verdict::Allowed(Admitted::Verified(verified)) = verdict {
        evidence(verified, page);
        changed(&container.verdict, page);
    }
    if let Verdict::Allowed(Admitted::Sealed(sealed)) = verdict {
        page.item(
            2,
            "collection ",
            &format!("{}, sealed as {}", sealed.repository, sealed.reference),
        );
        changed(&container.verdict, page);
    }
    for digest in &container.missing_blobs {
        page.item(2, "missing    ", &format!("blob {digest} is not beside the journal any more"));
    }
}

/// What came of one image.
fn judged(verdict: &Verdict, page: &mut Page) {
    let (tone, text) = match verdict {
        Verdict::Allowed(Admitted::Blank) => (Tone::Plain, "allowed: it names no image yet".into()),
        Verdict::Allowed(Admitted::Sealed(sealed)) => {
            let by = match &sealed.by {
                SealOf::Earlier => "an earlier generation of the object".to_owned(),
                SealOf::Own => "the object itself".to_owned(),
                SealOf::Owner(kind, name) => format!("{kind} {name}"),
                SealOf::Running => "the object as it runs".to_owned(),
            };
            (Tone::Good, format!("allowed: {} by the seal of {by}", sealed.digest.to_oci()))
        }
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => {
            let why = refusal(&tolerated.denial);
            (Tone::Bad, format!("allowed, the rule only {}s: {why}", tolerated.mode.name()))
        }
        Verdict::Allowed(Admitted::Unchanged) => {
            (Tone::Plain, "allowed: the update leaves the image as it is".to_owned())
        }
        Verdict::Allowed(Admitted::TrustNotRequired) => {
            (Tone::Plain, "allowed: the rules ask for no trust".to_owned())
        }
        Verdict::Allowed(Admitted::Verified(verified)) => {
            (Tone::Good, format!("allowed: {} is signed", verified.digest.to_oci()))
        }
        Verdict::Denied(denial) => (Tone::Bad, format!("denied {}", refusal(denial))),
    };
    page.toned(tone, 2, "verdict    ", &text);
    if let Some(denial) = refused(verdict) {
        page.item(2, "advice     ", denial.code.advice());
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match &self.fate {
            Fate::Decides => "decides",
            Fate::DoesNotCover => "does not cover the image",
            Fate::Invalid(why) => {
                return write!(formatter, "{} is not obeyed: {why}", self.rule.policy);
            }
            Fate::LessSpecific => "covers it less closely",
            Fate::Overruled => "does not count, the namespace has policies of its own",
        };
        write!(formatter, "{} ({}): {why}", rule_text(&self.rule), self.asks)
    }
}

/// A rule as it is told to people.
fn rule_text(rule: &RuleRef) -> String {
    format!("{}, rule {}: `{}`", rule.policy, rule.index, rule.pattern)
}

/// The credentials by name, where a trust server was asked at all.
fn credentials(container: &ContainerExplanation, page: &mut Page) {
    for CredentialUse { accepted, credential } in &container.credentials {
        let fate = if *accepted { "accepted" } else { "offered, not seen to be accepted" };
        page.item(2, "credential ", &format!("{credential}: {fate}"));
    }
    if container.credentials.is_empty() && matches!(container.source, TrustSource::Fetched(_)) {
        page.item(2, "credential ", "none, asked anonymously");
    }
}

fn source(source: &TrustSource, state: Option<&StateAge>) -> String {
    let mut text = source_text(source);
    if let Some(StateAge { micros, stale }) = state {
        text.push_str(&format!("; {} old when it was decided", millis(*micros)));
        if *stale {
            text.push_str(", followed though the trust server was out of reach");
        }
    }
    text
}

fn source_text(source: &TrustSource) -> String {
    match source {
        TrustSource::Fetched(documents) => {
            let list: Vec<String> = documents
                .iter()
                .map(|it| format!("{} ({}, {})", name(&it.document), millis(it.micros), it.outcome))
                .collect();
            format!("fetched {}: {}", counted(list.len(), "document"), list.join(", "))
        }
        TrustSource::Kept => "kept, fresh enough to ask nobody".to_owned(),
        TrustSource::NotAsked => "not asked for".to_owned(),
        TrustSource::Shared { root } => format!("awaited, as {root} had asked for it already"),
    }
}

/// A document's name without most of its digest.
fn name(document: &str) -> String {
    let shortened = document.strip_suffix(".json").and_then(|stem| stem.rsplit_once('.'));
    match shortened {
        Some((role, digest)) if digest.len() == 64 => {
            format!("{role}.{}….json", digest.get(..SHORT).unwrap_or(digest))
        }
        Some(_) | None => document.to_owned(),
    }
}

fn evidence(verified: &Verified, page: &mut Page) {
    let evidence = &verified.evidence;
    let first = if evidence.first_use { "; its root was taken on first use" } else { "" };
    page.item(2, "server     ", &format!("{} for {}{first}", verified.server, evidence.gun));
    for (role, found) in &evidence.roles {
        page.item(2, "document   ", &document(role, found));
    }
    for dropped in &evidence.dropped {
        let text = format!("{} was left out: {}", dropped.role, refusal(&dropped.why));
        page.item(2, "dropped    ", &text);
    }
    let signers = if verified.signers.is_empty() {
        "none are asked for".to_owned()
    } else {
        verified.signers.join(", ")
    };
    page.item(2, "signers    ", &signers);
    page.item(2, "released by", &format!(" {}", verified.released_by));
}

fn changed(verdict: &ContainerVerdict, page: &mut Page) {
    let text = match verdict.pin() {
        None => "none".to_owned(),
        Some(pin) => format!("{} becomes {}", verdict.pointer, pin),
    };
    page.item(2, "change     ", &text);
}

fn document(role: &str, found: &RoleEvidence) -> String {
    let short = |digest: &Sha256| digest.to_hex().chars().take(SHORT).collect::<String>();
    let keys: Vec<String> = found.signed_by.iter().map(|key| short(&key.keyid)).collect();
    format!(
        "{role} version {}, expires {}, signed by {} ({} needed)",
        found.version,
        found.expires,
        keys.join(", "),
        found.threshold
    )
}
