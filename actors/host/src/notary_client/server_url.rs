//! URLs of trust servers and token servers, in one spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use rustls_pki_types::ServerName;

/// A base URL without trailing slash, user, query or fragment: scheme and host in lower case, the
/// scheme's own port left out. Equal servers have equal texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerUrl {
    authority: String,
    host: String,
    path: String,
    secure: bool,
}

impl ServerUrl {
    /// Reads a URL such as `https://notary.example:4443`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that began with the URL.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err("its scheme is neither https nor http"),
            None => return Err("it has no scheme; write https:// before it"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it holds a user name");
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("it has a query or a fragment");
        }
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err("it names no host");
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if ServerName::try_from(bare).is_err() {
            return Err("its host is neither a DNS name nor an address");
        }
        let colon =
            authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = match (authority.port_u16(), colon) {
            (None, true) => return Err("its port is not a number"),
            (port, _) => port.filter(|port| *port != if secure { 443 } else { 80 }),
        };
        let authority = match port {
            None => host.clone(),
            Some(port) => format!("{host}:{port}"),
        };
        Ok(Self { authority, host, path: uri.path().trim_end_matches('/').to_owned(), secure })
    }

    /// Host, with the port unless it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, IPv6 addresses in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as an address, if it is written as one.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let v6 = bare.parse::<Ipv6Addr>().map(IpAddr::V6);
        v6.or_else(|_| bare.parse::<Ipv4Addr>().map(IpAddr::V4)).ok()
    }

    /// Whether the scheme is https.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_servers_have_one_spelling() {
        for text in
            ["https://Notary.Example", "https://notary.example:443/", "HTTPS://notary.example."]
        {
            let url = ServerUrl::parse(text).map(|url| url.to_string());
            assert_eq!(url, Ok("https://notary.example".to_owned()), "{text}");
        }
        let other = ServerUrl::parse("http://[::1]:4443/n/").map(|url| url.to_string());
        assert_eq!(other, Ok("http://[::1]:4443/n".to_owned()));
    }

    #[test]
    fn urls_with_a_user_a_query_or_without_host_are_refused() {
        for text in [
            "notary.example",
            "ftp://notary.example",
            "https://user@notary.example",
            "https://notary.example?x=1",
            "https://notary.example/#x",
            "https://",
            "https://notary.example:port",
            "https://notary.example:",
            "https://127.1",
            "https://2130706433",
            "https://a..b",
            "",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text:?}");
        }
    }
}
