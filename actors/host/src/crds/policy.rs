//! What a policy may hold, as types: the schemas of the CustomResourceDefinitions come from them.
//!
//! The actor that reads policies (`actors/machines/src/policy`) has its own view of the same text,
//! which says why it cannot obey. Here stands whatever the API server must keep, for what a schema
//! does not name is taken out before anyone sees it: so what Portreeve refuses is here too. Inside
//! a rule nothing at all is taken out. A misspelt `trust` would otherwise leave a rule that asks
//! for nothing and allows everything; as it is, the policy is refused and its author told why.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Which images may run, and what must have been signed.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct PolicySpec {
    /// What becomes of images that do not satisfy a rule, unless the rule says otherwise: `enforce`
    /// (the default) denies, `warn` allows with a warning, `audit` allows and records.
    pub mode: Option<Mode>,
    /// The rules. The most specific one that covers an image decides; an image that none covers is
    /// denied.
    pub repositories: Option<Vec<Repository>>,
}

/// What becomes of images that do not satisfy a rule.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Mode {
    /// Allow and record.
    Audit,
    /// Deny.
    Enforce,
    /// Allow with a warning.
    Warn,
}

/// A rule: the images it covers, and what is asked of them.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Repository {
    /// The images covered, such as `registry.example.com/team/*`. `*` alone covers everything;
    /// without a tag every tag is covered.
    pub name: Option<String>,
    /// What is asked of them. Without it they are allowed as they are.
    pub policy: Option<RulePolicy>,
}

/// What a rule asks for.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RulePolicy {
    /// The `mode` of this rule alone.
    pub mode: Option<Mode>,
    /// Whether images are pinned to the digest that was signed; true unless it is set.
    pub mutate_image: Option<bool>,
    /// Simple signing, as in Portieris. Not supported: a policy with requirements is refused.
    pub simple: Option<Simple>,
    /// Signed trust data (Notary v1, Docker Content Trust).
    pub trust: Option<Trust>,
    /// Vulnerability Advisor, as in the first Portieris. Not supported: refused once enabled.
    pub va: Option<Advisor>,
    /// Vulnerabilities, as in Portieris. Not supported: refused once enabled.
    pub vulnerability: Option<Vulnerability>,
}

/// A demand for signed trust data.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Trust {
    /// Whether signed trust data is asked for; false unless it is set.
    pub enabled: Option<bool>,
    /// For how long a verified timestamp serves allows, such as `30s`, or in seconds.
    pub freshness: Option<Span>,
    /// For how long the last verified state serves allows while the trust server cannot be asked.
    pub max_staleness: Option<Span>,
    /// Ids of admissible root keys. Without them a root is trusted when it is first seen.
    #[schemars(inner(regex(pattern = "^[0-9a-f]{64}$")))]
    pub pins: Option<Vec<String>>,
    /// Secrets that name signers (`name`, `publicKey`), all of whom must have signed. They are in
    /// the namespace of an ImagePolicy, and for a ClusterImagePolicy in Portreeve's.
    pub signer_secrets: Option<Vec<SecretName>>,
    /// Signers whose keys stand here, all of whom must have signed.
    pub signers: Option<Vec<Signer>>,
    /// Whether a repository without `targets/releases` is denied instead of being read from
    /// `targets`.
    pub strict_roles: Option<bool>,
    /// The https URL of the trust server, where it is not the one known for the registry.
    pub trust_server: Option<String>,
}

/// A time as Go writes it, or a number of seconds.
#[derive(Debug)]
pub struct Span;

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            "pattern": "^(0|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
            "x-kubernetes-int-or-string": true,
        })
    }
}

/// The name of a Secret.
#[derive(Debug, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SecretName {
    /// The name.
    pub name: Option<String>,
}

/// A signer with the key.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Signer {
    /// The delegation below `targets/`.
    pub name: String,
    /// PEM of the public key or certificate.
    pub public_key: String,
}

/// Simple signing, as in Portieris.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Simple {
    /// What must be satisfied.
    pub requirements: Option<Vec<Requirement>>,
    /// The Secret with which the store is read.
    pub store_secret: Option<String>,
    /// Where signatures are kept.
    #[schemars(rename = "storeURL")]
    pub store_url: Option<String>,
}

/// A requirement of simple signing.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Requirement {
    /// The Secret with the key.
    pub key_secret: Option<String>,
    /// The namespace of that Secret.
    pub key_secret_namespace: Option<String>,
    /// Which identity must have been signed.
    pub signed_identity: Option<SignedIdentity>,
    /// Such as `signedBy`.
    pub r#type: Option<String>,
}

/// The identity that simple signing looks for.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SignedIdentity {
    /// The reference, for `matchExactReference`.
    pub docker_reference: Option<String>,
    /// The repository, for `matchExactRepository`.
    pub docker_repository: Option<String>,
    /// What is replaced, for `remapIdentity`.
    pub prefix: Option<String>,
    /// What it is replaced by, for `remapIdentity`.
    pub signed_prefix: Option<String>,
    /// Such as `matchExact`.
    pub r#type: Option<String>,
}

/// Vulnerability scanners, as in Portieris.
#[derive(Debug, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Vulnerability {
    /// Vulnerability Advisor of IBM Cloud, by the name that Portieris' documents had for it.
    #[schemars(rename = "IBMVA")]
    pub ibmva: Option<Advisor>,
    /// Vulnerability Advisor of IBM Cloud.
    #[schemars(rename = "ICCRVA")]
    pub iccrva: Option<Advisor>,
}

/// A switch with the account it is for.
#[derive(Debug, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Advisor {
    /// The account of IBM Cloud.
    pub account: Option<String>,
    /// Whether it is asked.
    pub enabled: Option<bool>,
}

/// What Portreeve says of the policy.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// `Accepted` says whether the policy is obeyed, and if not, why.
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Option<Vec<Condition>>,
    /// The generation of the policy that this is about.
    pub observed_generation: Option<i64>,
}

/// A condition, as other kinds of Kubernetes have them. All replicas write the same one, so theirs
/// has no time in it.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Condition {
    /// When `status` changed last.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// The generation of the policy that this is about.
    pub observed_generation: Option<i64>,
    /// A word for programs.
    pub reason: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// What is true or false.
    pub r#type: String,
}
