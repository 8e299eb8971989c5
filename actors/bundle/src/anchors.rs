//! The content of the bundle's one target, `anchors.json`.

use std::collections::BTreeSet;

use portreeve_protocol::Sha256;
use portreeve_protocol::settings::is_gun_or_prefix;
use serde::{Deserialize, Serialize};

use crate::BundleError;

/// What the bundle says, in order of prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anchors {
    /// One anchor for each GUN or prefix of GUNs.
    pub anchors: Vec<Anchor>,
}

/// What counts as the root of trust below one GUN prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anchor {
    /// Whether a root none of `root_key_ids` covers may be trusted at first use.
    #[serde(default)]
    pub first_use: bool,
    /// A GUN, or whole path segments of one with `/*` behind them.
    pub gun: String,
    /// Notary key ids of which the root must be signed; empty leaves the root unpinned.
    #[serde(default)]
    pub root_key_ids: BTreeSet<Sha256>,
    /// The trust server for these GUNs; `https` only.
    #[serde(default)]
    pub trust_server: Option<String>,
}

impl Anchors {
    /// Reads `anchors.json`.
    ///
    /// # Errors
    /// `Anchors` if it is not JSON of this shape, names a GUN twice, names a prefix that does not
    /// end at a path segment, or a trust server that is not `https`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut anchors: Self = serde_json::from_slice(bytes)
            .map_err(|error| BundleError::Anchors(error.to_string()))?;
        anchors.anchors.sort_by(|one, other| one.gun.cmp(&other.gun));
        for pair in anchors.anchors.windows(2) {
            if pair[0].gun == pair[1].gun {
                return Err(BundleError::Anchors(format!("`{}` is named twice", pair[0].gun)));
            }
        }
        anchors.anchors.iter().try_for_each(Anchor::check)?;
        Ok(anchors)
    }

    /// The anchor for `gun`: the exact one, else the one with the longest prefix.
    #[must_use]
    pub fn anchor(&self, gun: &str) -> Option<&Anchor> {
        self.anchors
            .iter()
            .filter(|anchor| anchor.covers(gun))
            .max_by_key(|anchor| (!anchor.gun.ends_with("/*"), anchor.gun.len()))
    }
}

impl Anchor {
    fn check(&self) -> Result<(), BundleError> {
        if !is_gun_or_prefix(&self.gun) {
            return Err(BundleError::Anchors(format!(
                "`{}` is neither a GUN nor whole path segments followed by `/*`",
                self.gun
            )));
        }
        match &self.trust_server {
            Some(server) if !server.starts_with("https://") => Err(BundleError::Anchors(format!(
                "the trust server of `{}` is not an https URL",
                self.gun
            ))),
            _ => Ok(()),
        }
    }

    fn covers(&self, gun: &str) -> bool {
        match self.gun.strip_suffix("/*") {
            Some(prefix) => {
                gun.strip_prefix(prefix).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
            }
            None => self.gun == gun,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(guns: &[&str]) -> Result<Anchors, BundleError> {
        let anchors: Vec<_> = guns.iter().map(|gun| serde_json::json!({"gun": gun})).collect();
        Anchors::parse(serde_json::json!({"anchors": anchors}).to_string().as_bytes())
    }

    #[test]
    fn the_exact_gun_wins_over_the_longest_prefix() {
        let anchors = parse(&["r.example/*", "r.example/team/*", "r.example/team/app"]).unwrap();
        let gun = |name: &str| anchors.anchor(name).map(|anchor| anchor.gun.clone());
        assert_eq!(gun("r.example/team/app").as_deref(), Some("r.example/team/app"));
        assert_eq!(gun("r.example/team/other").as_deref(), Some("r.example/team/*"));
        assert_eq!(gun("r.example/x").as_deref(), Some("r.example/*"));
    }

    #[test]
    fn a_prefix_covers_whole_path_segments_only() {
        let anchors = parse(&["r.example/team/*"]).unwrap();
        assert_eq!(anchors.anchor("r.example/team-evil/app"), None);
        assert_eq!(anchors.anchor("r.example/team"), None);
    }

    #[test]
    fn a_gun_named_twice_is_refused() {
        assert!(matches!(parse(&["r.example/a", "r.example/a"]), Err(BundleError::Anchors(_))));
    }

    #[test]
    fn a_wildcard_inside_a_segment_is_refused() {
        assert!(parse(&["r.example/te*m/app"]).is_err());
        assert!(parse(&["r.example/team*"]).is_err());
    }
}
