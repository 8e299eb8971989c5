//! Reading from a connection in large pieces, without room of its own for each.
//!
//! `rustls` asks for 4 KiB at a time, and a review mostly has more. Room that every connection
//! keeps lies cold until its next review, and many together are more than a processor's cache. So
//! it is given back as soon as all in it is taken, and the next connection reads into the same
//! memory.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Read from a connection at once, at most.
const AT_ONCE: usize = 16 << 10;

/// A stream that is read ahead of whoever asks for less; writing goes through.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    /// What was read and not yet asked for.
    ahead: BytesMut,
    stream: S,
}

impl<S> ReadAhead<S> {
    /// Reads `stream` ahead.
    pub(super) fn of(stream: S) -> Self {
        Self { ahead: BytesMut::new(), stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let Self { ahead, stream } = self.get_mut();
        if ahead.is_empty() {
            let mut room = BytesMut::with_capacity(AT_ONCE);
            ready!(poll_read_buf(Pin::new(stream), context, &mut room))?;
            *ahead = room;
        }
        let taken = ahead.len().min(wanted.remaining());
        wanted.put_slice(&ahead[..taken]);
        ahead.advance(taken);
        if ahead.is_empty() {
            *ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn all_that_is_sent_comes_in_order_however_little_is_asked_for() -> Result<()> {
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(3 * AT_ONCE + 7).collect();
        for piece in [1_usize, 4_096, AT_ONCE, 2 * AT_ONCE] {
            let (mut client, server) = duplex(2 * AT_ONCE);
            let mut server = ReadAhead::of(server);
            let text = sent.clone();
            let sending = tokio::spawn(async move {
                client.write_all(&text).await?;
                client.shutdown().await
            });
            let (mut received, mut room) = (Vec::new(), vec![0; piece]);
            loop {
                let read = server.read(&mut room).await?;
                if read == 0 {
                    break;
                }
                received.extend_from_slice(&room[..read]);
            }
            sending.await??;
            assert!(received == sent, "in pieces of {piece}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn room_is_kept_only_while_something_is_in_it() -> Result<()> {
        let (mut client, server) = duplex(AT_ONCE);
        let mut server = ReadAhead::of(server);
        client.write_all(&[7; 10]).await?;
        server.read_exact(&mut [0; 4]).await?;
        assert_eq!(&server.ahead[..], [7; 6]);
        server.read_exact(&mut [0; 6]).await?;
        assert_eq!(server.ahead.capacity(), 0);
        server.write_all(b"answer").await?;
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"answer");
        Ok(())
    }
}
