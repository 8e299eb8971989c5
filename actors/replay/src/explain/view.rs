//! An explanation as JSON for programs. The names here are a promise: `docs/explain.md` lists them,
//! and they stay when the types of this program change. Nothing but facts, names and digests can
//! get in: there is no type here that could hold a secret.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portreeve_protocol::decision::{BundleRef, ContainerVerdict, RuleRef, SealOf, Verified};
use portreeve_protocol::evidence::RoleEvidence;
use portreeve_protocol::{Admitted, Decision, Denial, DenyCode, Sha256, Verdict};
use serde::Serialize;

use super::find::{Match, ReviewOutcome};
use super::{
    AnswerState, Candidate, ContainerExplanation, EventLine, Explanation, Fate, FetchLine,
    StateAge, TrustSource, text,
};

/// A review in short: one of the list.
#[derive(Serialize)]
pub(super) struct MatchView<'a> {
    uid: &'a str,
    event: String,
    received: String,
    operation: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    outcome: ReviewOutcome,
    code: Option<&'static str>,
    segment: &'a str,
    line: u64,
}

#[derive(Serialize)]
pub(super) struct ExplanationView<'a> {
    uid: &'a str,
    event: String,
    received: String,
    operation: &'a str,
    kind: String,
    namespace: &'a str,
    name: &'a str,
    user: &'a str,
    dry_run: bool,
    outcome: ReviewOutcome,
    code: Option<&'static str>,
    message: &'a str,
    answer: AnswerView,
    decided_by: Option<String>,
    micros: Option<u64>,
    policy_revision: Option<u64>,
    policies_watched: Option<bool>,
    bundle: Option<BundleView>,
    images: Vec<ImageView<'a>>,
    patch: Option<String>,
    sealed: bool,
    seal_claims: Option<String>,
    warnings: &'a [String],
    audit: BTreeMap<&'a str, Cow<'a, str>>,
    events: Vec<EventView<'a>>,
    events_cut: bool,
    segment: &'a str,
    line: u64,
}

#[derive(Serialize)]
struct BundleView {
    version: u64,
    digest: String,
    expired: bool,
}

#[derive(Serialize)]
struct AnswerView {
    state: &'static str,
    code: Option<&'static str>,
    time: Option<String>,
}

#[derive(Serialize)]
struct ImageView<'a> {
    container: &'a str,
    image: &'a str,
    pointer: &'a str,
    verdict: VerdictView<'a>,
    rules: Vec<RuleView<'a>>,
    candidates: Vec<CandidateView<'a>>,
    trust_data: TrustDataView<'a>,
    credentials: Vec<CredentialView>,
    evidence: Option<EvidenceView<'a>>,
    missing_blobs: &'a [Sha256],
}

#[derive(Serialize)]
struct VerdictView<'a> {
    allowed: bool,
    /// `blank`, `sealed`, `tolerated`, `trust-not-required`, `unchanged`, `verified` or `denied`.
    reason: &'static str,
    digest: Option<String>,
    change: Option<String>,
    sealed_by: Option<String>,
    mode: Option<&'static str>,
    denial: Option<DenialView<'a>>,
}

#[derive(Serialize)]
struct DenialView<'a> {
    code: &'static str,
    class: &'static str,
    detail: &'a str,
    advice: &'static str,
}

#[derive(Serialize)]
struct RuleView<'a> {
    policy: String,
    index: u32,
    pattern: &'a str,
}

#[derive(Serialize)]
struct CandidateView<'a> {
    policy: String,
    index: u32,
    pattern: &'a str,
    asks: &'a str,
    /// `decides`, `does-not-cover`, `invalid`, `less-specific` or `overruled`.
    fate: &'static str,
    why: Option<&'a str>,
}

#[derive(Serialize)]
struct TrustDataView<'a> {
    /// `fetched`, `kept`, `not-asked` or `shared`.
    source: &'static str,
    age_micros: Option<u64>,
    stale: bool,
    shared_with: Option<String>,
    fetched: Vec<FetchView<'a>>,
}

#[derive(Serialize)]
struct FetchView<'a> {
    document: &'a str,
    gun: &'a str,
    event: String,
    micros: u64,
    outcome: &'a str,
}

#[derive(Serialize)]
struct CredentialView {
    name: String,
    accepted: bool,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    server: &'a str,
    gun: &'a str,
    released_by: &'a str,
    signers: &'a [String],
    first_use: bool,
    expires: String,
    roles: BTreeMap<&'a str, RoleView>,
    dropped: Vec<DroppedView<'a>>,
}

