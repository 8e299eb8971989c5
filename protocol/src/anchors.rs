//! The content of a signed trust bundle: what a security team says, for a whole cluster, about
//! roots, signers and trust servers. `docs/bundle-format.md` describes it member by member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::reference::ImageReference;
use crate::settings::is_gun_or_prefix;
use crate::{Sha256, duration, limits};

/// The name of the bundle's one target.
pub const TARGET: &str = "trust.json";
/// The version of the format that is written and read.
pub const FORMAT: u32 = 1;

/// What a trust bundle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustAnchors {
    /// One anchor for each GUN or prefix of GUNs, in order of it.
    pub anchors: Vec<Anchor>,
    /// What holds where an anchor says nothing, and where there is none.
    #[serde(default)]
    pub defaults: AnchorDefaults,
    /// [`FORMAT`].
    pub format: u32,
    /// The trust servers that have a CA of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_servers: Vec<TrustServer>,
}

/// What holds where an anchor says nothing, and where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchorDefaults {
    /// Whether a root that nothing pins may be trusted when it is first seen.
    #[serde(default)]
    pub first_use: bool,
    /// The longest freshness, as a Go duration; the one that counts where a policy names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<String>,
    /// The longest staleness, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness: Option<String>,
}

/// What is known of the collections below one GUN prefix. The most specific anchor counts, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anchor {
    /// Whether a root that this anchor does not pin may be trusted when it is first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_use: Option<bool>,
    /// Role to the lowest version of it that is believed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "no_twins")]
    pub floors: BTreeMap<String, u64>,
    /// The longest freshness, as a Go duration; the one that counts where a policy names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<String>,
    /// A GUN, or whole path segments of one with `/*` behind them.
    pub gun: String,
    /// The longest staleness, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_staleness: Option<String>,
    /// Whether a ClusterImagePolicy may name another trust server, other signers, or longer spans.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_may_loosen: bool,
    /// Whether these images need trust, enforced, whatever a policy says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// PEM certificates of authorities, one of whom must have issued the root's certificate.
    #[serde(rename = "rootCA", default, skip_serializing_if = "Option::is_none")]
    pub root_ca: Option<String>,
    /// Ids of admissible root keys, of certificate or bare key.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub root_key_ids: BTreeSet<Sha256>,
    /// Who must have signed, besides those that a policy names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<AnchorSigner>,
    /// The trust server of these collections; `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_server: Option<String>,
}

/// A signer that an anchor asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchorSigner {
    /// The signer's delegation below `targets/`.
    pub name: String,
    /// PEM text of the public key, or of a certificate with it.
    pub public_key: String,
}

/// A trust server, and whom connections to it believe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustServer {
    /// PEM certificates of CAs believed at this server, besides the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The server's URL, without trailing slash.
    pub url: String,
}

/// What is known beforehand of the root of one collection, as a trust bundle has it. Whoever asks a
/// fetcher says it with the question.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RootAnchor {
    /// PEM certificates of authorities, one of whom must have issued the root's certificate.
    pub authorities: Vec<String>,
    /// Whether a root that nothing pins may be trusted when it is first seen.
    pub first_use: bool,
    /// Role to the lowest version of it that is believed.
    pub floors: BTreeMap<String, u64>,
    /// Ids of admissible root keys, of certificate or bare key.
    pub keyids: BTreeSet<Sha256>,
}

impl RootAnchor {
    /// SHA-256 of the canonical JSON: what two anchors are told apart by.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        // It can always be written: its map has strings for keys.
        crate::codec::digest(self).unwrap_or(Sha256::ZERO)
    }

    /// Whether it names keys or authorities.
    #[must_use]
    pub fn pins(&self) -> bool {
        !(self.authorities.is_empty() && self.keyids.is_empty())
    }
}

impl TrustAnchors {
    /// Anchors that say nothing yet.
    #[must_use]
    pub fn empty() -> Self {
        let (anchors, trust_servers) = (Vec::new(), Vec::new());
        Self { anchors, defaults: AnchorDefaults::default(), format: FORMAT, trust_servers }
    }

