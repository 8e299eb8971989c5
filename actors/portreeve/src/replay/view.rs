//! A verification as JSON for programs. The names here are a promise: `docs/explain.md` lists them.

use portreeve_replay::{Finding, FindingKind, Outcome, Report};
use serde::Serialize;

#[derive(Serialize)]
struct ReportView<'a> {
    /// `identical`, `differs` or `different-rules`.
    outcome: &'static str,
    exit_status: u8,
    records: u64,
    deliveries: u64,
    decisions: u64,
    answered: u64,
    incarnations: u64,
    checkpoints: u64,
    /// Whether it was begun at a checkpoint, without the records before.
    begun_at_checkpoint: bool,
    gaps: u64,
    panics: u64,
    unverified: u64,
    different_rules: &'a [u32],
    torn: Option<TornView<'a>>,
    finding: Option<FindingView<'a>>,
    seconds: f64,
    records_per_second: u64,
}

#[derive(Serialize)]
struct TornView<'a> {
    segment: &'a str,
    line: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct FindingView<'a> {
    kind: &'static str,
    segment: &'a str,
    line: u64,
    event: Option<String>,
    text: &'a str,
    path: Vec<StepView>,
    effects_now: &'a [String],
    differences: Vec<&'a str>,
}

#[derive(Serialize)]
struct StepView {
    event: String,
    input: &'static str,
}

/// The object of `--json`, in one line.
pub(super) fn json(report: &Report, seconds: f64) -> String {
    let outcome = report.outcome();
    let view = ReportView {
        outcome: match outcome {
            Outcome::DifferentRules { .. } => "different-rules",
            Outcome::Differs => "differs",
            Outcome::Identical => "identical",
            Outcome::NewerSchema => "newer-schema",
        },
        exit_status: outcome.exit_code(),
        records: report.records,
        deliveries: report.deliveries,
        decisions: report.decisions,
        answered: report.answered,
        incarnations: report.incarnations,
        checkpoints: report.checkpoints,
        begun_at_checkpoint: report.removed,
        gaps: report.gaps,
        panics: report.panics,
        unverified: report.unverified,
        different_rules: &report.different_rules,
        torn: report.torn.as_ref().map(|torn| TornView {
            segment: &torn.segment,
            line: torn.line,
            bytes: torn.bytes,
        }),
        finding: report.first.as_ref().map(finding),
        seconds: (seconds * 1_000.0).round() / 1_000.0,
        records_per_second: (report.records as f64 / seconds.max(0.001)) as u64,
    };
    // Its maps have strings for keys, so that it can always be written.
    serde_json::to_string(&view).unwrap_or_default()
}

fn finding(finding: &Finding) -> FindingView<'_> {
    let Finding { event, kind, line, path, segment, text } = finding;
    let divergence = match kind {
        FindingKind::Divergence(divergence) => Some(divergence),
        FindingKind::AlteredRecord
        | FindingKind::AnswerMismatch
        | FindingKind::BlobAltered
        | FindingKind::BlobMissing
        | FindingKind::BrokenChain
        | FindingKind::CauseMismatch
        | FindingKind::CheckpointMismatch
        | FindingKind::NewerSchema
        | FindingKind::OrderBroken
        | FindingKind::StartMismatch
        | FindingKind::Unparsable => None,
    };
    let decisions = divergence.iter().flat_map(|it| &it.decisions);
    FindingView {
        kind: kind.name(),
        segment,
        line: *line,
        event: event.as_ref().map(ToString::to_string),
        text,
        path: path
            .iter()
            .map(|step| StepView { event: step.event.to_string(), input: step.input })
            .collect(),
        effects_now: divergence.map_or(&[], |it| &it.effects),
        differences: decisions.flat_map(|it| &it.members).map(String::as_str).collect(),
    }
}
