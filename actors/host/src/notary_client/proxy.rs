//! Which servers are asked through a proxy, by the variables curl and Go obey.
//!
//! `HTTPS_PROXY` (or `https_proxy`) names the proxy, `NO_PROXY` (or `no_proxy`) who is asked
//! directly; the rules are those of Go, `golang.org/x/net/http/httpproxy/proxy.go`. Only https is
//! asked through it, by CONNECT, so that TLS is verified end to end and the proxy sees a host's
//! name, never a token. Loopback addresses and `localhost` are always asked directly.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

use super::server_url::ServerUrl;
use crate::HostError;

/// Whom to ask through which proxy. The default is nobody.
#[derive(Clone, Default)]
pub struct Proxies {
    direct: Vec<Direct>,
    proxy: Option<Proxy>,
}

/// A proxy, and what it wants to hear.
#[derive(Clone)]
pub(super) struct Proxy {
    /// `Basic` credentials of the proxy's URL, marked sensitive.
    pub(super) authorization: Option<HeaderValue>,
    /// Where it is: a URL with neither user nor path.
    pub(super) uri: Uri,
}

/// An entry of `NO_PROXY`.
#[derive(Clone)]
struct Direct {
    port: Option<u16>,
    what: Exempt,
}

#[derive(Clone)]
enum Exempt {
    All,
    /// A host and everything below it.
    Domain(String),
    /// Addresses that have these first bits.
    Network(IpAddr, u32),
    /// Everything below a host, which begins with a dot.
    Subdomains(String),
}

impl Proxies {
    /// Reads the environment.
    ///
    /// # Errors
    /// `Setting` for a proxy that cannot be used, since asking directly instead might be forbidden.
    pub fn from_environment() -> Result<Self, HostError> {
        let read = |names: [&str; 2]| {
            let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self::new(&read(["HTTPS_PROXY", "https_proxy"]), &read(["NO_PROXY", "no_proxy"]))
    }

    /// Takes the two values; an empty proxy is none. Entries of `no_proxy` that mean nothing are
    /// passed over, as elsewhere.
    ///
    /// # Errors
    /// `Setting` for a proxy that cannot be used.
    pub fn new(https_proxy: &str, no_proxy: &str) -> Result<Self, HostError> {
        let unusable = |why: &str| HostError::Setting {
            key: "HTTPS_PROXY",
            // Not the value: it may hold a password.
            why: format!("it is not the URL of a proxy, such as http://proxy.example:3128: {why}"),
        };
        let proxy = match https_proxy.trim() {
            "" => None,
            text => Some(proxy(text).map_err(unusable)?),
        };
        Ok(Self { direct: no_proxy.split(',').filter_map(direct).collect(), proxy })
    }

    /// The proxy through which this URL is to be asked for, if any.
    pub(super) fn through(&self, uri: &Uri) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = host.parse().ok();
        let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let port = uri.port_u16().unwrap_or(443);
        let exempt = self.direct.iter().any(|entry| entry.covers(host, address, port));
        (uri.scheme_str() == Some("https") && !here && !exempt).then_some(proxy)
    }
}

impl fmt::Debug for Proxies {
    /// The proxy without its user and password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            None => formatter.write_str("Proxies(none)"),
            Some(proxy) => {
                let authority = proxy.uri.authority().map_or("", http::uri::Authority::as_str);
                write!(formatter, "Proxies({authority})")
            }
        }
    }
}

fn proxy(text: &str) -> Result<Proxy, &'static str> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.trim_end_matches('/');
    let (user, place) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((user, place)) => (Some(user), place),
    };
    let url = ServerUrl::parse(&format!("{scheme}://{place}"))?;
    let uri = url.to_string().parse().map_err(|_| "it is not a URL")?;
    let authorization = match user {
        None => None,
        Some(user) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let mut bytes = percent_decoded(name);
            bytes.push(b':');
            bytes.extend(percent_decoded(password));
            let text = format!("Basic {}", STANDARD.encode(bytes));
            let mut value = HeaderValue::from_str(&text).map_err(|_| "its user is unusable")?;
            value.set_sensitive(true);
            Some(value)
        }
    };
    Ok(Proxy { authorization, uri })
}

