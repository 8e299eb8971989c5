//! A whole node: the actors, the watch on the objects, the webhook, the metrics.

use std::net::SocketAddr;

use slog::Logger;

use crate::HostError;
use crate::clock::Clock;
use crate::config::Config;
use crate::node::{Health, Node};

/// A running server. Dropping it does not end it; [`Running::shutdown`] does.
pub struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    node: Node,
}

/// Starts a whole node. Call it on a multi-thread tokio runtime that outlives it.
///
/// # Errors
/// `Tls` and `File` for files that cannot be used, `Listen`, and whatever [`Node::start`] reports.
pub async fn serve(_config: Config, _clock: Clock, _logger: Logger) -> Result<Running, HostError> {
    Err(HostError::Thread { thread: "serve", why: "the server is being written".to_owned() })
}

impl Running {
    /// Where reviews are received.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served without TLS.
    #[must_use]
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How the node is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.node.health()
    }

    /// Waits until the node is ready for reviews; there is no bound on that but the caller's.
    pub async fn ready(&self) {
        std::future::pending().await
    }

    /// Ends it: denies what waits, lets connections finish, writes what there is to write.
    ///
    /// # Errors
    /// `Thread` if a part ended before its time.
    pub async fn shutdown(self) -> Result<(), HostError> {
        self.node.drain().await;
        self.node.stop().await;
        Ok(())
    }
}