#[derive(Serialize)]
struct RoleView {
    version: u64,
    expires: String,
    sha256: Sha256,
    keyids: Vec<Sha256>,
    threshold: u32,
}

#[derive(Serialize)]
struct DroppedView<'a> {
    role: &'a str,
    code: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct EventView<'a> {
    event: String,
    parent: Option<String>,
    depth: u32,
    offset_micros: i64,
    shared: bool,
    text: &'a str,
}

pub(super) fn found(found: &Match) -> MatchView<'_> {
    MatchView {
        uid: &found.uid,
        event: found.event.to_string(),
        received: found.received.to_string(),
        operation: found.operation,
        kind: &found.kind,
        namespace: &found.namespace,
        name: &found.name,
        outcome: found.outcome,
        code: found.code.map(DenyCode::code),
        segment: &found.segment,
        line: found.line,
    }
}

pub(super) fn explanation(told: &Explanation) -> ExplanationView<'_> {
    let decision = told.decision.as_deref();
    let outcome = match decision {
        Some(decision) if decision.allowed => ReviewOutcome::Allowed,
        Some(_) => ReviewOutcome::Denied,
        None if told.panicked => ReviewOutcome::Panicked,
        None => ReviewOutcome::Undecided,
    };
    let denied = decision.and_then(|decision| decision.denial.as_ref()).map(|it| it.code);
    let code = denied.or(told.panicked.then_some(DenyCode::Internal));
    ExplanationView {
        uid: &told.facts.uid,
        event: told.review.to_string(),
        received: told.received.to_string(),
        operation: text::operation(told.facts.operation),
        kind: text::kind(&told.facts),
        namespace: &told.facts.namespace,
        name: &told.facts.name,
        user: &told.facts.user,
        dry_run: told.facts.dry_run,
        outcome,
        code: code.map(DenyCode::code),
        message: decision.map_or("", |decision| &decision.message),
        answer: answer(&told.answer),
        decided_by: told.decided_by.as_ref().map(ToString::to_string),
        micros: told.micros,
        policy_revision: decision.map(|decision| decision.policy_revision),
        policies_watched: told.policies_watched,
        bundle: decision.and_then(|decision| decision.bundle).map(bundle),
        images: told.containers.iter().map(image).collect(),
        patch: decision.and_then(|decision| decision.patch()),
        sealed: decision.is_some_and(|decision| decision.seal.is_some()),
        seal_claims: decision.and_then(|decision| Some(decision.seal.as_ref()?.digest().to_hex())),
        warnings: decision.map_or(&[], |decision| &decision.warnings),
        audit: decision.map(Decision::annotations).unwrap_or_default(),
        events: told.events.iter().map(event).collect(),
        events_cut: told.events_cut,
        segment: &told.segment,
        line: told.line,
    }
}

fn bundle(bundle: BundleRef) -> BundleView {
    let BundleRef { digest, expired, version } = bundle;
    BundleView { version, digest: digest.to_oci(), expired }
}

fn answer(answer: &AnswerState) -> AnswerView {
    match answer {
        AnswerState::NotRecorded => AnswerView { state: "not-recorded", code: None, time: None },
        AnswerState::Sent { allowed, code, wall } => AnswerView {
            state: if *allowed { "allowed" } else { "denied" },
            code: code.map(DenyCode::code),
            time: Some(wall.to_string()),
        },
        AnswerState::UnknownOrDenied => {
            AnswerView { state: "unknown-or-denied", code: None, time: None }
        }
    }
}

fn image(told: &ContainerExplanation) -> ImageView<'_> {
    let ContainerVerdict { container, image, pointer, rules, verdict } = &told.verdict;
    ImageView {
        container,
        image,
        pointer,
        verdict: judged(&told.verdict),
        rules: rules.iter().map(rule).collect(),
        candidates: told.candidates.iter().map(candidate).collect(),
        trust_data: trust_data(&told.source, told.state.as_ref()),
        credentials: told
            .credentials
            .iter()
            .map(|it| CredentialView { name: it.credential.to_string(), accepted: it.accepted })
            .collect(),
        evidence: match verdict {
            Verdict::Allowed(Admitted::Verified(verified)) => Some(evidence(verified)),
            Verdict::Allowed(
                Admitted::Blank
                | Admitted::Sealed(_)
                | Admitted::Tolerated(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged,
            )
            | Verdict::Denied(_) => None,
        },
        missing_blobs: &told.missing_blobs,
    }
}

