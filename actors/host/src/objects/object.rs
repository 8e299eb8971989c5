//! One Kubernetes object: which kind it is, and what of it a decision needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::core::{DynamicObject, TypeMeta};
use portreeve_protocol::limits;
use portreeve_protocol::messages::admission::OwnerFact;
use portreeve_protocol::messages::policy::{PolicyObject, SignerSecret};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::seal::{ANNOTATION, group_of, is_sealed_kind};
use serde_json::Value;

use crate::credentials::Format;
use crate::owners::Workload;

/// What a document is.
pub(crate) enum Known {
    /// A list of objects.
    List(Vec<Value>),
    /// An object of no use here (a workload, a Secret of another kind).
    Other,
    /// A policy, though perhaps not one that can be obeyed.
    Policy(PolicyObject),
    /// A Secret with credentials for registries.
    PullSecret(PullSecret),
    /// A Secret that names a signer.
    Secret(SignerSecret),
    /// A workload that may carry a seal.
    Workload(Workload),
    /// A service account: namespace and name, and the names of the pull secrets it lists.
    ServiceAccount((String, String), Vec<String>),
}

/// A Secret with credentials for registries. It has no `Debug`, for what is in it.
pub(crate) struct PullSecret {
    /// How the text is laid out.
    pub(crate) format: Format,
    /// Namespace and name.
    pub(crate) place: (String, String),
    /// The credentials; empty if they are not legible.
    pub(crate) text: Vec<u8>,
}

/// The text of a specification that the policy cache refuses, saying why: it is a JSON string,
/// where an object is needed.
pub(crate) fn refusal(why: &str) -> String {
    Value::String(why.to_owned()).to_string()
}

/// The policy `id` with a specification that the policy cache refuses, saying why.
pub(crate) fn refused(id: PolicyRef, why: &str) -> PolicyObject {
    PolicyObject { id, resource_version: None, spec: refusal(why) }
}

/// Reads one document.
///
/// # Errors
/// Why it cannot be told which object it is.
pub(crate) fn read(document: Value) -> Result<Known, String> {
    let types = types(&document)?;
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    if types.kind.ends_with("List") && document.get("items").is_some() {
        return list(document);
    }
    let policy_group = match group {
        "portieris.cloud.ibm.com" => Some(PolicyGroup::Portieris),
        "securityenforcement.admission.cloud.ibm.com" => Some(PolicyGroup::SecurityEnforcement),
        _ => None,
    };
    match (policy_group, types.kind.as_str()) {
        (Some(group), kind @ ("ImagePolicy" | "ClusterImagePolicy")) => {
            let namespaced = kind == "ImagePolicy";
            policy(document, group, version, namespaced).map(Known::Policy)
        }
        (None, "Secret") if group.is_empty() => match pull_secret(&document) {
            Some(secret) => Ok(Known::PullSecret(secret)),
            None => secret(document),
        },
        // One that cannot be named is one that no workload names.
        (None, "ServiceAccount") if group.is_empty() => {
            Ok(service_account(&document).unwrap_or(Known::Other))
        }
        _ => Ok(workload(&document, &types).map_or(Known::Other, Known::Workload)),
    }
}

/// A workload of a kind that can carry a seal; one without a name is none.
fn workload(document: &Value, types: &TypeMeta) -> Option<Workload> {
    if !is_sealed_kind(group_of(&types.api_version), &types.kind) {
        return None;
    }
    let (name, namespace) = identity(document).ok()?;
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let owners = document.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    let controller = owners.find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let seal = document.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION));
    Some(Workload {
        api_version: types.api_version.clone(),
        controller: controller.map(owner),
        kind: types.kind.clone(),
        name,
        namespace,
        seal: seal.and_then(Value::as_str).map(str::to_owned),
        uid: text("/metadata/uid").unwrap_or_default().to_owned(),
    })
}

fn owner(reference: &Value) -> OwnerFact {
    let text =
        |member: &str| reference.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    OwnerFact {
        api_version: text("apiVersion"),
        controller: true,
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
    }
}

fn types(document: &Value) -> Result<TypeMeta, String> {
    let text = |member: &str| document.get(member).and_then(Value::as_str);
    match (text("apiVersion"), text("kind")) {
        (Some(api_version), Some(kind)) => {
            Ok(TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() })
        }
        _ => {
            Err("a document is not a Kubernetes object: apiVersion and kind are needed".to_owned())
        }
    }
}

fn list(mut document: Value) -> Result<Known, String> {
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(Known::List(items)),
        Some(Value::Null) => Ok(Known::List(Vec::new())),
        _ => Err("the `items` of a List are not a list".to_owned()),
    }
}

