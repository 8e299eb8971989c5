//! Why a document could not be had, and how that is told.
//!
//! Texts are made here from numbers and names that were checked. What a remote server wrote, be it
//! a body, a reason phrase or a name in a certificate, is never repeated.

use std::error::Error;
use std::fmt;
use std::io;

use portreeve_protocol::time::SECOND;
use portreeve_protocol::{CredentialRef, Denial, DenyCode};

use super::address::{Forbidden, Unresolved};
use super::connect::ProxyFailed;
use crate::credentials::Unread;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The answer is longer than the document may be.
    Oversize(u64),
    /// The server may not be asked; why.
    Refused(&'static str),
    /// The document repeats the token or the password it was asked for with.
    Repeated,
    /// The server answered with this status, and would be left alone for so many seconds.
    Status(u16, Option<u64>),
    /// The token server did not give a token: why.
    Token(NoToken),
    /// No answer came; why.
    Unreachable(Broken),
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The server asks for something else than a bearer token or a password.
    Challenge,
    /// The token server handed out none to an anonymous client.
    Denied,
    /// The server wants a user and a password, and there is no credential to be tried.
    Password,
    /// The token server would be asked without TLS.
    PlainRealm,
    /// The token server's host is not allowed for the trust server.
    Realm(String),
    /// The trust server did not take the token.
    NotTaken,
    /// There were credentials for the collection, but none was accepted.
    Tried {
        /// Each with why it was not.
        tried: Vec<(CredentialRef, Refusal)>,
        /// What could not be read.
        unread: Vec<Unread>,
    },
    /// There were names of credentials, but none is for the collection.
    Unmatched {
        /// The names.
        names: Vec<CredentialRef>,
        /// What of them could not be read.
        unread: Vec<Unread>,
    },
    /// What the token server sent holds no usable token.
    Unusable,
}

/// Why a credential was of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A password would go over a connection without TLS.
    Insecure,
    /// It is a token, and the server asks for a password.
    Kind,
    /// The trust server did not take it, or what was had for it.
    TrustServer,
    /// The token server gave nothing for it.
    TokenServer,
}

/// How a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The certificate is not acceptable.
    Certificate(&'static str),
    /// The connection ended in the middle.
    Closed,
    /// No connection came about.
    Connect(&'static str),
    /// The name cannot be resolved.
    Dns,
    /// The proxy did not connect us; its status, if it answered.
    Proxy(Option<u16>),
    /// Not within the time given, in milliseconds.
    Timeout(u64),
    /// The TLS handshake failed.
    Tls,
}

/// Whom the trouble is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// The server that hands out tokens for the trust server.
    TokenServer,
    /// The trust server.
    TrustServer,
}

impl Trouble {
    /// The stable code.
    pub(super) const fn code(&self) -> DenyCode {
        match self {
            Self::Oversize(_) => DenyCode::Oversize,
            Self::Refused(_) => DenyCode::TrustServerRefused,
            Self::Status(403, _) | Self::Token(_) => DenyCode::Unauthorized,
            Self::Repeated | Self::Status(..) => DenyCode::ServerError,
            Self::Unreachable(_) => DenyCode::Unreachable,
        }
    }

    /// For what may pass by itself: how long the server wants to be left alone, in microseconds.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Status(408 | 429 | 500..600, seconds) => {
                Some(seconds.unwrap_or_default().saturating_mul(SECOND))
            }
            Self::Unreachable(Broken::Certificate(_) | Broken::Tls)
            | Self::Oversize(_)
            | Self::Refused(_)
            | Self::Repeated
            | Self::Status(..)
            | Self::Token(_) => None,
            Self::Unreachable(_) => Some(0),
        }
    }

    /// As it is told: `server` is the trust server's URL, `document` the last part of the path.
    pub(super) fn denial(&self, party: Party, server: &str, document: &str) -> Denial {
        let who = match party {
            Party::TrustServer => format!("trust server {server}"),
            Party::TokenServer => format!("token server of trust server {server}"),
        };
        let detail = match self {
            Self::Oversize(limit) => {
                format!("{who}: {document} is longer than the {limit} bytes it may have")
            }
            Self::Refused(why) => format!("{who}: {why}"),
            Self::Repeated => {
                format!("{who}: {document} repeats what it was asked for with, and is not kept")
            }
            Self::Status(status @ 300..400, _) => {
                format!("{who}: status {status} for {document}; redirects are not followed")
            }
            Self::Status(status, Some(seconds)) => {
                format!("{who}: status {status} for {document}; to be asked again in {seconds} s")
            }
            Self::Status(status, None) => format!("{who}: status {status} for {document}"),
            Self::Token(why) => format!("{who}: {why}"),
            Self::Unreachable(why) => format!("{who}: {why}"),
        };
        Denial::new(self.code(), detail)
    }

    /// What went wrong with a file of a server that the operator named, in a few words.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Oversize(limit) => format!("it is longer than {limit} bytes"),
            Self::Refused(why) => (*why).to_owned(),
            Self::Repeated => "it repeats what it was asked with".to_owned(),
            Self::Status(status @ 300..400, _) => {
                format!("status {status}, and redirects are not followed")
            }
            Self::Status(status, _) => format!("status {status}"),
            Self::Token(why) => why.to_string(),
            Self::Unreachable(why) => why.to_string(),
        }
    }

    /// Finds out what a failed request failed of.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut connecting = false;
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Forbidden>() {
                return Self::Refused(PRIVATE_ADDRESS);
            }
            if let Some(proxy) = error.downcast_ref::<ProxyFailed>() {
                let status = match proxy {
                    ProxyFailed::Status(status) => Some(*status),
                    ProxyFailed::Unreachable => None,
                };
                return Self::Unreachable(Broken::Proxy(status));
            }
            if error.is::<Unresolved>() {
                return Self::Unreachable(Broken::Dns);
            }
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::Unreachable(handshake(tls));
            }
            if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
                connecting = client.is_connect();
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                match io.get_ref() {
                    Some(inner) => {
                        next = Some(inner);
                        continue;
                    }
                    None if connecting => return Self::Unreachable(socket(io.kind())),
                    None => return Self::Unreachable(Broken::Closed),
                }
            }
            next = error.source();
        }
        let why = if connecting { Broken::Connect("no connection") } else { Broken::Closed };
        Self::Unreachable(why)
    }
}

