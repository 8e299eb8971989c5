//! How long the host bears a client that does nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use portreeve_simulations::Scenario;
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::{Standing, node_failed};
use crate::TestError;

/// After so long a connection counts as one that lasts for ever.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// A client that agrees on a protocol, sends something once, and from then on neither says nor
/// takes anything.
#[derive(Debug, Clone, Copy)]
pub struct Idler<'a> {
    /// The name of the protocol (RFC 7301).
    pub protocol: &'a [u8],
    /// Bytes that can be on the way to it, which are as good as taken.
    pub room: usize,
    /// What it sends.
    pub says: &'a [u8],
}

/// Time until the host ends a connection to its main listener, at whose other end is `idler`.
///
/// It must run in an actix system on a current-thread runtime whose time stands still.
///
/// # Errors
/// `Node`, also if it does not end it within an hour, `File`, `Http`, `Content`.
pub async fn lasting(scenario: &Scenario, idler: Idler<'_>) -> Result<Duration, TestError> {
    let Idler { protocol, room, says } = idler;
    // Its files stay until the node has ended.
    let Standing { mut client, directory: _directory, listeners, node, .. } =
        Standing::start(scenario)?;
    client.alpn_protocols = vec![protocol.to_vec()];
    let (near, far) = tokio::io::duplex(room);
    let name = ServerName::try_from("localhost").map_err(node_failed)?;
    let silent = async {
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
        stream.write_all(says).await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>((stream, Instant::now()))
    };
    let served = async {
        let attended = listeners.attend(far, IpAddr::V4(Ipv4Addr::LOCALHOST));
        tokio::time::timeout(FOR_EVER, attended).await.map(|()| Instant::now())
    };
    let (silent, ended) = tokio::join!(silent, served);
    let ((_stream, since), ended) = (silent.map_err(node_failed)?, ended.map_err(node_failed)?);
    listeners.stop().await;
    node.stop().await;
    Ok(ended.duration_since(since))
}
