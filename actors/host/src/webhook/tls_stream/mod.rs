//! TLS on a connection, in room that no connection keeps.
//!
//! A buffer that every connection keeps lies cold until its next review, and many together are more
//! than a processor's cache. `tokio-rustls` keeps 4 KiB for each, grows that with every review to
//! 16 KiB and cuts it down again. So what is received or sent goes through room that all of a
//! thread's connections share, by the API of `rustls` that leaves buffers to its caller. A
//! connection keeps a part of a record until the rest comes, and what its reader or its peer did
//! not take yet.

mod session;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use rustls::{CommonState, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use session::Session;

/// Received at once, at most: a record of any size, with what comes behind it.
const RECEIVED: usize = 32 << 10;
/// Sent at once, at most: as much as a record holds (RFC 8446, section 5.1).
const SENT: usize = 16 << 10;
/// What a record may have beyond what it holds.
const OVERHEAD: usize = 512;
/// Records of which some part is missing, at most: as much as `rustls` joins to one message of a
/// handshake, and one record more.
const PARTIAL: usize = (64 << 10) + SENT + OVERHEAD;

thread_local! {
    static ROOM: RefCell<Room> = RefCell::new(Room::new());
}

/// Room of a thread: in use within one call, empty between two.
struct Room {
    /// Records as they are received.
    received: Vec<u8>,
    /// What is to be sent, put together.
    gathered: Vec<u8>,
    /// The same as records.
    records: Vec<u8>,
}

impl Room {
    fn new() -> Self {
        Self {
            received: vec![0; RECEIVED],
            gathered: Vec::with_capacity(SENT),
            records: vec![0; SENT + OVERHEAD],
        }
    }
}

/// The server's side of a TLS connection over `S`.
pub(super) struct TlsStream<S> {
    /// Records, or the beginning of one, that wait for what is still missing of them.
    partial: Vec<u8>,
    /// What was received and not yet asked for.
    plain: BytesMut,
    session: Session,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands.
    ///
    /// # Errors
    /// What the connection reports; `UnexpectedEof` if it ends; `InvalidData` with the error of
    /// `rustls` if the client is not understood or not accepted, after it was told so.
    pub(super) async fn accept(stream: S, config: Arc<ServerConfig>) -> Result<Self> {
        let session = Session::new(config)?;
        let mut accepted = Self { partial: Vec::new(), plain: BytesMut::new(), session, stream };
        while accepted.state().is_handshaking() {
            // Whatever is sent behind the handshake is kept until it is asked for.
            let received =
                poll_fn(|context| accepted.poll_receive(context, &mut ReadBuf::new(&mut [])));
            let received = received.await;
            let sent = poll_fn(|context| accepted.poll_drain(context)).await;
            received.and(sent)?;
        }
        Ok(accepted)
    }

    /// What was agreed on with the client.
    pub(super) fn state(&self) -> &CommonState {
        self.session.state()
    }

    /// Receives what there is, into `wanted` as far as it has room.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        ROOM.with_borrow_mut(|room| {
            let mut received = ReadBuf::new(&mut room.received);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut received))?;
            let received = received.filled_mut();
            if received.is_empty() {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            let taken = self.take(received, wanted);
            // An alert, or a new key, is sent as soon as it can be; whoever flushes waits for it.
            if let Poll::Ready(Err(failure)) = self.poll_drain(context) {
                return Poll::Ready(taken.and(Err(failure)));
            }
            Poll::Ready(taken)
        })
    }

    /// Takes records apart; what is not whole yet is kept.
    fn take(&mut self, received: &mut [u8], wanted: &mut ReadBuf<'_>) -> Result<()> {
        let Self { partial, plain, session, .. } = self;
        let give = |payload: &[u8]| {
            let (now, later) = payload.split_at(payload.len().min(wanted.remaining()));
            wanted.put_slice(now);
            plain.extend_from_slice(later);
        };
        if partial.is_empty() {
            let used = session.take(received, give)?;
            partial.extend_from_slice(&received[used..]);
        } else {
            let mut joined = std::mem::take(partial);
            joined.extend_from_slice(received);
            let used = session.take(&mut joined, give)?;
            if used < joined.len() {
                joined.drain(..used);
                *partial = joined;
            }
        }
        if partial.len() > PARTIAL {
            let why = "a message of the handshake is larger than any may be";
            return Err(Error::new(ErrorKind::InvalidData, why));
        }
        Ok(())
    }

    /// Sends all records that wait.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let waiting = &mut self.session.outgoing;
        while !waiting.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, waiting))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            waiting.advance(sent);
            if waiting.is_empty() {
                *waiting = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends `plain`; what the connection does not take now waits.
    fn send(
        &mut self,
        context: &mut Context<'_>,
        plain: &[u8],
        records: &mut Vec<u8>,
    ) -> Result<()> {
        let length = self.session.encrypt(&mut self.partial, &mut self.plain, plain, records)?;
        let mut left = &records[..length];
        if self.session.outgoing.is_empty()
            && let Poll::Ready(sent) = Pin::new(&mut self.stream).poll_write(context, left)
        {
            left = left.get(sent?..).unwrap_or_default();
        }
        self.session.outgoing.extend_from_slice(left);
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = wanted.filled().len();
        while wanted.filled().len() == before && wanted.remaining() > 0 {
            if !this.plain.is_empty() {
                let now = this.plain.len().min(wanted.remaining());
                wanted.put_slice(&this.plain.split_to(now));
                if this.plain.is_empty() {
                    this.plain = BytesMut::new();
                }
            } else if this.session.failed() {
                return Poll::Ready(Err(ErrorKind::NotConnected.into()));
            } else if this.session.peer_closed() {
                break;
            } else {
                ready!(this.poll_receive(context, wanted))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        ROOM.with_borrow_mut(|Room { gathered, records, .. }| {
            gathered.clear();
            for piece in pieces {
                let now = piece.len().min(SENT - gathered.len());
                gathered.extend_from_slice(&piece[..now]);
            }
            this.send(context, gathered, records)?;
            Poll::Ready(Ok(gathered.len()))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        this.session.close(&mut this.partial, &mut this.plain)?;
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