    /// Reads `trust.json`, strictly: an unknown or repeated member, a GUN that is not spelled as
    /// Notary spells it, or anything beyond its bound is an error.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without a final full stop.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > limits::BUNDLE_TARGET_BYTES {
            return Err(format!("it is longer than {} bytes", limits::BUNDLE_TARGET_BYTES));
        }
        let mut found: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        found.sort();
        found.check()?;
        Ok(found)
    }

    /// Puts anchors, signers and servers in their order.
    pub fn sort(&mut self) {
        self.anchors.sort_by(|one, other| one.gun.cmp(&other.gun));
        self.anchors.iter_mut().for_each(|anchor| anchor.signers.sort());
        self.trust_servers.sort_by(|one, other| one.url.cmp(&other.url));
    }

    /// The text of `trust.json`.
    ///
    /// # Errors
    /// As [`TrustAnchors::parse`], if it could not be read back.
    pub fn text(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        let text = format!("{text}\n");
        Self::parse(text.as_bytes())?;
        Ok(text)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("it has format {}, and {FORMAT} is understood", self.format));
        }
        at_most("anchors", self.anchors.len(), limits::BUNDLE_ANCHORS)?;
        at_most("trust servers", self.trust_servers.len(), limits::TRUST_SERVERS)?;
        let guns = self.anchors.iter().map(|anchor| anchor.gun.as_str());
        let urls = self.trust_servers.iter().map(|server| server.url.as_str());
        no_neighbour_alike(guns)?;
        no_neighbour_alike(urls)?;
        for (name, span) in [
            ("freshness", &self.defaults.freshness),
            ("maxStaleness", &self.defaults.max_staleness),
        ] {
            in_span(span).map_err(|why| format!("`defaults`: `{name}`: {why}"))?;
        }
        for server in &self.trust_servers {
            let of = |why: &str| format!("the trust server `{}`: {why}", server.url);
            is_server(&server.url).map_err(|why| of(&why))?;
            server.ca.as_deref().map_or(Ok(()), is_authority).map_err(|why| of(&why))?;
        }
        let named = |anchor: &Anchor| {
            anchor.check().map_err(|why| format!("the anchor of `{}`: {why}", anchor.gun))
        };
        self.anchors.iter().try_for_each(named)
    }

    /// The anchor for `gun`: the exact one, else the one with the longest prefix.
    #[must_use]
    pub fn anchor(&self, gun: &str) -> Option<&Anchor> {
        let find = |name: &str| {
            let found = self.anchors.binary_search_by(|anchor| anchor.gun.as_str().cmp(name));
            found.ok().and_then(|index| self.anchors.get(index))
        };
        let mut rest = gun;
        let mut found = find(gun);
        while let (None, Some((prefix, _))) = (found, rest.rsplit_once('/')) {
            found = find(&format!("{prefix}/*"));
            rest = prefix;
        }
        found
    }

    /// What a fetcher is told about the root of `gun`.
    #[must_use]
    pub fn root(&self, gun: &str) -> RootAnchor {
        let Some(anchor) = self.anchor(gun) else {
            return RootAnchor { first_use: self.defaults.first_use, ..RootAnchor::default() };
        };
        RootAnchor {
            authorities: anchor.root_ca.iter().cloned().collect(),
            first_use: anchor.first_use.unwrap_or(self.defaults.first_use),
            floors: anchor.floors.clone(),
            keyids: anchor.root_key_ids.clone(),
        }
    }

    /// The longest freshness for `gun`, in microseconds.
    #[must_use]
    pub fn freshness(&self, gun: &str) -> Option<u64> {
        let own = self.anchor(gun).and_then(|anchor| anchor.freshness.as_deref());
        own.or(self.defaults.freshness.as_deref()).and_then(duration::parse)
    }

    /// The longest staleness for `gun`, in microseconds.
    #[must_use]
    pub fn max_staleness(&self, gun: &str) -> Option<u64> {
        let own = self.anchor(gun).and_then(|anchor| anchor.max_staleness.as_deref());
        own.or(self.defaults.max_staleness.as_deref()).and_then(duration::parse)
    }

    /// Every trust server that is named, each with its CAs if it has any of its own.
    #[must_use]
    pub fn servers(&self) -> BTreeMap<&str, Option<&str>> {
        let of_anchors = self.anchors.iter().filter_map(|anchor| anchor.trust_server.as_deref());
        let mut servers: BTreeMap<&str, Option<&str>> =
            of_anchors.map(|server| (server, None)).collect();
        let own = self.trust_servers.iter().map(|it| (it.url.as_str(), it.ca.as_deref()));
        servers.extend(own);
        servers
    }
}