/// Why an unapproved server at such an address is not asked.
pub(super) const PRIVATE_ADDRESS: &str = "its address is a loopback, link-local or metadata \
     address, which only a server named by --allow-trust-server may have";

fn socket(kind: io::ErrorKind) -> Broken {
    let known = [
        (io::ErrorKind::ConnectionRefused, "connection refused"),
        (io::ErrorKind::ConnectionReset, "connection reset"),
        (io::ErrorKind::HostUnreachable, "host unreachable"),
        (io::ErrorKind::NetworkUnreachable, "network unreachable"),
        (io::ErrorKind::TimedOut, "connecting took too long"),
    ];
    let found = known.into_iter().find(|(known, _)| *known == kind);
    Broken::Connect(found.map_or("no connection", |(_, text)| text))
}

fn handshake(error: &rustls::Error) -> Broken {
    use rustls::CertificateError as Bad;
    let rustls::Error::InvalidCertificate(why) = error else { return Broken::Tls };
    Broken::Certificate(if matches!(why, Bad::Expired | Bad::ExpiredContext { .. }) {
        "it has expired"
    } else if matches!(why, Bad::NotValidYet | Bad::NotValidYetContext { .. }) {
        "it is not valid yet"
    } else if matches!(why, Bad::NotValidForName | Bad::NotValidForNameContext { .. }) {
        "it is for another name"
    } else if matches!(why, Bad::UnknownIssuer) {
        "no CA trusted here issued it; name its CA with --trust-ca"
    } else if matches!(why, Bad::BadSignature) {
        "its signature is not by the CA trusted here under that name; see --trust-ca"
    } else {
        "it is not acceptable"
    })
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(why) => write!(formatter, "its TLS certificate was refused: {why}"),
            Self::Closed => formatter.write_str("the connection ended before the answer did"),
            Self::Connect(why) => formatter.write_str(why),
            Self::Dns => formatter.write_str("its name cannot be resolved"),
            Self::Proxy(Some(status)) => {
                write!(formatter, "the proxy of HTTPS_PROXY answered with status {status}")
            }
            Self::Proxy(None) => {
                formatter.write_str("the proxy of HTTPS_PROXY could not be talked to")
            }
            Self::Timeout(millis) => write!(formatter, "no answer within {millis} ms"),
            Self::Tls => formatter.write_str("the TLS handshake failed"),
        }
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge => {
                formatter.write_str("it wants neither a bearer token nor a password")
            }
            Self::Denied => formatter.write_str("no token is given without credentials"),
            Self::Password => formatter.write_str("it wants a password, and there is none for it"),
            Self::PlainRealm => {
                formatter.write_str("it sends clients for tokens to a URL that is not https")
            }
            Self::Realm(host) => write!(
                formatter,
                "it sends clients for tokens to {host}, which no --allow-realm names for it"
            ),
            Self::NotTaken => formatter.write_str("it did not take the token it asked for"),
            Self::Tried { tried, unread } => {
                formatter.write_str("none of the credentials was accepted: ")?;
                for (index, (name, why)) in tried.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{name} ({why})")?;
                }
                not_read(formatter, unread)
            }
            Self::Unmatched { names, unread } => {
                formatter.write_str("no credential for the image is in ")?;
                for (index, name) in names.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{name}")?;
                }
                formatter.write_str(", and without one nothing is given")?;
                not_read(formatter, unread)
            }
            Self::Unusable => formatter.write_str("it handed out no usable token"),
        }
    }
}

/// The credentials that could not be read, behind the rest of a sentence.
fn not_read(formatter: &mut fmt::Formatter<'_>, unread: &[Unread]) -> fmt::Result {
    unread.iter().try_for_each(|Unread { name, why }| write!(formatter, "; {name}: {why}"))
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Insecure => "a password is sent over TLS only",
            Self::Kind => "it is a token, and the trust server asks for a password",
            Self::TrustServer => "the trust server did not take it",
            Self::TokenServer => "the token server did not take it",
        })
    }
}
