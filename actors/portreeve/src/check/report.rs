//! What `portreeve check` has to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::decision::{BundleRef, RuleRef};
use portreeve_protocol::evidence::DroppedRole;
use portreeve_protocol::{Admitted, Denial, DenyCode, Proof, Sha256, Tolerated, Verdict};
use serde::Serialize;

use super::judge::{CONTAINER, Judged};
use super::options::Options;
use crate::ca_flag;

/// The verdict on an image.
pub(super) struct Report {
    /// The signed digest, and who says so.
    pub(super) admitted: Option<Admission>,
    /// The trust bundle in force.
    pub(super) bundle: Option<BundleRef>,
    /// Why it is denied, if it is.
    pub(super) denial: Option<Denial>,
    /// The trust server and the collection, if one was verified, even if the image is denied.
    pub(super) evidence: Option<(String, Proof)>,
    /// The image as given.
    pub(super) image: String,
    /// The rules that decided.
    pub(super) rules: Arc<[RuleRef]>,
    /// The flag that names the directory of trust, if there is one.
    pub(super) state: Option<String>,
    /// Remarks.
    pub(super) warnings: Vec<String>,
}

/// Why an image is allowed.
#[derive(Default)]
pub(super) struct Admission {
    /// The signed digest; `None` where the rules ask for no trust.
    pub(super) digest: Option<Sha256>,
    /// The role that released it.
    pub(super) released_by: String,
    /// The signers found, as the policy names them.
    pub(super) signers: Vec<String>,
    /// Why it would have been denied, by a rule that does not enforce.
    pub(super) tolerated: Option<Box<Tolerated>>,
}

/// The object of `--json`.
#[derive(Serialize)]
struct Object<'a> {
    allowed: bool,
    image: &'a str,
    digest: Option<String>,
    code: Option<&'static str>,
    class: Option<&'static str>,
    explanation: String,
    warnings: &'a [String],
    evidence: Option<EvidenceObject<'a>>,
    dropped_roles: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<BundleObject>,
}

#[derive(Serialize)]
struct BundleObject {
    version: u64,
    digest: String,
    expired: bool,
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    gun: &'a str,
    server: &'a str,
    roles: BTreeMap<&'a str, RoleObject>,
}

#[derive(Serialize)]
struct RoleObject {
    version: u64,
    /// RFC 3339 in UTC.
    expires: String,
    /// Notary's ids of the keys that validly signed the document, sorted.
    keyids: Vec<Sha256>,
}

impl Report {
    /// Denied before a node was asked.
    pub(super) fn denied(options: &Options, denial: Denial) -> Self {
        Self {
            admitted: None,
            bundle: None,
            denial: Some(denial),
            evidence: None,
            image: options.image.clone(),
            rules: Arc::default(),
            state: options.state.clone(),
            warnings: options.warnings.clone(),
        }
    }

    /// What the node decided.
    pub(super) fn new(options: &Options, judged: Judged) -> Self {
        let Judged { decision, mut seen, .. } = judged;
        let mut warnings = options.warnings.clone();
        let prefix = format!("container `{CONTAINER}`: ");
        let plain = |text: &String| text.strip_prefix(&prefix).unwrap_or(text).to_owned();
        warnings.extend(decision.warnings.iter().map(plain));
        let verdict = decision.verdicts.first();
        let mut evidence = seen.pop();
        let mut admitted = None;
        if let Some(Verdict::Allowed(why)) = verdict.map(|it| &it.verdict) {
            admitted = Some(admission(why));
            if let Admitted::Verified(verified) = why {
                evidence = Some((verified.server.to_string(), verified.evidence.clone()));
            }
        }
        let unclear = || Denial::new(DenyCode::Internal, decision.message.clone());
        let denial = decision.denial.clone();
        let denial = denial.or_else(|| admitted.is_none().then(unclear));
        Self {
            admitted: admitted.filter(|_| denial.is_none()),
            bundle: decision.bundle,
            denial,
            evidence,
            image: options.image.clone(),
            rules: verdict.map(|it| Arc::clone(&it.rules)).unwrap_or_default(),
            state: options.state.clone(),
            warnings,
        }
    }

