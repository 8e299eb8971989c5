//! Addresses that are taken before a node begins, and listened on once it can decide.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::HostError;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The addresses of the two listeners. Nobody listens yet: whoever connects is refused at once, and
/// an API server need not wait to find out that nobody is there.
pub struct Sockets {
    pub(super) main: Socket,
    pub(super) metrics: Option<Socket>,
}

/// An address that is taken.
pub(super) struct Socket {
    asked_for: SocketAddr,
    socket: TcpSocket,
}

impl Sockets {
    /// Takes the address for reviews and, if there is one, that for metrics without TLS.
    ///
    /// # Errors
    /// `Listen`.
    pub fn bind(listen: SocketAddr, metrics: Option<SocketAddr>) -> Result<Self, HostError> {
        let main = Socket::bind(listen)?;
        Ok(Self { main, metrics: metrics.map(Socket::bind).transpose()? })
    }
}

impl Socket {
    fn bind(address: SocketAddr) -> Result<Self, HostError> {
        let taken = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Connections of a server that ended may linger on its address. Two that do not listen
            // yet may take the same one; the second finds out as it listens.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Self { asked_for: address, socket })
        };
        taken().map_err(|source| HostError::Listen { address, source })
    }

    /// Listens, and says where: the system chooses a port where 0 was asked for.
    pub(super) fn listen(self) -> Result<(TcpListener, SocketAddr), HostError> {
        let Self { asked_for: address, socket } = self;
        let failed = |source| HostError::Listen { address, source };
        let listener = socket.listen(BACKLOG).map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        Ok((listener, at))
    }
}