/// A policy. Its name must be legible; whatever else is wrong with it makes it one that is refused.
fn policy(
    document: Value,
    group: PolicyGroup,
    version: &str,
    namespaced: bool,
) -> Result<PolicyObject, String> {
    let (name, namespace) = identity(&document)?;
    let id = PolicyRef { group, name, namespace: namespaced.then_some(namespace) };
    let known = match group {
        PolicyGroup::Portieris => "v1",
        PolicyGroup::SecurityEnforcement => "v1beta1",
    };
    let refused = |why: &str| Ok(refused(id.clone(), why));
    if version != known {
        return refused(&format!("its apiVersion is not {}/{known}", group.name()));
    }
    let Ok(object) = serde_json::from_value::<DynamicObject>(document) else {
        return refused("its metadata cannot be read");
    };
    let spec = object.data.get("spec").map_or_else(|| "null".to_owned(), Value::to_string);
    if spec.len() > limits::OBJECT_BYTES {
        return refused(&format!("its spec has more than {} bytes", limits::OBJECT_BYTES));
    }
    Ok(PolicyObject { id, resource_version: object.metadata.resource_version, spec })
}

/// A Secret: of interest only if it has both of the members that make a signer.
fn secret(document: Value) -> Result<Known, String> {
    let member = |name: &str| {
        let plain = document.get("stringData").and_then(|data| data.get(name));
        let encoded = document.get("data").and_then(|data| data.get(name));
        // What is there but not legible becomes an empty text, which no signer can have.
        match (plain, encoded) {
            (Some(plain), _) => Some(plain.as_str().map(str::to_owned).unwrap_or_default()),
            (None, Some(encoded)) => Some(encoded.as_str().and_then(decoded).unwrap_or_default()),
            (None, None) => None,
        }
    };
    let (Some(name), Some(public_key)) = (member("name"), member("publicKey")) else {
        return Ok(Known::Other);
    };
    let (secret, namespace) = identity(&document)?;
    let large = name.len() + public_key.len() > limits::OBJECT_BYTES;
    let (name, public_key) = if large { Default::default() } else { (name, public_key) };
    let version = document.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    let resource_version = version.map(str::to_owned);
    Ok(Known::Secret(SignerSecret { name, namespace, public_key, resource_version, secret }))
}

/// A Secret whose type is one of the two for credentials (Kubernetes,
/// `pkg/credentialprovider/secrets/secrets.go:MakeDockerKeyring`); its other members do not count.
fn pull_secret(document: &Value) -> Option<PullSecret> {
    let (format, member) = match document.get("type").and_then(Value::as_str) {
        Some("kubernetes.io/dockerconfigjson") => (Format::DockerConfigJson, ".dockerconfigjson"),
        Some("kubernetes.io/dockercfg") => (Format::Dockercfg, ".dockercfg"),
        Some(_) | None => return None,
    };
    let (name, namespace) = identity(document).ok()?;
    let plain = document.get("stringData").and_then(|data| data.get(member));
    let encoded = document.get("data").and_then(|data| data.get(member));
    let text = match plain {
        Some(plain) => plain.as_str().map(str::to_owned),
        None => encoded.and_then(Value::as_str).and_then(decoded),
    };
    let text = text.unwrap_or_default().into_bytes();
    Some(PullSecret { format, place: (namespace, name), text })
}

fn service_account(document: &Value) -> Option<Known> {
    let (name, namespace) = identity(document).ok()?;
    let listed = document.get("imagePullSecrets").and_then(Value::as_array);
    let names = listed.into_iter().flatten().filter_map(|entry| entry.get("name")?.as_str());
    let names = names.take(limits::OBJECTS).map(str::to_owned).collect();
    Some(Known::ServiceAccount((namespace, name), names))
}

/// Standard base64 of UTF-8, as Kubernetes keeps Secrets; blanks of a folded block are taken out.
fn decoded(text: &str) -> Option<String> {
    let compact: String = text.split_ascii_whitespace().collect();
    String::from_utf8(STANDARD.decode(compact).ok()?).ok()
}

/// Name and namespace; an object without namespace is in `default`, as `kubectl` would put it.
fn identity(document: &Value) -> Result<(String, String), String> {
    let text = |pointer: &str| {
        let text = document.pointer(pointer).and_then(Value::as_str);
        text.filter(|text| !text.is_empty() && text.len() <= NAME_BYTES)
    };
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name")
        .ok_or_else(|| format!("an object of kind {kind} has no usable metadata.name"))?;
    let namespace = match document.pointer("/metadata/namespace") {
        None | Some(Value::Null) => "default",
        Some(_) => text("/metadata/namespace")
            .ok_or_else(|| format!("an object of kind {kind} has no usable metadata.namespace"))?,
    };
    Ok((name.to_owned(), namespace.to_owned()))
}

/// Bytes of a name in Kubernetes.
const NAME_BYTES: usize = 253;