impl Anchor {
    fn check(&self) -> Result<(), String> {
        is_spelled_as_notary_does(&self.gun)?;
        if self.root_ca.is_some() && !self.root_key_ids.is_empty() {
            return Err("it has both `rootKeyIds` and `rootCA`, and one pins the root".to_owned());
        }
        if self.first_use == Some(true) && (self.root_ca.is_some() || !self.root_key_ids.is_empty())
        {
            return Err("it pins the root, so `firstUse` cannot be true".to_owned());
        }
        at_most("key ids", self.root_key_ids.len(), limits::ANCHOR_ENTRIES)?;
        at_most("signers", self.signers.len(), limits::ANCHOR_ENTRIES)?;
        at_most("floors", self.floors.len(), limits::ANCHOR_ENTRIES)?;
        no_neighbour_alike(self.signers.iter().map(|signer| signer.name.as_str()))?;
        self.root_ca.as_deref().map_or(Ok(()), is_authority).map_err(|why| of("rootCA", &why))?;
        for signer in &self.signers {
            if signer.public_key.len() > limits::ANCHOR_PEM_BYTES {
                return Err(format!("the key of signer `{}` is too long", signer.name));
            }
        }
        for role in self.floors.keys() {
            let known = ["root", "targets", "snapshot", "timestamp"].contains(&role.as_str());
            if !known && !role.starts_with("targets/") {
                return Err(format!("`floors`: `{role}` is not a role"));
            }
        }
        in_span(&self.freshness).map_err(|why| of("freshness", &why))?;
        in_span(&self.max_staleness).map_err(|why| of("maxStaleness", &why))?;
        match &self.trust_server {
            Some(server) => is_server(server).map_err(|why| of("trustServer", &why)),
            None => Ok(()),
        }
    }
}

fn of(member: &str, why: &str) -> String {
    format!("`{member}`: {why}")
}

fn at_most(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found > most {
        return Err(format!("it has {found} {what}, and {most} may be"));
    }
    Ok(())
}

/// Of names in order.
fn no_neighbour_alike<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let Some(mut last) = names.next() else { return Ok(()) };
    for name in names {
        if name == last {
            return Err(format!("`{name}` is named twice"));
        }
        last = name;
    }
    Ok(())
}

/// A name that is spelled otherwise would never be met, and what it pins would not be pinned.
fn is_spelled_as_notary_does(name: &str) -> Result<(), String> {
    if !is_gun_or_prefix(name) || name.len() > limits::REFERENCE_BYTES {
        return Err("it is neither a GUN nor whole path segments followed by `/*`".to_owned());
    }
    let (stem, below) = match name.strip_suffix("/*") {
        // Two segments, so that none is taken for one of Docker's own repositories.
        Some(prefix) => (prefix, "/x/x"),
        None => (name, ""),
    };
    let reference: Result<ImageReference, _> = format!("{stem}{below}").parse();
    let spelled = reference.map(|it| it.gun()).map_err(|error| error.to_string())?;
    if spelled.strip_suffix(below) == Some(stem) {
        return Ok(());
    }
    let right = spelled.strip_suffix(below).unwrap_or(&spelled);
    let star = if below.is_empty() { "" } else { "/*" };
    Err(format!("Notary spells it `{right}{star}`"))
}

fn is_server(url: &str) -> Result<(), String> {
    let host = url.strip_prefix("https://").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#\\\"<>{}|^`".contains(&byte);
    let shaped = !host.is_empty() && !host.starts_with('/') && !host.ends_with('/');
    if !shaped || !host.bytes().all(plain) || url.len() > limits::REFERENCE_BYTES {
        return Err("it is not an https URL without trailing slash, user or query".to_owned());
    }
    let authority = host.split('/').next().unwrap_or_default();
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) || authority.ends_with(":443") {
        return Err("write its host in lower case and without `:443`".to_owned());
    }
    Ok(())
}

fn is_authority(pem: &str) -> Result<(), String> {
    if pem.len() > limits::ANCHOR_PEM_BYTES {
        return Err(format!("it is longer than {} bytes", limits::ANCHOR_PEM_BYTES));
    }
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    Ok(())
}

fn in_span(text: &Option<String>) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    match duration::parse(text) {
        Some(span) if span <= limits::LONGEST_SPAN => Ok(()),
        Some(_) => Err(format!("`{text}` is longer than thirty days")),
        None => Err(format!("`{text}` is not a duration such as 30s")),
    }
}

/// Reads a map in which no key is named twice: the last one would count, unseen.
fn no_twins<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, u64>, D::Error> {
    struct Floors;

    impl<'de> Visitor<'de> for Floors {
        type Value = BTreeMap<String, u64>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object of roles with their lowest versions")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut floors = BTreeMap::new();
            while let Some((role, version)) = map.next_entry::<String, u64>()? {
                if floors.insert(role.clone(), version).is_some() {
                    return Err(A::Error::custom(format!("`{role}` is named twice")));
                }
            }
            Ok(floors)
        }
    }
    input.deserialize_map(Floors)
}
