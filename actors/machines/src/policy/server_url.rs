//! Trust servers as policies name them.

use portreeve_protocol::limits;

/// The server's URL with its host lower-cased and without trailing slashes; `None` for no text.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn trust_server(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |why: &str| Err(format!("`trustServer` {why}"));
    if text.len() > limits::REFERENCE_BYTES {
        return refuse("is too long");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse("is not an https URL");
    };
    if rest.contains(['?', '#', '@', '\\'])
        || !rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>`{}|^".contains(&byte))
    {
        return refuse("may hold a host, a port and a path, and nothing else");
    }
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let secure = scheme.eq_ignore_ascii_case("https");
    let local = scheme.eq_ignore_ascii_case("http") && is_loopback(authority);
    if !secure && !local {
        return refuse("must be an https URL; others could be answered by anyone on the way");
    }
    if !is_authority(authority) {
        return refuse("has no host, or a port that is not a number");
    }
    if path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return refuse("has a path that is not clean");
    }
    let scheme = if secure { "https" } else { "http" };
    Ok(Some(format!("{scheme}://{}{path}", authority.to_ascii_lowercase())))
}

/// Whether the host is this machine. The host asks it without TLS only if the operator approved it.
fn is_loopback(authority: &str) -> bool {
    let (host, _) = portreeve_protocol::reference::split_port(authority);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = bare.parse::<core::net::IpAddr>();
    address.map_or_else(|_| bare.eq_ignore_ascii_case("localhost"), |it| it.is_loopback())
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = portreeve_protocol::reference::split_port(authority);
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_fits = match address {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            host.split('.').all(|label| !label.is_empty() && label.bytes().all(inner))
        }
    };
    port_fits && host_fits
}
