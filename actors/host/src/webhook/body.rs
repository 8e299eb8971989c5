//! Bodies: of requests, bounded; of answers, which tell when they were taken to be sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use portreeve_protocol::limits;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a client may take to send a body.
const TIME: Duration = Duration::from_secs(10);

/// The room that a body occupies, in KiB; it is given back when this is dropped.
struct Room<'m> {
    held: Option<SemaphorePermit<'m>>,
    memory: &'m Semaphore,
}

impl Room<'_> {
    /// Takes what `bytes` need beyond what is held, waiting for others to give it back.
    async fn hold(&mut self, bytes: usize) -> Result<(), (StatusCode, String)> {
        let held = self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let Some(more) = (bytes / 1024 + 1).checked_sub(held).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = self.memory.acquire_many(u32::try_from(more).unwrap_or(u32::MAX)).await;
        let more = more.map_err(|_| {
            (StatusCode::SERVICE_UNAVAILABLE, "this replica is shutting down".to_owned())
        })?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

/// A body in memory.
pub(super) struct Received<'m> {
    pub(super) bytes: Bytes,
    _room: Room<'m>,
}

/// Reads the body of a review. The room it needs is taken from `memory`, in KiB, as the bytes come:
/// what is only announced holds up nobody.
///
/// # Errors
/// The status to answer with, and why: 413, 408, 400.
pub(super) async fn read(
    mut body: Incoming,
    memory: &Semaphore,
) -> Result<Received<'_>, (StatusCode, String)> {
    let whole = async {
        if body.size_hint().exact().is_some_and(|length| length > limits::REVIEW_BYTES as u64) {
            return Err(too_large(&mut body).await);
        }
        collect(&mut body, Room { held: None, memory }).await
    };
    match tokio::time::timeout(TIME, whole).await {
        Ok(read) => read,
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} seconds", TIME.as_secs()),
        )),
    }
}

async fn collect<'m>(
    body: &mut Incoming,
    mut room: Room<'m>,
) -> Result<Received<'m>, (StatusCode, String)> {
    let broken = |_| (StatusCode::BAD_REQUEST, "the body ended before its time".to_owned());
    let mut first = Bytes::new();
    let mut joined: Option<Vec<u8>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let length = joined.as_ref().map_or(first.len(), Vec::len) + data.len();
        if length > limits::REVIEW_BYTES {
            return Err(too_large(body).await);
        }
        room.hold(length).await?;
        if first.is_empty() && joined.is_none() {
            first = data;
            continue;
        }
        joined.get_or_insert_with(|| first.to_vec()).extend_from_slice(&data);
    }
    Ok(Received { bytes: joined.map_or(first, Bytes::from), _room: room })
}

/// Lets as much again go by, since a client that is still sending may not see the answer.
async fn too_large(body: &mut Incoming) -> (StatusCode, String) {
    let mut passed = 0;
    while let Some(Ok(frame)) = body.frame().await {
        passed += frame.data_ref().map_or(0, Bytes::len);
        if passed > limits::REVIEW_BYTES {
            break;
        }
    }
    let why = format!("a review may have {} bytes", limits::REVIEW_BYTES);
    (StatusCode::PAYLOAD_TOO_LARGE, why)
}

/// The body of an answer.
pub(super) struct Outgoing {
    data: Option<Bytes>,
    taken: Option<Box<dyn FnOnce() + Send>>,
}

impl Outgoing {
    /// A body that runs `taken` when the connection takes it to send it.
    pub(super) fn noticed(data: Vec<u8>, taken: impl FnOnce() + Send + 'static) -> Self {
        Self { data: Some(data.into()), taken: Some(Box::new(taken)) }
    }
}

impl From<String> for Outgoing {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(data: Vec<u8>) -> Self {
        Self { data: Some(data.into()), taken: None }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take();
        if let Some(taken) = self.taken.take() {
            taken();
        }
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}