/// Percent-encoded bytes as they are meant; a `%` that begins nothing stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| *first == b'%');
        let byte =
            pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

fn direct(entry: &str) -> Option<Direct> {
    let entry = entry.trim().to_ascii_lowercase();
    if entry == "*" {
        return Some(Direct { port: None, what: Exempt::All });
    }
    if let Some((address, bits)) = entry.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits = bits.parse().ok().filter(|bits| *bits <= width(address))?;
        return Some(Direct { port: None, what: Exempt::Network(address, bits) });
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (entry.as_str(), None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse() {
        return Some(Direct { port, what: Exempt::Network(address, width(address)) });
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    match host.strip_prefix('.') {
        _ if host.is_empty() => None,
        Some(_) => Some(Direct { port, what: Exempt::Subdomains(host.to_owned()) }),
        None => Some(Direct { port, what: Exempt::Domain(host.to_owned()) }),
    }
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address at the upper end of 128 bits.
fn upper_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Direct {
    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let within = match &self.what {
            Exempt::All => true,
            Exempt::Domain(domain) => {
                host == domain
                    || host.strip_suffix(domain.as_str()).is_some_and(|left| left.ends_with('.'))
            }
            Exempt::Network(network, bits) => address.is_some_and(|address| {
                let differing = upper_bits(address) ^ upper_bits(*network);
                address.is_ipv4() == network.is_ipv4() && differing.leading_zeros() >= *bits
            }),
            Exempt::Subdomains(suffix) => host.ends_with(suffix.as_str()),
        };
        within && self.port.is_none_or(|only| only == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(no_proxy: &str, url: &str) -> Option<bool> {
        let proxies = Proxies::new("proxy.example:3128", no_proxy).ok()?;
        Some(proxies.through(&url.parse().ok()?).is_some())
    }

    #[test]
    fn https_goes_through_the_proxy_unless_it_is_exempt() {
        for (no_proxy, url) in [
            ("", "https://notary.example"),
            ("other.example", "https://notary.example"),
            ("example:4443", "https://notary.example"),
            (".notary.example", "https://notary.example"),
            ("otary.example", "https://notary.example"),
            ("10.0.0.0/8", "https://11.0.0.1"),
            ("10.0.0.0/8", "https://notary.example"),
            ("10.0.0.1", "https://10.0.0.2"),
            ("10.0.0.0/99, ,:x", "https://10.0.0.2"),
            ("10.0.0.0/1", "https://[2001:db8::1]"),
        ] {
            assert_eq!(proxied(no_proxy, url), Some(true), "{no_proxy} {url}");
        }
        for (no_proxy, url) in [
            ("", "http://notary.example"),
            ("", "https://localhost:4443"),
            ("", "https://127.0.0.9"),
            ("", "https://[::1]:4443"),
            ("*", "https://notary.example"),
            ("a.b, notary.example", "https://notary.example"),
            ("EXAMPLE", "https://notary.example"),
            (".example", "https://notary.example"),
            ("*.example", "https://notary.example"),
            ("example:4443", "https://notary.example:4443"),
            ("10.0.0.0/8", "https://10.9.9.9:4443"),
            ("10.0.0.1", "https://10.0.0.1"),
            ("[2001:db8::1]:443", "https://[2001:db8::1]"),
            ("2001:db8::/32", "https://[2001:db8::1]"),
        ] {
            assert_eq!(proxied(no_proxy, url), Some(false), "{no_proxy} {url}");
        }
    }

    #[test]
    fn a_proxys_password_is_sent_but_never_shown() -> Result<(), HostError> {
        let proxies = Proxies::new("http://user:p%40ss%zz@proxy.example:3128/", "")?;
        let sent = proxies.proxy.as_ref().and_then(|proxy| proxy.authorization.clone());
        let expected = format!("Basic {}", STANDARD.encode("user:p@ss%zz"));
        assert!(sent.is_some_and(|sent| sent.is_sensitive() && sent == expected.as_str()));
        assert_eq!(format!("{proxies:?}"), "Proxies(proxy.example:3128)");
        let refused = Proxies::new("socks5://user:canary@proxy.example", "");
        let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("the setting `HTTPS_PROXY`: ") && !text.contains("canary"));
        Ok(())
    }
}
