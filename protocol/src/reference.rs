//! Image references, parsed and normalised.
//!
//! The grammar is that of `distribution/reference`: `[host/]path[:tag][@algorithm:hex]`. The first
//! part is a host only if it holds a `.` or a `:` or is `localhost`; all else is Docker Hub's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ProtocolError, Sha256, limits};

/// The host every spelling of Docker Hub is folded to.
pub const DOCKER_HUB: &str = "docker.io";
/// The tag of a reference that names neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// The other host that is Docker Hub.
const DOCKER_HUB_INDEX: &str = "index.docker.io";
/// Where Docker Hub keeps the images whose names have one part.
const LIBRARY: &str = "library/";
/// The longest path `distribution/reference` takes (`NameTotalLengthMax`).
const PATH_BYTES: usize = 255;
/// The longest tag.
const TAG_BYTES: usize = 128;

/// A normalised image reference: host lower-cased, Docker Hub's names folded, tag made explicit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageReference {
    /// The digest, if the reference carries one.
    pub digest: Option<Sha256>,
    /// The registry's host, with its port unless that is 443: `docker.io`, `registry.example:5000`.
    /// A host of one label keeps `:443`, for without it the name would be Docker Hub's.
    pub host: String,
    /// The repository below the host: `library/nginx`.
    pub path: String,
    /// The tag: as written; `latest` for neither tag nor digest; `None` for a bare digest.
    pub tag: Option<String>,
}

/// One way to write the repository of a reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spelling {
    /// The host; `None` where Docker Hub is left out.
    pub host: Option<String>,
    /// How many bytes the canonical path has in front of `path`: 8 where `library/` is left out.
    pub left_out: usize,
    /// The path below the host.
    pub path: String,
}

impl ImageReference {
    /// The name of the repository with its host, which is also its GUN in Notary.
    #[must_use]
    pub fn gun(&self) -> String {
        [&self.host, "/", &self.path].concat()
    }

    /// Every way to write the repository that means the same, the canonical one first. A pattern
    /// that covers one of them covers the reference.
    #[must_use]
    pub fn spellings(&self) -> Vec<Spelling> {
        let mut paths = vec![(0, self.path.as_str())];
        let mut hosts = vec![self.host.clone()];
        if !has_port(&self.host) {
            hosts.push(format!("{}:443", self.host));
        }
        if self.host == DOCKER_HUB {
            hosts.extend([DOCKER_HUB_INDEX.to_owned(), format!("{DOCKER_HUB_INDEX}:443")]);
            if let Some(short) = self.path.strip_prefix(LIBRARY).filter(|it| !it.contains('/')) {
                paths.push((LIBRARY.len(), short));
            }
        }
        let mut spellings = Vec::with_capacity(hosts.len() * paths.len() + 2);
        for host in hosts {
            for (left_out, path) in &paths {
                spellings.push(Spelling {
                    host: Some(host.clone()),
                    left_out: *left_out,
                    path: (*path).to_owned(),
                });
            }
        }
        if self.host == DOCKER_HUB {
            // Without a host, a first part that looks like one would be one.
            for (left_out, path) in paths.iter().filter(|(_, path)| host_part(path).is_none()) {
                let path = (*path).to_owned();
                spellings.push(Spelling { host: None, left_out: *left_out, path });
            }
        }
        spellings
    }
}

impl FromStr for ImageReference {
    type Err = ProtocolError;

    /// Parses and normalises.
    ///
    /// # Errors
    /// `ReferenceDigest` for a digest that is not SHA-256, `Reference` for everything else.
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let cut = || text.chars().take(256).collect::<String>();
        let refuse = |why| ProtocolError::Reference { text: cut(), why };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.len() > limits::REFERENCE_BYTES {
            return Err(refuse("it is too long"));
        }
        let (named, digest) = match text.split_once('@') {
            None => (text, None),
            Some((named, digest)) => (named, Some(digest)),
        };
        let digest = match digest.map(parse_digest) {
            None => None,
            Some(Ok(digest)) => Some(digest),
            Some(Err(DigestFault::Malformed(why))) => return Err(refuse(why)),
            Some(Err(DigestFault::Unsupported(algorithm))) => {
                return Err(ProtocolError::ReferenceDigest { algorithm, text: cut() });
            }
        };
        let (name, tag) = split_tag(named);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse("its tag is not 1 to 128 of A-Z, a-z, 0-9, `_`, `.` and `-`"));
        }
        if name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse("it is an image id, which no registry knows"));
        }
        let (host, path) = match host_part(name) {
            None => (DOCKER_HUB.to_owned(), name),
            Some((host, path)) => (normal_host(host).map_err(refuse)?, path),
        };
        let single = host == DOCKER_HUB && !path.contains('/');
        let path = if single { format!("{LIBRARY}{path}") } else { path.to_owned() };
        check_path(&path).map_err(refuse)?;
        let tag = match (tag, digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self { digest, host, path, tag })
    }
}

