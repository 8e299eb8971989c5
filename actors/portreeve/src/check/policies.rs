//! The policies to judge by: those of the files, or one made of the flags.

use std::collections::BTreeSet;
use std::path::Path;

use portreeve_host::credentials::PullObjects;
use portreeve_host::objects::Files;
use portreeve_protocol::Settings;
use portreeve_protocol::messages::policy::{PolicyObject, SignerSecret, SourceObject};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use serde_json::{Value, json};

use super::args::CheckArgs;
use super::options::{not_of, read_text, usage};
use crate::error::CommandError;

/// What there is to judge by.
pub(super) struct Policies {
    /// Policies and signer Secrets.
    pub(super) objects: Vec<SourceObject>,
    /// Where ClusterImagePolicies find their signers' Secrets.
    pub(super) operator_namespace: String,
    /// Credentials for registries.
    pub(super) pull: PullObjects,
    /// The trust servers that the policies name, as they spell them.
    pub(super) servers: BTreeSet<String>,
    /// Where this is not what a node would do.
    pub(super) warnings: Vec<String>,
}

/// Reads the files of `--policy`, or makes a policy of the signers.
pub(super) fn read(args: &CheckArgs) -> Result<Policies, CommandError> {
    let operator_namespace = Settings::default().operator_namespace;
    let (mut servers, mut warnings) = (BTreeSet::new(), Vec::new());
    if args.policy.is_empty() {
        let objects = of_flags(&args.signer, &operator_namespace)?;
        let pull = PullObjects::default();
        return Ok(Policies { objects, operator_namespace, pull, servers, warnings });
    }
    let fault = |fault| CommandError::Policy { fault };
    let found = Files::named(&args.policy).map_err(fault)?.objects().map_err(fault)?;
    let mut objects = found.objects;
    let mut clustered = false;
    let mut operated = false;
    for object in &objects {
        match object {
            SourceObject::Policy(policy) => {
                servers.extend(named(policy));
                clustered |= policy.id.namespace.is_none() && policy.spec.contains("signerSecrets");
            }
            SourceObject::SignerSecret(secret) => {
                operated |= secret.namespace == operator_namespace;
            }
        }
    }
    objects.dedup();
    let elsewhere = clustered && !operated && args.namespace != operator_namespace;
    if elsewhere {
        warnings.push(format!(
            "the files hold no Secret of the namespace {operator_namespace}, where `portreeve \
             serve` looks for the signers of a ClusterImagePolicy; those of {} were taken",
            args.namespace
        ));
    }
    let operator_namespace = if elsewhere { args.namespace.clone() } else { operator_namespace };
    Ok(Policies { objects, operator_namespace, pull: found.credentials, servers, warnings })
}

/// The trust servers a policy names.
fn named(policy: &PolicyObject) -> Vec<String> {
    let spec: Value = serde_json::from_str(&policy.spec).unwrap_or_default();
    let rules = spec["repositories"].as_array().into_iter().flatten();
    let servers = rules.filter_map(|rule| rule["policy"]["trust"]["trustServer"].as_str());
    servers.map(|url| url.trim_end_matches('/').to_owned()).collect()
}

/// The policy that asks for trust, and for these signers; each of them in a Secret named after the
/// flag, which is what a denial speaks of.
fn of_flags(signers: &[String], namespace: &str) -> Result<Vec<SourceObject>, CommandError> {
    let mut objects = Vec::new();
    let mut names = Vec::new();
    for (text, number) in signers.iter().zip(1..) {
        let form = "NAME=PUBKEY.pem";
        // A role's name holds no `=`, a path may.
        let sides =
            text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
        let (name, path) = sides.ok_or_else(|| usage("--signer", text, not_of(form)))?;
        let name = name.strip_prefix("targets/").unwrap_or(name);
        let secret = format!("--signer-{number}-{name}");
        names.push(json!({ "name": secret }));
        objects.push(SourceObject::SignerSecret(SignerSecret {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            public_key: read_text(Path::new(path))?,
            resource_version: None,
            secret,
        }));
    }
    let trust = json!({"enabled": true, "signerSecrets": names});
    let spec = json!({"repositories": [{"name": "*", "policy": {"trust": trust}}]}).to_string();
    let group = PolicyGroup::Portieris;
    let id = PolicyRef { group, name: "command-line".to_owned(), namespace: None };
    objects.push(SourceObject::Policy(PolicyObject { id, resource_version: None, spec }));
    Ok(objects)
}
