//! What must hold of an image that is allowed as signed.

use std::collections::BTreeSet;

use portreeve_protocol::policy::Mode;
use portreeve_protocol::reference::{DEFAULT_TAG, ImageReference};
use portreeve_protocol::{Mono, Settings, Sha256, Wall};

use super::Run;
use super::case::Case;
use crate::truth::Signing;
use crate::truth::policies::{Demand, InForce, Ruling, pins};

/// A version that no publication of a run comes to.
const FARTHEST: u64 = 1_000_000_000;

/// What the policies ask of an image.
///
/// # Errors
/// Why no policy lets it in at all.
pub(super) fn demands<'a>(
    settings: &'a Settings,
    policies: &'a InForce,
    namespace: &str,
    image: &ImageReference,
) -> Result<Vec<Demand<'a>>, String> {
    match policies.ruling(settings, namespace, image) {
        Ruling::Denied => Err("no policy lets it in".to_owned()),
        Ruling::Rules(rules) => {
            let demand = |rule| policies.demand(settings, rule, image);
            Ok(rules.into_iter().filter_map(demand).collect())
        }
    }
}

/// Those of the demands that must be met for an image to be allowed as signed: where a rule
/// enforces, others only warn.
pub(super) fn binding<'a, 'b>(demands: &'b [Demand<'a>]) -> Vec<&'b Demand<'a>> {
    let enforcing: Vec<_> =
        demands.iter().filter(|demand| demand.rule.mode == Mode::Enforce).collect();
    if enforcing.is_empty() { demands.iter().collect() } else { enforcing }
}

/// An image as it is held against the truth.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The digest.
    pub(super) digest: Sha256,
    /// The image.
    pub(super) image: &'a ImageReference,
    /// Whether it rests on a seal: whichever replica gave it may have believed an impostor.
    pub(super) sealed: bool,
    /// The tag for which it was signed.
    pub(super) tag: &'a str,
    /// A wall time by which nothing may have expired.
    pub(super) unexpired: Option<Wall>,
}

/// The tag that an image is judged by.
pub(super) fn tag(image: &ImageReference) -> &str {
    image.tag.as_deref().unwrap_or(DEFAULT_TAG)
}

/// Whether what a demand asks for was served at some instant from `from` to the answer.
pub(super) fn met(
    run: &Run<'_>,
    case: &Case<'_>,
    demand: &Demand<'_>,
    subject: Subject<'_>,
    from: Mono,
) -> Result<(), String> {
    let Subject { digest, image, sealed, tag, unexpired } = subject;
    let Some(server) = &demand.server else {
        return Err("no trust server may be asked".to_owned());
    };
    let Some(signers) = &demand.signers else {
        return Err("the key of a signer is not there".to_owned());
    };
    let gun = image.gun();
    let operator: BTreeSet<Sha256> = run.scenario.settings.root_pins(&gun).keyids;
    let anchor = case.bundle.as_ref().map(|bundle| bundle.root(&gun)).unwrap_or_default();
    if anchor.floors.values().any(|version| *version > FARTHEST) {
        return Err(format!("the trust bundle asks for later versions of {gun} than there are"));
    }
    let forbidden =
        run.scenario.settings.require_pins || case.bundle.is_some() && !anchor.first_use;
    let pinned = run.scenario.bundle.as_ref().is_some_and(|bundle| bundle.pins(&gun));
    if forbidden && !pinned && operator.is_empty() && run.scenario.settings.pin_cas.is_empty() {
        return Err(format!("nothing pins the root of {gun}, and something must"));
    }
    let mut signers = signers.clone();
    let asked = case.bundle.iter().filter_map(|bundle| bundle.anchor(&gun));
    for signer in asked.flat_map(|anchor| &anchor.signers) {
        let mut editions = run.scenario.bundle.iter().flat_map(|bundle| &bundle.editions);
        let keys = editions.find_map(|edition| edition.signers.get(&signer.name));
        signers.insert((signer.name.clone(), keys.copied().unwrap_or_default()));
    }
    let mut pins = pins(demand.trust, &operator);
    pins.extend(Some(&anchor.keyids).filter(|keys| !keys.is_empty()));
    let signing = Signing {
        digest,
        gun: &gun,
        impostor: if sealed { !case.pinned(&gun) } else { case.impostor(server, &gun) },
        pins: &pins,
        server,
        signers: &signers,
        strict: demand.trust.strict_roles,
        tag,
        unexpired,
    };
    if run.outcome.truth.signed(&signing, from, case.at) {
        return Ok(());
    }
    let names: Vec<&str> = signers.iter().map(|(name, _)| name.as_str()).collect();
    Err(format!(
        "{} was not signed for {gun}:{tag} by [{}] in what {server} served from {} us on",
        digest.to_oci(),
        names.join(", "),
        from.0
    ))
}
