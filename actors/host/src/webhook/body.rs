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
/// How long the rest of one that is too long is waited for.
const REST: Duration = Duration::from_secs(3);
/// Of a body that is too long so much is kept: API servers write the uid before all else.
const BEGUN_BYTES: usize = 16 * 1024;
/// Bytes beyond the bound that are let go by, at most.
const PASSED_BYTES: usize = 4 * limits::REVIEW_BYTES;

/// The room that a body occupies, in KiB; it is given back when this is dropped.
struct Room<'m> {
    held: Option<SemaphorePermit<'m>>,
    memory: &'m Semaphore,
}

impl Room<'_> {
    /// Takes what `bytes` need beyond what is held, waiting for others to give it back.
    async fn hold(&mut self, bytes: usize) -> Result<(), Unread> {
        let held = self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let Some(more) = (bytes / 1024 + 1).checked_sub(held).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = self.memory.acquire_many(u32::try_from(more).unwrap_or(u32::MAX)).await;
        let more = more.map_err(|_| {
            Unread::new(StatusCode::SERVICE_UNAVAILABLE, "this replica is shutting down")
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

/// A body that was not read to its end.
#[derive(Debug)]
pub(super) struct Unread {
    /// What it begins with, if it was too long.
    pub(super) begun: Vec<u8>,
    /// The status to answer with if nothing better can be said.
    pub(super) status: StatusCode,
    pub(super) why: String,
}

impl Unread {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { begun: Vec::new(), status, why: why.into() }
    }
}

/// Reads the body of a review. The room it needs is taken from `memory`, in KiB, as the bytes come:
/// what is only announced holds up nobody.
///
/// # Errors
/// [`Unread`] with the status 413, 408, 400 or 503.
pub(super) async fn read(mut body: Incoming, memory: &Semaphore) -> Result<Received<'_>, Unread> {
    let whole = async {
        if body.size_hint().exact().is_some_and(|length| length > limits::REVIEW_BYTES as u64) {
            return Err(too_large(&mut body, Vec::new()).await);
        }
        collect(&mut body, Room { held: None, memory }).await
    };
    match tokio::time::timeout(TIME, whole).await {
        Ok(read) => read,
        Err(_) => {
            let why = format!("the body did not arrive within {} seconds", TIME.as_secs());
            Err(Unread::new(StatusCode::REQUEST_TIMEOUT, why))
        }
    }
}

async fn collect<'m>(body: &mut Incoming, mut room: Room<'m>) -> Result<Received<'m>, Unread> {
    let broken = |_| Unread::new(StatusCode::BAD_REQUEST, "the body ended before its time");
    let mut first = Bytes::new();
    let mut joined: Option<Vec<u8>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let length = joined.as_ref().map_or(first.len(), Vec::len) + data.len();
        if length > limits::REVIEW_BYTES {
            let mut begun = Vec::new();
            keep(&mut begun, joined.as_deref().unwrap_or(&first));
            keep(&mut begun, &data);
            return Err(too_large(body, begun).await);
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

/// Lets the rest go by, within bounds: a client that is still sending may not see the answer.
async fn too_large(body: &mut Incoming, mut begun: Vec<u8>) -> Unread {
    let rest = async {
        let mut passed = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else { continue };
            keep(&mut begun, data);
            passed += data.len();
            if passed > PASSED_BYTES {
                break;
            }
        }
    };
    // What came until then will do.
    let _ = tokio::time::timeout(REST, rest).await;
    let why = format!("a review may have {} bytes", limits::REVIEW_BYTES);
    Unread { begun, ..Unread::new(StatusCode::PAYLOAD_TOO_LARGE, why) }
}

/// Adds what there is room for in the beginning that is kept.
fn keep(begun: &mut Vec<u8>, data: &[u8]) {
    let room = BEGUN_BYTES - begun.len();
    begun.extend_from_slice(data.get(..room).unwrap_or(data));
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
