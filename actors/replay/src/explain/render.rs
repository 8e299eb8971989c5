//! An explanation as plain text.

use portreeve_protocol::decision::{ContainerVerdict, RuleRef, SealOf, Verified};
use portreeve_protocol::evidence::RoleEvidence;
use portreeve_protocol::{Admitted, DenyCode, Sha256, Verdict};

use super::text::{counted, millis, refusal, subject};
use super::{AnswerState, Candidate, ContainerExplanation, Explanation, Fate, TrustSource};

/// Columns that are always assumed.
const NARROWEST: usize = 40;
/// Hexadecimal digits shown of a key id.
const SHORT: usize = 12;

/// Lines under construction.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// One paragraph: its first line begins with `label`, the others under its text.
    fn item(&mut self, indent: usize, label: &str, text: &str) {
        let mut line = format!("{}{label}", " ".repeat(indent));
        let hang = line.chars().count();
        let mut empty = true;
        for word in escaped(text).split(' ') {
            let length = line.chars().count() + usize::from(!empty) + word.chars().count();
            if !empty && length > self.width {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                line = " ".repeat(hang);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// What others wrote must not steer a terminal.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

pub(super) fn render(told: &Explanation, width: usize) -> String {
    let mut page = Page { text: String::new(), width: width.max(NARROWEST) };
    head(told, &mut page);
    for container in &told.containers {
        page.text.push('\n');
        image(container, &mut page);
    }
    if let Some(patch) = told.decision.as_ref().and_then(|decision| decision.patch.as_ref()) {
        page.text.push('\n');
        page.item(0, "Patch  ", patch);
    }
    page.text.push_str("\nEvents\n");
    for line in &told.events {
        let sign = if line.offset < 0 { '-' } else { '+' };
        let offset = format!("{sign}{}", millis(line.offset.unsigned_abs()));
        let below = "  ".repeat(line.depth.min(12) as usize);
        let other = if line.shared { " (asked for by another review)" } else { "" };
        let text = format!("{} [{}]{other}", line.text, line.event);
        page.item(2, &format!("{offset:>14}  {below}"), &text);
    }
    if told.events_cut {
        page.item(2, "", "and more");
    }
    page.text
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
    page.item(0, "Review   ", &format!("{}, uid {}", subject(&told.facts), told.facts.uid));
    page.item(0, "Decision ", &verdict);
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
    page.item(0, "Image    ", &format!("{image} of container {name} ({pointer})"));
    match verdict {
        Verdict::Allowed(Admitted::Blank) => {
            page.item(2, "verdict    ", "allowed: it names no image yet");
        }
        Verdict::Allowed(Admitted::Sealed(sealed)) => {
            let by = match &sealed.by {
                SealOf::Earlier => "an earlier generation of the object".to_owned(),
                SealOf::Own => "the object itself".to_owned(),
                SealOf::Owner(kind, name) => format!("{kind} {name}"),
                SealOf::Running => "the object as it runs".to_owned(),
            };
            let digest = sealed.digest.to_oci();
            page.item(2, "verdict    ", &format!("allowed: {digest} by the seal of {by}"));
        }
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => {
            let why = refusal(&tolerated.denial);
            let text = format!("allowed, the rule only {}s: {why}", tolerated.mode.name());
            page.item(2, "verdict    ", &text);
        }
        Verdict::Allowed(Admitted::Unchanged) => {
            page.item(2, "verdict    ", "allowed: the update leaves the image as it is");
        }
        Verdict::Allowed(Admitted::TrustNotRequired) => {
            page.item(2, "verdict    ", "allowed: the rules ask for no trust");
        }
        Verdict::Allowed(Admitted::Verified(verified)) => {
            let digest = verified.digest.to_oci();
            page.item(2, "verdict    ", &format!("allowed: {digest} is signed"));
        }
        Verdict::Denied(denial) => {
            page.item(2, "verdict    ", &format!("denied {}", refusal(denial)));
            page.item(2, "advice     ", denial.code.advice());
        }
    }
    for rule in rules {
        page.item(2, "rule       ", &rule_text(rule));
    }
    for candidate in container.candidates.iter().filter(|it| it.fate != Fate::Decides) {
        page.item(2, "candidate  ", &candidate_text(candidate));
    }
    page.item(2, "trust data ", &source(&container.source));
    if let Verdict::Allowed(Admitted::Verified(verified)) = verdict {
        evidence(verified, page);
    }
    for digest in &container.missing_blobs {
        page.item(2, "missing    ", &format!("blob {digest} is not beside the journal any more"));
    }
}

fn rule_text(rule: &RuleRef) -> String {
    format!("{}, rule {}: `{}`", rule.policy, rule.index, rule.pattern)
}

fn candidate_text(candidate: &Candidate) -> String {
    let why = match &candidate.fate {
        Fate::Decides => "decides".to_owned(),
        Fate::DoesNotCover => "does not cover the image".to_owned(),
        Fate::Invalid(why) => return format!("{} is not obeyed: {why}", candidate.rule.policy),
        Fate::LessSpecific => "covers it less closely".to_owned(),
        Fate::Overruled => "does not count, the namespace has policies of its own".to_owned(),
    };
    format!("{} ({}): {why}", rule_text(&candidate.rule), candidate.asks)
}

fn source(source: &TrustSource) -> String {
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
    match &verified.pin {
        None => page.item(2, "change     ", "none"),
        Some(pin) => page.item(2, "change     ", &format!("{} becomes {}", pin.pointer, pin.to)),
    }
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