    /// Whether the image may run.
    pub(super) const fn allowed(&self) -> bool {
        self.denial.is_none()
    }

    /// The delegations that were published and left out, for whatever they lack. One that was never
    /// published is not left out.
    pub(super) fn dropped(&self) -> impl Iterator<Item = &DroppedRole> {
        let dropped = self.evidence.iter().flat_map(|(_, evidence)| &evidence.dropped);
        dropped.filter(|dropped| dropped.why.code != DenyCode::NotReleased)
    }

    /// One sentence, or a few.
    pub(super) fn explanation(&self) -> String {
        if let Some(Denial { code, detail }) = &self.denial {
            let rule = self.rules.first();
            let rule = rule.map(|it| format!(", by {}, rule `{}`", it.policy, it.pattern));
            let detail = ca_flag::own(detail);
            let detail = match &self.state {
                Some(place) => detail.replace("--reason TEXT", &format!("--reason TEXT {place}")),
                None => detail,
            };
            return format!("{detail}{}. {}", rule.unwrap_or_default(), code.advice());
        }
        match &self.admitted {
            Some(Admission { tolerated: Some(tolerated), .. }) => {
                let Tolerated { denial: Denial { code, detail }, mode } = &**tolerated;
                let (mode, code) = (mode.name(), code.code());
                format!("The rule is in mode {mode}; it would be denied {code}: {detail}.")
            }
            Some(Admission { digest: Some(_), released_by, signers, .. }) => {
                let server = self.evidence.as_ref().map_or("", |(server, _)| server);
                let signed = match signers.as_slice() {
                    [] => String::new(),
                    signers => format!(", and signed by {}", signers.join(" and ")),
                };
                format!("The tag is released by {released_by} at {server}{signed}.")
            }
            Some(_) | None => "The policy asks for no trust data of this image.".to_owned(),
        }
    }

    /// The object of `--json`, in one line.
    pub(super) fn json(&self) -> String {
        let evidence = self.evidence.as_ref().map(|(server, evidence)| EvidenceObject {
            gun: &evidence.gun,
            server,
            roles: evidence
                .roles
                .iter()
                .map(|(name, role)| (name.as_str(), object(role)))
                .collect(),
        });
        let object = Object {
            allowed: self.allowed(),
            image: &self.image,
            digest: self.digest().map(|digest| digest.to_oci()),
            code: self.denial.as_ref().map(|denial| denial.code.code()),
            class: self.denial.as_ref().map(|denial| denial.code.class().name()),
            explanation: self.explanation(),
            warnings: &self.warnings,
            evidence,
            dropped_roles: self.dropped().map(|dropped| dropped.role.as_str()).collect(),
            bundle: self.bundle.map(|BundleRef { digest, expired, version }| BundleObject {
                version,
                digest: digest.to_oci(),
                expired,
            }),
        };
        // Names and numbers can always be written.
        serde_json::to_string(&object).unwrap_or_default()
    }

    /// The signed digest of an image that may run.
    pub(super) fn digest(&self) -> Option<Sha256> {
        self.admitted.as_ref().and_then(|admitted| admitted.digest)
    }
}

fn object(role: &portreeve_protocol::evidence::RoleEvidence) -> RoleObject {
    RoleObject {
        version: role.version,
        expires: role.expires.to_string(),
        keyids: role.signed_by.iter().map(|key| key.keyid).collect(),
    }
}

fn admission(why: &Admitted) -> Admission {
    match why {
        Admitted::Tolerated(tolerated) => {
            Admission { tolerated: Some(tolerated.clone()), ..Admission::default() }
        }
        // A check is of one new Pod without an owner: nothing of it is unchanged or sealed.
        Admitted::Blank
        | Admitted::Sealed(_)
        | Admitted::TrustNotRequired
        | Admitted::Unchanged => Admission::default(),
        Admitted::Verified(verified) => Admission {
            digest: Some(verified.digest),
            released_by: verified.released_by.to_string(),
            signers: verified.signers.clone(),
            tolerated: None,
        },
    }
}
