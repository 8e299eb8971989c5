//! What a rule asks for where a trust bundle has a say: a policy may tighten what the bundle says,
//! and loosen only what the bundle lets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use portreeve_protocol::anchors::{Anchor, RootAnchor, TrustAnchors};
use portreeve_protocol::decision::BundleRef;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::{Mode, Rule, TrustRequirement};
use portreeve_protocol::{Denial, DenyCode, Settings};
use serde::{Deserialize, Serialize};

use super::bundle::{Held, Standing};

/// What the trust bundle says of the root of one collection, and which bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Anchored {
    /// What it says.
    pub(super) root: Arc<RootAnchor>,
    /// The version of the bundle.
    pub(super) version: u64,
}

/// What a rule comes to.
pub(super) struct Terms {
    /// What the bundle says of the root.
    pub(super) anchor: Option<Anchored>,
    /// What becomes of an image that does not satisfy it.
    pub(super) mode: Mode,
    /// What must hold; `None` allows without trust.
    pub(super) trust: Option<TrustRequirement>,
}

impl Standing {
    /// What `rule` comes to for `gun`. Whoever may write policies in one namespace loosens nothing,
    /// so that is for rules of the `cluster` alone.
    ///
    /// # Errors
    /// What the rule says against the bundle, or why the bundle denies.
    pub(super) fn terms(
        &self,
        gun: &str,
        rule: &Rule,
        cluster: bool,
        settings: &Settings,
    ) -> Result<Terms, (Denial, Mode)> {
        let as_it_is = || Terms { anchor: None, mode: rule.mode, trust: rule.trust.clone() };
        let (held, name) = match self {
            Self::Absent => return Ok(as_it_is()),
            Self::Denies(_) if planted::is(Bug::BundleUnavailableIgnored) => return Ok(as_it_is()),
            Self::Denies(_) if rule.trust.is_none() => return Ok(as_it_is()),
            Self::Denies(why) => return Err((why.clone(), rule.mode)),
            Self::Holds(held, name) => (held, name),
        };
        let own = held.anchors.anchor(gun).filter(|_| !planted::is(Bug::BundleAnchorsIgnored));
        let required = own.is_some_and(|anchor| anchor.required);
        let mode = if required { Mode::Enforce } else { rule.mode };
        let unsaid = required.then(nothing_but_trust);
        let Some(mut trust) = rule.trust.clone().or(unsaid) else { return Ok(as_it_is()) };
        let cluster = cluster || planted::is(Bug::NamespaceLoosensBundle);
        let loosens = cluster && own.is_some_and(|anchor| anchor.policy_may_loosen);
        if let Some(anchor) = own {
            tighten(&mut trust, anchor, held, loosens).map_err(|why| (why, mode))?;
        }
        spans(&mut trust, &held.anchors, gun, loosens, settings);
        let root = Arc::new(held.anchors.root(gun));
        let anchor = Some(Anchored { root, version: name.version });
        Ok(Terms { anchor, mode, trust: Some(trust) })
    }

    /// The bundle in force.
    pub(super) const fn name(&self) -> Option<BundleRef> {
        match self {
            Self::Holds(_, name) => Some(*name),
            Self::Absent | Self::Denies(_) => None,
        }
    }

    /// Whether the bundle names this trust server.
    pub(super) fn vouches_for(&self, server: &str) -> bool {
        match self {
            Self::Holds(held, _) => held.vouches_for(server),
            Self::Absent | Self::Denies(_) => false,
        }
    }
}

/// Signers and trust server.
fn tighten(
    trust: &mut TrustRequirement,
    anchor: &Anchor,
    held: &Held,
    loosens: bool,
) -> Result<(), Denial> {
    if !loosens || trust.signers.is_empty() {
        trust.signers.extend(held.signers(&anchor.gun).iter().cloned());
        trust.signers.sort();
        trust.signers.dedup();
    }
    let Some(server) = &anchor.trust_server else { return Ok(()) };
    match &trust.server {
        Some(other) if plain(other) != plain(server) && loosens => {}
        Some(other) if plain(other) != plain(server) => {
            let detail = format!(
                "the rule names the trust server {other}, and trust bundle version {} names \
                 {server} for {}",
                held.name.version, anchor.gun
            );
            return Err(Denial::new(DenyCode::TrustServerRefused, detail));
        }
        Some(_) | None => trust.server = Some(server.clone()),
    }
    Ok(())
}

/// A server's URL without the port that https has anyway.
fn plain(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("", server));
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let authority = authority.strip_suffix(":443").unwrap_or(authority);
    format!("{scheme}://{authority}{path}")
}

/// Freshness and staleness: the bundle's freshness counts where a policy names none, and neither
/// may be longer than the bundle says.
fn spans(
    trust: &mut TrustRequirement,
    anchors: &TrustAnchors,
    gun: &str,
    loosens: bool,
    settings: &Settings,
) {
    if let Some(most) = anchors.freshness(gun) {
        let own = trust.freshness.unwrap_or(most);
        trust.freshness = Some(if loosens { own } else { own.min(most) });
    }
    if let Some(most) = anchors.max_staleness(gun) {
        let own = trust.max_staleness;
        let least = own.unwrap_or(settings.max_staleness).min(most);
        trust.max_staleness = Some(own.filter(|_| loosens).unwrap_or(least));
    }
}

/// What an anchor asks for that needs trust whatever a policy says.
fn nothing_but_trust() -> TrustRequirement {
    TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: BTreeSet::new(),
        server: None,
        signers: Vec::new(),
        strict_roles: false,
    }
}
