//! Why a document could not be had, and how that is told.
//!
//! Texts are made here from numbers and names that were checked. What a remote server wrote, be it
//! a body, a reason phrase or a name in a certificate, is never repeated.

use std::error::Error;
use std::fmt;
use std::io;

use portreeve_protocol::{Denial, DenyCode};

use super::address::{Forbidden, Unresolved};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The answer is longer than the document may be.
    Oversize(u64),
    /// The server may not be asked; why.
    Refused(&'static str),
    /// The server answered with this status.
    Status(u16),
    /// The token server did not give a token: why.
    Token(NoToken),
    /// No answer came; why.
    Unreachable(Broken),
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The server asks for something else than a bearer token.
    Challenge,
    /// The token server handed out none to an anonymous client.
    Denied,
    /// The token server's host is not allowed for the trust server.
    Realm(String),
    /// The trust server did not take the token.
    NotTaken,
    /// What the token server sent holds no usable token.
    Unusable,
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
            Self::Status(403) | Self::Token(_) => DenyCode::Unauthorized,
            Self::Status(_) => DenyCode::ServerError,
            Self::Unreachable(_) => DenyCode::Unreachable,
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
            Self::Status(status @ 300..400) => {
                format!("{who}: status {status} for {document}; redirects are not followed")
            }
            Self::Status(status) => format!("{who}: status {status} for {document}"),
            Self::Token(why) => format!("{who}: {why}"),
            Self::Unreachable(why) => format!("{who}: {why}"),
        };
        Denial::new(self.code(), detail)
    }

    /// Finds out what a failed request failed of.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut connecting = false;
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Forbidden>() {
                return Self::Refused(PRIVATE_ADDRESS);
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
            Self::Timeout(millis) => write!(formatter, "no answer within {millis} ms"),
            Self::Tls => formatter.write_str("the TLS handshake failed"),
        }
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge => {
                formatter.write_str("it wants credentials in another form than a bearer token")
            }
            Self::Denied => formatter.write_str("no token is given without credentials"),
            Self::Realm(host) => write!(
                formatter,
                "it sends clients for tokens to {host}, which no --allow-realm names for it"
            ),
            Self::NotTaken => formatter.write_str("it did not take the token it asked for"),
            Self::Unusable => formatter.write_str("it handed out no usable token"),
        }
    }
}
