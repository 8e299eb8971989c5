//! Which addresses may be connected to, decided after names are resolved.
//!
//! The check is made on the very addresses the connector then uses, so a name that resolves to
//! something else a moment later gains nothing.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// Whom a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anyone: the operator named the server.
    Any,
    /// This machine only: the operator named the server, without TLS.
    Loopback,
    /// No loopback, link-local, metadata or unspecified address.
    Public,
}

impl Reach {
    /// Whether `address` may be connected to.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        let address = embedded(address);
        match self {
            Self::Any => true,
            Self::Loopback => address.is_loopback(),
            Self::Public => !is_private_to_the_node(address),
        }
    }
}

/// The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4), which is where a packet
/// may really go; otherwise the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        (0x2002, ..) => v4(b, c),
        _ => address,
    }
}

/// Metadata services of clouds that are not at a link-local address.
const METADATA: [IpAddr; 4] = [
    // Amazon, IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Google, IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

fn is_private_to_the_node(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.octets()[0] == 0 || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    local
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || METADATA.contains(&address)
}

/// A name has no address that may be connected to.
#[derive(Debug)]
pub(super) struct Forbidden;

/// A name could not be resolved.
#[derive(Debug)]
pub(super) struct Unresolved;

impl fmt::Display for Forbidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name has no address that may be connected to")
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name cannot be resolved")
    }
}

impl std::error::Error for Forbidden {}
impl std::error::Error for Unresolved {}

/// The system's resolver with the addresses left out that may not be connected to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver(pub(super) Reach);

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Resolving =
    Pin<Box<dyn Future<Output = Result<std::vec::IntoIter<SocketAddr>, Failure>> + Send>>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Failure;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let look_up = move || (name.as_str(), 0_u16).to_socket_addrs();
            let found = tokio::task::spawn_blocking(look_up).await;
            let Ok(Ok(found)) = found else { return Err(Failure::from(Unresolved)) };
            let mut allowed: Vec<_> = found.collect();
            if allowed.is_empty() {
                return Err(Failure::from(Unresolved));
            }
            allowed.retain(|address| reach.allows(address.ip()));
            if allowed.is_empty() { Err(Failure::from(Forbidden)) } else { Ok(allowed.into_iter()) }
        })
    }
}

/// Whether a name stands, as far as this machine knows, for an address that only an approved server
/// may have; `false` if it cannot be resolved here.
pub(super) async fn is_forbidden_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let look_up = move || (host.as_str(), 0_u16).to_socket_addrs();
    let found = tokio::task::spawn_blocking(look_up).await;
    let Ok(Ok(mut found)) = found else { return false };
    found.any(|address| !Reach::Public.allows(address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_private_to_the_node_are_not_public() -> Result<(), std::net::AddrParseError> {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "100.100.100.200",
        ] {
            assert!(!Reach::Public.allows(text.parse()?), "{text}");
        }
        Ok(())
    }

    #[test]
    fn private_networks_are_public_enough_for_a_cluster() -> Result<(), std::net::AddrParseError> {
        for text in ["10.0.0.1", "192.168.1.1", "203.0.113.7", "2001:db8::1", "fd12::1"] {
            assert!(Reach::Public.allows(text.parse()?), "{text}");
            assert!(!Reach::Loopback.allows(text.parse()?), "{text}");
        }
        assert!(Reach::Loopback.allows("127.0.0.1".parse()?));
        Ok(())
    }
}
