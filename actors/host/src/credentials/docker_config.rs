//! The two formats of pull secrets, and the file docker keeps.
//!
//! Formats and their reading follow Kubernetes, `pkg/credentialprovider/config.go`
//! (`DockerConfigEntry.UnmarshalJSON`, `decodeDockerConfigFieldAuth`); tokens, which the kubelet
//! does not read, follow docker, `cli/config/types/authconfig.go`. An entry that cannot be used is
//! left out with a warning, where the kubelet would refuse the whole Secret. Nothing of the text
//! but the names of entries ever leaves this module.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use portreeve_protocol::limits;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::pattern::Pattern;
use super::secret::{Credential, Secret};

/// How the text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `.dockercfg`: entries by registry.
    Dockercfg,
    /// `.dockerconfigjson` and docker's `config.json`: the same below `auths`.
    DockerConfigJson,
}

/// What was read.
pub(super) struct Parsed {
    /// Usable entries, in the order of their names as written.
    pub(super) entries: Vec<(Pattern, Credential)>,
    /// What could not be used, by registry.
    pub(super) warnings: Vec<String>,
}

type Auths<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct DockerConfig<'a> {
    #[serde(borrow, default)]
    auths: Option<Auths<'a>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    identitytoken: Option<String>,
    password: Option<String>,
    registrytoken: Option<String>,
    username: Option<String>,
}

/// Reads the text of a Secret's member or of docker's file.
///
/// # Errors
/// Why nothing of it can be used, without quoting it.
pub(super) fn parse(format: Format, text: &[u8]) -> Result<Parsed, String> {
    if text.len() > limits::OBJECT_BYTES {
        return Err(format!("it has more than {} bytes", limits::OBJECT_BYTES));
    }
    // The library's own words may quote the text, and so a password.
    let unreadable = |error: serde_json::Error| {
        format!("line {}: it is not the JSON of docker's credentials", error.line())
    };
    let (auths, helpers, store) = match format {
        Format::Dockercfg => (serde_json::from_slice(text).map_err(unreadable)?, None, None),
        Format::DockerConfigJson => {
            let config: DockerConfig<'_> = serde_json::from_slice(text).map_err(unreadable)?;
            (config.auths.unwrap_or_default(), config.helpers, config.store)
        }
    };
    if auths.len() > limits::KEYRING_ENTRIES {
        return Err(format!("it has more than {} entries", limits::KEYRING_ENTRIES));
    }
    let store = store.filter(|store| !store.is_empty());
    let mut parsed = Parsed { entries: Vec::new(), warnings: Vec::new() };
    for (name, value) in auths {
        parsed.add(&name, value, store.is_some());
    }
    if store.is_some() && parsed.entries.is_empty() && parsed.warnings.is_empty() {
        parsed.warnings.push(format!("all registries: {HELPER}"));
    }
    let helpers = helpers.unwrap_or_default().into_keys().take(limits::KEYRING_ENTRIES);
    parsed.warnings.extend(helpers.map(|name| format!("{}: {HELPER}", shown(&name))));
    Ok(parsed)
}

const HELPER: &str = "its credentials are kept by a helper program, which is never run; write them \
     into the file itself";

impl Parsed {
    fn add(&mut self, name: &str, value: &RawValue, helped: bool) {
        let entry = match entry(value) {
            Ok(Some(credential)) => Ok(credential),
            Ok(None) if helped => Err(HELPER),
            Ok(None) => Err("it holds no credential"),
            Err(why) => Err(why),
        };
        let pattern = Pattern::parse(name).ok_or("it is not the name of a registry");
        match pattern.and_then(|pattern| Ok((pattern, entry?))) {
            Ok(usable) => self.entries.push(usable),
            Err(why) => self.warnings.push(format!("{}: {why}", shown(name))),
        }
    }
}

/// The name of an entry as far as a line of a log has room for it. It is no secret, but what stands
/// before an `@` might be.
fn shown(name: &str) -> String {
    name.rsplit('@').next().unwrap_or_default().chars().take(256).collect()
}

fn entry(value: &RawValue) -> Result<Option<Credential>, &'static str> {
    let entry: Option<Entry> =
        serde_json::from_str(value.get()).map_err(|_| "its entry is not well formed")?;
    let Some(entry) = entry else { return Ok(None) };
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(token) = filled(entry.registrytoken) {
        return Ok(Some(Credential::RegistryToken(Secret::new(token))));
    }
    if let Some(token) = filled(entry.identitytoken) {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    let (user, password) = match filled(entry.auth) {
        Some(auth) => decoded(Secret::new(auth))?,
        None => {
            (entry.username.unwrap_or_default(), Secret::new(entry.password.unwrap_or_default()))
        }
    };
    if user.is_empty() && password.expose().is_empty() {
        return Ok(None);
    }
    if user.contains(|c: char| c == ':' || c.is_control()) {
        return Err("its user name has a character that HTTP cannot carry");
    }
    Ok(Some(Credential::Password { password, user }))
}

/// Base64 with or without padding, as the kubelet takes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User and password of base64 of `user:password`.
fn decoded(auth: Secret) -> Result<(String, Secret), &'static str> {
    let why = "its `auth` is not base64 of user:password";
    let compact = Secret::new(auth.expose().split_ascii_whitespace().collect());
    let bytes = BASE64.decode(compact.expose()).map_err(|_| why)?;
    let text = Secret::new(String::from_utf8(bytes).map_err(|_| why)?);
    let (user, password) = text.expose().split_once(':').ok_or(why)?;
    Ok((user.to_owned(), Secret::new(password.to_owned())))
}
