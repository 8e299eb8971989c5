//! The `spec` of an ImagePolicy or ClusterImagePolicy, of both API groups.
//!
//! Members nobody knows are passed over in `spec`, as the API server would. Inside a rule they make
//! the policy invalid: a rule with a misspelt or newer member asks for something, and passing it
//! over would allow what the author meant to deny. One that is null asks for nothing; a policy that
//! Portieris' own chart installed has such a slip (`policies:` for `policy:`).

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{Mode, SignerKey};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{ProtocolError, Sha256, duration, limits};

use super::server_url::trust_server;
use super::signer_key;

/// A rule as written, with its signers still to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ParsedRule {
    /// What becomes of an image that does not satisfy the rule.
    pub(super) mode: Mode,
    /// Whether an image that does is pinned to its digest.
    pub(super) mutate_image: bool,
    /// The pattern, as written.
    pub(super) pattern: String,
    /// What the rule asks for; `None` allows without trust.
    pub(super) trust: Option<ParsedTrust>,
}

/// A demand for trust as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ParsedTrust {
    /// For how long after a verified timestamp an allow needs no network; microseconds. `None`
    /// takes that of the settings, as below.
    pub(super) freshness: Option<u64>,
    /// For how long the last verified state may allow while the trust server is out of reach;
    /// microseconds.
    pub(super) max_staleness: Option<u64>,
    /// Ids of admissible root keys.
    pub(super) pins: BTreeSet<Sha256>,
    /// The trust server's URL, if the rule names one.
    pub(super) server: Option<String>,
    /// Names of the Secrets of signers.
    pub(super) signer_secrets: Vec<String>,
    /// The signers whose keys the policy itself holds.
    pub(super) signers: Vec<SignerKey>,
    /// Whether a missing `targets/releases` denies.
    pub(super) strict_roles: bool,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with `repositories`")]
struct Spec {
    mode: Option<String>,
    repositories: Option<Vec<Repository>>,
    /// What else is there: looked at only for other spellings of `repositories`.
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// Members nobody knows; those that are null, and so ask for nothing, are `None`.
type Others = BTreeMap<String, Option<IgnoredAny>>;

#[derive(Deserialize)]
#[serde(expecting = "an object with `name` and `policy`")]
struct Repository {
    name: Option<String>,
    policy: Option<RulePolicy>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object such as `{trust: {enabled: true}}`")]
struct RulePolicy {
    mode: Option<String>,
    mutate_image: Option<bool>,
    simple: Option<Simple>,
    trust: Option<Trust>,
    va: Option<Switch>,
    vulnerability: Option<Vulnerability>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an object such as `{enabled: true}`"
)]
struct Trust {
    enabled: Option<bool>,
    freshness: Option<Span>,
    max_staleness: Option<Span>,
    pins: Option<Vec<String>>,
    signer_secrets: Option<Vec<SecretName>>,
    signers: Option<Vec<InlineSigner>>,
    strict_roles: Option<bool>,
    trust_server: Option<String>,
}

/// A time as Go writes it, or a number of seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Span {
    Seconds(u64),
    Text(String),
}