fn judged(of: &ContainerVerdict) -> VerdictView<'_> {
    let plain = |reason| VerdictView {
        allowed: true,
        reason,
        digest: None,
        change: of.pin(),
        sealed_by: None,
        mode: None,
        denial: None,
    };
    match &of.verdict {
        Verdict::Allowed(Admitted::Blank) => plain("blank"),
        Verdict::Allowed(Admitted::Sealed(sealed)) => VerdictView {
            digest: Some(sealed.digest.to_oci()),
            sealed_by: Some(match &sealed.by {
                SealOf::Earlier => "earlier".to_owned(),
                SealOf::Own => "own".to_owned(),
                SealOf::Owner(kind, name) => format!("{kind} {name}"),
                SealOf::Running => "running".to_owned(),
            }),
            ..plain("sealed")
        },
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => VerdictView {
            mode: Some(tolerated.mode.name()),
            denial: Some(denial(&tolerated.denial)),
            ..plain("tolerated")
        },
        Verdict::Allowed(Admitted::TrustNotRequired) => plain("trust-not-required"),
        Verdict::Allowed(Admitted::Unchanged) => plain("unchanged"),
        Verdict::Allowed(Admitted::Verified(verified)) => {
            VerdictView { digest: Some(verified.digest.to_oci()), ..plain("verified") }
        }
        Verdict::Denied(why) => {
            VerdictView { allowed: false, denial: Some(denial(why)), ..plain("denied") }
        }
    }
}

fn denial(denial: &Denial) -> DenialView<'_> {
    let Denial { code, detail } = denial;
    DenialView { code: code.code(), class: code.class().name(), detail, advice: code.advice() }
}

fn rule(rule: &RuleRef) -> RuleView<'_> {
    RuleView { policy: rule.policy.to_string(), index: rule.index, pattern: &rule.pattern }
}

fn candidate(candidate: &Candidate) -> CandidateView<'_> {
    let (fate, why) = match &candidate.fate {
        Fate::Decides => ("decides", None),
        Fate::DoesNotCover => ("does-not-cover", None),
        Fate::Invalid(why) => ("invalid", Some(why.as_str())),
        Fate::LessSpecific => ("less-specific", None),
        Fate::Overruled => ("overruled", None),
    };
    let RuleView { policy, index, pattern } = rule(&candidate.rule);
    CandidateView { policy, index, pattern, asks: &candidate.asks, fate, why }
}

fn trust_data<'a>(source: &'a TrustSource, state: Option<&StateAge>) -> TrustDataView<'a> {
    let (name, shared_with, fetched) = match source {
        TrustSource::Fetched(fetched) => ("fetched", None, fetched.as_slice()),
        TrustSource::Kept => ("kept", None, &[][..]),
        TrustSource::NotAsked => ("not-asked", None, &[][..]),
        TrustSource::Shared { root } => ("shared", Some(root.to_string()), &[][..]),
    };
    TrustDataView {
        source: name,
        age_micros: state.map(|state| state.micros),
        stale: state.is_some_and(|state| state.stale),
        shared_with,
        fetched: fetched.iter().map(fetch).collect(),
    }
}

fn fetch(fetch: &FetchLine) -> FetchView<'_> {
    let FetchLine { document, event, gun, micros, outcome } = fetch;
    FetchView { document, gun, event: event.to_string(), micros: *micros, outcome }
}

fn evidence(verified: &Verified) -> EvidenceView<'_> {
    let evidence = &verified.evidence;
    EvidenceView {
        server: &verified.server,
        gun: &evidence.gun,
        released_by: &verified.released_by,
        signers: &verified.signers,
        first_use: evidence.first_use,
        expires: evidence.expires.to_string(),
        roles: evidence.roles.iter().map(|(name, found)| (name.as_str(), role(found))).collect(),
        dropped: evidence
            .dropped
            .iter()
            .map(|it| DroppedView {
                role: &it.role,
                code: it.why.code.code(),
                detail: &it.why.detail,
            })
            .collect(),
    }
}

fn role(found: &RoleEvidence) -> RoleView {
    RoleView {
        version: found.version,
        expires: found.expires.to_string(),
        sha256: found.sha256,
        keyids: found.signed_by.iter().map(|key| key.keyid).collect(),
        threshold: found.threshold,
    }
}

fn event(line: &EventLine) -> EventView<'_> {
    EventView {
        event: line.event.to_string(),
        parent: line.parent.as_ref().map(ToString::to_string),
        depth: line.depth,
        offset_micros: line.offset,
        shared: line.shared,
        text: &line.text,
    }
}
