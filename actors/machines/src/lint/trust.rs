//! What a rule demands, and whether it can be had.

use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::policy::{SignerKey, SignerRequirement, TrustRequirement};
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{DenyCode, Settings};

use super::scope::Placed;
use super::{Finding, LintCode};
use crate::admission::server;

/// Docker Hub's Notary server.
const DOCKER_HUB: &str = "https://notary.docker.io";

/// Looks at what one rule asks for.
pub(super) fn look(
    rule: &Placed<'_>,
    objects: &[SourceObject],
    settings: &Settings,
    findings: &mut Vec<Finding>,
) {
    let Some(trust) = &rule.rule.trust else { return };
    for signer in &trust.signers {
        signer_key(rule, signer, objects, settings, findings);
    }
    let images: Vec<_> = rule.witnesses.iter().map(|witness| &witness.image).collect();
    if images.is_empty() {
        return;
    }
    servers(rule, trust, &images, settings, findings);
    if images.iter().all(|image| unpinned(image, trust, settings)) {
        let denied = if settings.require_pins { ", and without one it is denied" } else { "" };
        let message = format!("neither the rule nor the operator pins a root{denied}");
        findings.push(rule.finding(LintCode::NoPin, message));
    }
}

fn signer_key(
    rule: &Placed<'_>,
    signer: &SignerRequirement,
    objects: &[SourceObject],
    settings: &Settings,
    findings: &mut Vec<Finding>,
) {
    let SignerRequirement { key, secret } = signer;
    match key {
        SignerKey::Usable { .. } => {}
        SignerKey::Invalid(why) => {
            let message = format!("Secret {secret}: {why}");
            findings.push(rule.finding(LintCode::SignerKeyInvalid, message));
        }
        SignerKey::Missing if rule.id.policy.namespace.is_some() => {
            let message = format!("there is no Secret {secret} with `name` and `publicKey`");
            findings.push(rule.finding(LintCode::SignerSecretMissing, message));
        }
        SignerKey::Missing => {
            let name = secret.split_once('/').map_or(secret.as_str(), |(_, name)| name);
            let elsewhere = elsewhere(name, objects);
            let elsewhere = match elsewhere.as_slice() {
                [] => String::new(),
                spaces => format!("; one of that name is in {}", spaces.join(", ")),
            };
            let operator = &settings.operator_namespace;
            let message = format!("there is no Secret {name} in {operator}{elsewhere}");
            findings.push(rule.finding(LintCode::ClusterSignerNamespace, message));
        }
    }
}

/// The namespaces that hold a signer's Secret of this name.
fn elsewhere(name: &str, objects: &[SourceObject]) -> Vec<String> {
    let of = |object: &SourceObject| match object {
        SourceObject::SignerSecret(secret) if secret.secret == name => {
            Some(secret.namespace.clone())
        }
        SourceObject::Policy(_) | SourceObject::SignerSecret(_) => None,
    };
    let mut spaces: Vec<_> = objects.iter().filter_map(of).collect();
    spaces.sort();
    spaces
}

fn servers(
    rule: &Placed<'_>,
    trust: &TrustRequirement,
    images: &[&ImageReference],
    settings: &Settings,
    findings: &mut Vec<Finding>,
) {
    let asked: Vec<_> =
        images.iter().map(|image| server::trust_server(settings, trust, image)).collect();
    let hub = |it: &Result<(String, bool), _>| it.as_ref().is_ok_and(|(url, _)| url == DOCKER_HUB);
    if asked.iter().all(hub) {
        let how = if trust.server.is_some() { "names it" } else { "comes to it by the registry" };
        let message = format!("the rule {how}");
        findings.push(rule.finding(LintCode::DockerHubNotary, message));
    }
    // A rule for many registries may well mean those that have a trust server.
    let host = rule.id.pattern.split_once('/').map_or("", |(host, _)| host);
    let refused = |code: DenyCode| {
        let all = asked.iter().all(|it| it.as_ref().is_err_and(|denial| denial.code == code));
        asked.iter().find_map(|it| it.as_ref().err()).filter(|_| all)
    };
    if refused(DenyCode::NoTrustServer).is_some() && !host.contains('*') && rule.id.pattern != "*" {
        let message = format!("no trust server is known for `{host}`");
        findings.push(rule.finding(LintCode::NoTrustServer, message));
    }
    if let Some(denial) = refused(DenyCode::TrustServerRefused) {
        findings.push(rule.finding(LintCode::ServerNotApproved, denial.detail.clone()));
    }
}

fn unpinned(image: &ImageReference, trust: &TrustRequirement, settings: &Settings) -> bool {
    let pins = settings.root_pins(&image.gun());
    trust.pins.is_empty() && pins.keyids.is_empty() && pins.authorities.is_empty()
}
