//! Which trust server is asked about an image.

use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::TrustRequirement;
use portreeve_protocol::reference::{ImageReference, split_port};
use portreeve_protocol::settings::TrustServerRule;
use portreeve_protocol::{Denial, DenyCode, Settings};

use super::bundle::Standing;

/// As [`trust_server_by`], where no trust bundle has a say.
///
/// # Errors
/// As [`trust_server_by`].
pub fn trust_server(
    settings: &Settings,
    requirement: &TrustRequirement,
    reference: &ImageReference,
) -> Result<(String, bool), Denial> {
    trust_server_by(settings, &Standing::Absent, requirement, reference)
}

/// The trust server of an image: the rule's, else the one that the operator's map gives; and
/// whether the operator approved it or has it in that map, or the trust bundle names it.
///
/// # Errors
/// `NoTrustServer` if there is none; `TrustServerRefused` if only approved servers may be asked and
/// this one is neither approved nor the map's.
pub(super) fn trust_server_by(
    settings: &Settings,
    bundle: &Standing,
    requirement: &TrustRequirement,
    reference: &ImageReference,
) -> Result<(String, bool), Denial> {
    let mapped = mapped(&settings.trust_servers, &reference.host);
    let Some(server) = requirement.server.clone().or_else(|| mapped.clone()) else {
        let detail = format!(
            "trust is required of {}, the rule names no trust server and none is known for {}",
            reference.gun(),
            reference.host
        );
        return Err(Denial::new(DenyCode::NoTrustServer, detail));
    };
    let approved = settings.approved_servers.contains(&server)
        || mapped.as_ref() == Some(&server)
        || bundle.vouches_for(&server);
    if settings.approved_only && !approved && !planted::is(Bug::UnapprovedServerAsked) {
        let detail = format!("the rule names the trust server {server}, which is not approved");
        return Err(Denial::new(DenyCode::TrustServerRefused, detail));
    }
    Ok((server, approved))
}

/// The trust server that the first line of the map which covers `host` gives. Only whole hosts and
/// `.suffix` match, so that `evildocker.io` is not `docker.io`.
#[must_use]
pub fn mapped(map: &[TrustServerRule], host: &str) -> Option<String> {
    let (name, port) = split_port(host);
    let line = map.iter().find(|line| {
        let (registry, wanted) = split_port(&line.registry);
        // A port of 443 is left out of normalised hosts.
        let port_fits = wanted.is_none_or(|wanted| wanted == port.unwrap_or("443"));
        let name_fits = if registry.starts_with('.') {
            name.len() > registry.len() && name.ends_with(registry)
        } else {
            name == registry
        };
        port_fits && name_fits
    })?;
    Some(line.server.replace("{host}", name).trim_end_matches('/').to_owned())
}