/// A signer whose key stands in the policy.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an object with `name` and `publicKey`"
)]
struct InlineSigner {
    name: String,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the `name` of a Secret")]
struct SecretName {
    name: String,
}

/// Simple signing, which is in force as soon as it lists requirements.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object with `requirements`")]
struct Simple {
    requirements: Option<Vec<IgnoredAny>>,
    #[serde(rename = "storeSecret")]
    _store_secret: Option<IgnoredAny>,
    #[serde(rename = "storeURL")]
    _store_url: Option<IgnoredAny>,
}

/// Vulnerability Advisor by the name that Portieris' code has, or the one that its documents had.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `ICCRVA`")]
struct Vulnerability {
    #[serde(rename = "IBMVA")]
    ibmva: Option<Switch>,
    #[serde(rename = "ICCRVA")]
    iccrva: Option<Switch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as `{enabled: false}`")]
struct Switch {
    #[serde(rename = "account")]
    _account: Option<IgnoredAny>,
    enabled: Option<bool>,
}

/// How the sentence ends about what a policy may ask for, but not of Portreeve. `parse` puts the
/// place before it, so nothing that an author wrote stands at the end.
pub(super) const UNSUPPORTED: &str = "is not supported";

/// Parses the JSON text of a `spec`. No `repositories` are no rules, which denies everything.
///
/// # Errors
/// A sentence that says what is wrong, for the author of the policy.
pub(super) fn parse(text: &str) -> Result<Vec<ParsedRule>, String> {
    if text.len() > limits::OBJECT_BYTES {
        return Err(format!("it is larger than {} bytes", limits::OBJECT_BYTES));
    }
    if let Ok(why) = serde_json::from_str::<String>(text) {
        // What stands for the specification of an object that could not be read.
        return Err(cut(&why));
    }
    let spec: Option<Spec> = serde_json::from_str(text).map_err(|_| misunderstood(text))?;
    let Some(spec) = spec else { return Ok(Vec::new()) };
    if let Some(name) = spec.others.keys().find(|it| it.eq_ignore_ascii_case("repositories")) {
        return Err(format!("`spec.{}` is spelt `repositories`", cut(name)));
    }
    if let Some(name) = spec.others.keys().find(|it| it.eq_ignore_ascii_case("mode")) {
        return Err(format!("`spec.{}` is spelt `mode`", cut(name)));
    }
    let mode = mode(spec.mode.as_deref()).map_err(|why| format!("`spec.mode`: {why}"))?;
    let repositories = spec.repositories.unwrap_or_default();
    repositories
        .into_iter()
        .enumerate()
        .map(|(index, repository)| {
            rule(repository, mode.unwrap_or_default())
                .map_err(|why| format!("`spec.repositories[{index}]`: {why}"))
        })
        .collect()
}

/// Which member is not understood, and why. The text is not the one that the author wrote, so a
/// place in it would tell nothing.
fn misunderstood(text: &str) -> String {
    let mut json = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Option<Spec>>(&mut json) {
        Err(error) => {
            let (path, why) = (error.path().to_string(), error.inner().to_string());
            let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
            let member = if path == "." { String::new() } else { format!(".{path}") };
            format!("`spec{}` is not understood: {}", cut(&member), cut(why))
        }
        Ok(_) => "`spec` is not understood: something follows it".to_owned(),
    }
}

/// Refuses a member nobody knows, unless it is null.
fn known(others: &Others, expected: &str) -> Result<(), String> {
    let unknown = others.iter().find(|(_, value)| value.is_some());
    unknown.map_or(Ok(()), |(name, _)| {
        Err(format!("unknown field `{}`, expected {expected}", cut(name)))
    })
}

fn rule(repository: Repository, common: Mode) -> Result<ParsedRule, String> {
    known(&repository.others, "`name` or `policy`")?;
    let pattern = repository.name.filter(|name| !name.is_empty());
    let pattern = pattern.ok_or("it has no `name`, so it would cover nothing")?;
    if pattern.len() > limits::REFERENCE_BYTES {
        return Err(format!("its `name` is longer than {} bytes", limits::REFERENCE_BYTES));
    }
    if pattern.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Err("its `name` holds blanks, so it would cover nothing".to_owned());
    }
    let Some(policy) = repository.policy else {
        return Ok(ParsedRule { mode: common, mutate_image: true, pattern, trust: None });
    };
    known(&policy.others, "`mode`, `mutateImage`, `simple`, `trust`, `va` or `vulnerability`")
        .map_err(|why| format!("`policy`: {why}"))?;
    if policy.simple.is_some_and(|simple| simple.requirements.is_some_and(|it| !it.is_empty())) {
        return Err(format!("`policy.simple` (simple signing) {UNSUPPORTED}"));
    }
    let on = |switch: Option<Switch>| switch.and_then(|it| it.enabled).unwrap_or(false);
    let advised = |it: Vulnerability| on(it.iccrva) || on(it.ibmva);
    if policy.vulnerability.is_some_and(advised) {
        return Err(format!("`policy.vulnerability` (Vulnerability Advisor) {UNSUPPORTED}"));
    }
    if on(policy.va) {
        return Err(format!("`policy.va` (Vulnerability Advisor) {UNSUPPORTED}"));
    }
    let mode = mode(policy.mode.as_deref()).map_err(|why| format!("`policy.mode`: {why}"))?;
    let mode = mode.filter(|_| !planted::is(Bug::OwnModeIgnored)).unwrap_or(common);
    let trust = policy.trust.map(trust).transpose()?.flatten();
    Ok(ParsedRule { mode, mutate_image: policy.mutate_image.unwrap_or(true), pattern, trust })
}

/// What becomes of images that do not satisfy a rule: its own word, else the policy's.
fn mode(written: Option<&str>) -> Result<Option<Mode>, String> {
    match written {
        None => Ok(None),
        Some("audit") => Ok(Some(Mode::Audit)),
        Some("enforce") => Ok(Some(Mode::Enforce)),
        Some("warn") => Ok(Some(Mode::Warn)),
        Some(other) => Err(format!("`{}` is none of enforce, warn and audit", cut(other))),
    }
}

fn trust(trust: Trust) -> Result<Option<ParsedTrust>, String> {
    if !trust.enabled.unwrap_or(false) {
        // It asks for nothing, whatever else is written there, as Portieris has it.
        return Ok(None);
    }
    let server = trust_server(trust.trust_server.as_deref().unwrap_or_default())?;
    let secrets = trust.signer_secrets.unwrap_or_default();
    if secrets.iter().any(|secret| secret.name.is_empty()) {
        return Err("`policy.trust.signerSecrets` has an entry with an empty `name`".to_owned());
    }
    let freshness = span("freshness", trust.freshness)?;
    let max_staleness = span("maxStaleness", trust.max_staleness)?;
    let pins = pins(trust.pins.unwrap_or_default())?;
    let signers = inline(trust.signers.unwrap_or_default())?;
    Ok(Some(ParsedTrust {
        freshness,
        max_staleness,
        pins,
        server,
        signer_secrets: secrets.into_iter().map(|secret| secret.name).collect(),
        signers,
        strict_roles: trust.strict_roles.unwrap_or(false),
    }))
}

/// A length of time in microseconds.
fn span(member: &str, written: Option<Span>) -> Result<Option<u64>, String> {
    let micros = match &written {
        None => return Ok(None),
        Some(Span::Seconds(seconds)) => seconds.checked_mul(SECOND),
        Some(Span::Text(text)) => duration::parse(text),
    };
    let micros = micros.filter(|micros| *micros <= limits::LONGEST_SPAN);
    let why = || format!("`policy.trust.{member}` is no duration such as `30s` of at most 30 days");
    micros.map(Some).ok_or_else(why)
}

fn pins(written: Vec<String>) -> Result<BTreeSet<Sha256>, String> {
    let parsed = written.iter().map(|id| {
        id.parse().map_err(|error: ProtocolError| {
            format!("`policy.trust.pins` holds what is no key id: {error}")
        })
    });
    parsed.collect()
}

fn inline(written: Vec<InlineSigner>) -> Result<Vec<SignerKey>, String> {
    let mut signers = Vec::new();
    for (index, InlineSigner { name, public_key }) in written.iter().enumerate() {
        match signer_key(name, public_key) {
            key @ SignerKey::Usable { .. } => signers.push(key),
            SignerKey::Invalid(why) => {
                return Err(format!("`policy.trust.signers[{index}]`: {why}"));
            }
            SignerKey::Missing => {}
        }
    }
    Ok(signers)
}

fn cut(name: &str) -> String {
    name.chars().take(256).collect()
}
