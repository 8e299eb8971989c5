//! Certificates and keys of seals in a directory, for whoever brings them into a cluster in another
//! way.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Extra, Pair, Places, Step, Wanted, failed};
use crate::HostError;
use crate::seals::{KeyFile, make_key};
use crate::yaml;

/// The files in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The directory; it is made if it is not there.
    pub directory: PathBuf,
}

impl Files {
    /// Bundle, certificate and key, as the members of a Secret are called.
    const PAIR: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];
    const SEAL_KEY: &str = "seal.key";
    const SECRETS: &str = "secrets.yaml";

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The text of a file; `None` if it is not there.
    fn text(&self, name: &str) -> Result<Option<String>, HostError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HostError::File { what: "cannot read", path, source }),
        }
    }

    /// What of a certificate is there; `None` if nothing is.
    fn held(&self) -> Result<Option<Pair>, HostError> {
        let [bundle, certificate, key] = Self::PAIR.map(|name| self.text(name));
        let (bundle, certificate, key) = (bundle?, certificate?, key?);
        if bundle.is_none() && certificate.is_none() && key.is_none() {
            return Ok(None);
        }
        Ok(Some(Pair {
            bundle: bundle.unwrap_or_default(),
            certificate: certificate.unwrap_or_default(),
            key: key.unwrap_or_default(),
        }))
    }

    /// Writes a file for its owner alone, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), HostError> {
        let (path, beside) = (self.path(name), self.path(&format!(".{name}.new")));
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, &path));
        written.map_err(|source| HostError::File { what: "cannot write", path, source })
    }
}

/// Sees to it that the directory holds what is wanted, at `now` (in seconds since 1970): `tls.crt`,
/// `tls.key`, `ca.crt`, `seal.key`, and all of them as Secrets in `secrets.yaml`. What is there and
/// good is kept. A dry run writes nothing.
///
/// # Errors
/// `File` for files that cannot be read or written, `SealKeys` for a file that holds no keys,
/// `Certificates` if no certificate can be made.
pub fn write(
    files: &Files,
    places: &Places,
    wanted: &Wanted,
    extra: Extra,
    dry_run: bool,
    now: i64,
) -> Result<Vec<Step>, HostError> {
    let mut steps = Vec::new();
    let mut secrets = Vec::new();
    if !dry_run {
        let directory = files.directory.clone();
        let made = fs::DirBuilder::new().recursive(true).create(&directory);
        made.map_err(|source| HostError::File { what: "cannot make", path: directory, source })?;
    }
    if let Some(name) = &places.seal_secret {
        let path = files.path(Files::SEAL_KEY);
        steps.push(seal_key(&path, dry_run)?);
        let text = files.text(Files::SEAL_KEY)?.unwrap_or_default();
        secrets.push(secret(places, name, "Opaque", &[(Files::SEAL_KEY, &text)]));
    }
    if let Some(name) = &places.secret {
        let held = files.held()?;
        let settled = wanted.settle(held.as_ref(), &[], extra, now)?;
        let Pair { bundle, certificate, key } = &settled.pair;
        let [bundle_name, certificate_name, key_name] = Files::PAIR;
        let what = files.path(certificate_name).display().to_string();
        let how = settled.pair.how(now);
        let members = [(bundle_name, bundle), (certificate_name, certificate), (key_name, key)];
        let members = members.map(|(name, text)| (name, text.as_str()));
        for (name, text) in members.iter().filter(|_| !dry_run) {
            files.write(name, text)?;
        }
        secrets.push(secret(places, name, "kubernetes.io/tls", &members));
        steps.push(match settled.why {
            Some(why) => Step::Made { what, why: format!("{how}: {why}") },
            None => Step::Kept { what, how },
        });
    }
    if !dry_run {
        files.write(Files::SECRETS, &yaml::write_all(&secrets))?;
    }
    let what = files.path(Files::SECRETS).display().to_string();
    steps.push(Step::Made { what, why: "for `kubectl apply -f`".to_owned() });
    Ok(steps)
}

fn seal_key(path: &Path, dry_run: bool) -> Result<Step, HostError> {
    let what = path.display().to_string();
    let there = path.try_exists().map_err(|error| failed(format!("{what}: {error}")))?;
    if there {
        let count = KeyFile::at(path).read()?.ids().count();
        return Ok(Step::Kept { what, how: format!("with {count} keys of seals") });
    }
    let why = if dry_run {
        "with a new key of seals".to_owned()
    } else {
        format!("with the new key {} of seals", make_key(path)?)
    };
    Ok(Step::Made { what, why })
}

fn secret(places: &Places, name: &str, kind: &str, members: &[(&str, &str)]) -> Value {
    let members: serde_json::Map<_, _> =
        members.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": places.namespace},
        "stringData": members,
        "type": kind,
    })
}
