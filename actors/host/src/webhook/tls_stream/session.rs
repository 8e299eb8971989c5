//! What `rustls` makes of records, and of what is to be sent, step by step.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use bytes::BytesMut;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, ServerConfig};

/// The state of a connection, and the records that it wants sent.
pub(super) struct Session {
    closed: bool,
    failed: bool,
    /// Records to be sent, in their order.
    pub(super) outgoing: BytesMut,
    peer_closed: bool,
    tls: UnbufferedServerConnection,
}

/// How far a look at records went.
struct Looked<R> {
    /// Bytes that are not to be shown again.
    used: usize,
    /// What came of the wish to send, if something can be sent.
    written: Option<R>,
}

type Writing<'c> = WriteTraffic<'c, ServerConnectionData>;

impl Session {
    /// A session that waits for the client's first words.
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let outgoing = BytesMut::new();
        Ok(Self { closed: false, failed: false, outgoing, peer_closed: false, tls })
    }

    pub(super) fn state(&self) -> &CommonState {
        &self.tls
    }

    /// Whether the peer was not understood, so that nothing is received or sent any more.
    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    /// Whether the peer has said that nothing more comes.
    pub(super) const fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Takes `records` apart and gives what they hold to `give`. The rest of them, from the
    /// returned length on, is to be shown again with what comes behind it.
    pub(super) fn take(&mut self, records: &mut [u8], give: impl FnMut(&[u8])) -> Result<usize> {
        self.look(records, give, |_| ()).map(|looked| looked.used)
    }

    /// Writes `plain` as records to the front of `records`, which grows if it must, and returns
    /// their length. `partial` and `unread` are the connection's: records not shown in full, and
    /// what was received and not asked for.
    pub(super) fn encrypt(
        &mut self,
        partial: &mut Vec<u8>,
        unread: &mut BytesMut,
        plain: &[u8],
        records: &mut Vec<u8>,
    ) -> Result<usize> {
        self.write(partial, unread, |traffic| {
            fit(records, |records| traffic.encrypt(plain, records))
        })
    }

    /// Tells the peer, once, that nothing more comes; that waits in `outgoing`. Who was not
    /// understood was told so already.
    pub(super) fn close(&mut self, partial: &mut Vec<u8>, unread: &mut BytesMut) -> Result<()> {
        if self.failed || std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let mut last = Vec::new();
        let length = self.write(partial, unread, |traffic| {
            fit(&mut last, |records| traffic.queue_close_notify(records))
        })?;
        self.outgoing.extend_from_slice(&last[..length]);
        Ok(())
    }

    fn write(
        &mut self,
        partial: &mut Vec<u8>,
        unread: &mut BytesMut,
        write: impl FnOnce(&mut Writing<'_>) -> Result<usize>,
    ) -> Result<usize> {
        let give = |payload: &[u8]| unread.extend_from_slice(payload);
        let Looked { used, written } = self.look(partial, give, write)?;
        partial.drain(..used);
        written.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))
    }

    /// Has `rustls` look at `records` until it needs more of them.
    fn look<R>(
        &mut self,
        records: &mut [u8],
        mut give: impl FnMut(&[u8]),
        write: impl FnOnce(&mut Writing<'_>) -> R,
    ) -> Result<Looked<R>> {
        if self.failed {
            return Err(ErrorKind::NotConnected.into());
        }
        let mut used = 0;
        loop {
            let left = &mut records[used..];
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(left);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let AppDataRecord { discard, payload } = record.map_err(invalid)?;
                        give(payload);
                        used += discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let written = Some(write(&mut traffic));
                    return Ok(Looked { used: used + discard, written });
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    return Ok(Looked { used: used + discard, written: None });
                }
                // No configuration allows early data, and there is no other state.
                Ok(ConnectionState::ReadEarlyData(_) | _) => {
                    return Err(ErrorKind::Unsupported.into());
                }
                Err(why) => {
                    self.failed = true;
                    self.complain(&mut records[used + discard..]);
                    return Err(invalid(why));
                }
            }
            used += discard;
        }
    }

    /// Has sent what waits behind an error, an alert as its last. It is not asked for more than
    /// that: `rustls` would look at the same records again.
    fn complain(&mut self, records: &mut [u8]) {
        while self.tls.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(data)) =
                self.tls.process_tls_records(records).state
        {
            // The error itself is what is reported.
            let _ = encode(data, &mut self.outgoing);
        }
    }
}

/// Adds a record of the handshake, or an alert, to those that are to be sent.
fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut BytesMut,
) -> Result<()> {
    let mut record = Vec::new();
    let length = fit(&mut record, |record| data.encode(record))?;
    outgoing.extend_from_slice(&record[..length]);
    Ok(())
}

/// An error of `rustls` that may say how much room it needs.
trait Cramped: std::error::Error + Send + Sync + 'static {
    fn required(&self) -> Option<usize>;
}

impl Cramped for EncodeError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(room) => Some(room.required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl Cramped for EncryptError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(room) => Some(room.required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Writes to the front of `room`, once more if it had to grow for that.
fn fit<E: Cramped>(
    room: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> std::result::Result<usize, E>,
) -> Result<usize> {
    let written = write(room);
    let required = written.as_ref().err().and_then(Cramped::required);
    let Some(required) = required.filter(|required| *required > room.len()) else {
        return written.map_err(Error::other);
    };
    room.resize(required, 0);
    write(room).map_err(Error::other)
}

fn invalid(why: rustls::Error) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}