impl fmt::Display for ImageReference {
    /// The normalised reference, which parses to itself.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{}", digest.to_oci()),
            None => Ok(()),
        }
    }
}

/// The name and the tag of a reference without digest. A colon before the last `/` is a port's.
#[must_use]
pub fn split_tag(named: &str) -> (&str, Option<&str>) {
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    match named[last..].find(':') {
        None => (named, None),
        Some(colon) => (&named[..last + colon], Some(&named[last + colon + 1..])),
    }
}

/// The host and the rest, if the first of several parts is a host
/// (`distribution/reference` `splitDockerDomain`).
#[must_use]
pub fn host_part(name: &str) -> Option<(&str, &str)> {
    name.split_once('/').filter(|(first, _)| {
        first.contains(['.', ':'])
            || *first == "localhost"
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    })
}

/// A host and its port, apart. Brackets of an IPv6 address stay with the host.
#[must_use]
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    }
}

fn has_port(host: &str) -> bool {
    split_port(host).1.is_some()
}

/// Lower-cases a host, drops the root's dot and port 443, and folds Docker Hub's other name.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about an image reference.
pub fn normal_host(written: &str) -> Result<String, &'static str> {
    let lower = written.to_ascii_lowercase();
    let (name, port) = split_port(&lower);
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = host_name(name).ok_or("its host is not a DNS name or IP address")?;
    let port = match port {
        None => None,
        Some(digits) if (1..=8).contains(&digits.len()) => {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            match digits.parse::<u16>() {
                Ok(port) if plain && port > 0 => Some(port),
                Ok(_) | Err(_) => return Err("its port is not a number from 1 to 65535"),
            }
        }
        Some(_) => return Err("its port is not a number from 1 to 65535"),
    };
    let stands_alone = name.contains(['.', ':']) || name == "localhost";
    match port {
        None if !stands_alone => Err("its host needs a dot or a port to be told from Docker Hub's"),
        None | Some(443) if name == DOCKER_HUB_INDEX => Ok(DOCKER_HUB.to_owned()),
        None => Ok(name),
        Some(443) if stands_alone => Ok(name),
        Some(port) => Ok(format!("{name}:{port}")),
    }
}

/// A DNS name as it is, or an IPv6 address in brackets in its one canonical form.
fn host_name(name: &str) -> Option<String> {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<core::net::Ipv6Addr>().ok().map(|it| format!("[{it}]"));
    }
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !ends && label.bytes().all(inner)
    };
    name.split('.').all(label).then(|| name.to_owned())
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(word);
    first
        && tag.len() <= TAG_BYTES
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > PATH_BYTES {
        return Err("its repository is longer than 255 bytes");
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("its repository has upper-case letters");
    }
    if path.split('/').all(is_path_part) {
        Ok(())
    } else {
        Err("its repository is not made of a-z, 0-9 and single separators `.`, `_`, `__`, `-`")
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_path_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = part.split(|letter: char| letter.is_ascii() && plain(letter as u8));
    let ends = [part.bytes().next(), part.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(plain))
        && separators.into_iter().all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        })
}

enum DigestFault {
    Malformed(&'static str),
    Unsupported(String),
}

fn parse_digest(text: &str) -> Result<Sha256, DigestFault> {
    let malformed = DigestFault::Malformed("its digest is not of the form sha256:<64 digits>");
    let Some((algorithm, digits)) = text.split_once(':') else { return Err(malformed) };
    if algorithm == "sha256" {
        return digits.parse().map_err(|_: ProtocolError| malformed);
    }
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.');
    let named = algorithm.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && algorithm.bytes().all(known);
    let hexadecimal = digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if named && hexadecimal {
        return Err(DigestFault::Unsupported(algorithm.chars().take(64).collect()));
    }
    Err(malformed)
}
