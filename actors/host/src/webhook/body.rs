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
use tokio::sync::Semaphore;

/// How long a client may take to send a body.
const TIME: Duration = Duration::from_secs(10);

/// Reads the body of a review. What it may occupy in memory is taken from `memory`, in KiB, before
/// the first byte is read and given back with it.
///
/// # Errors
/// The status to answer with, and why: 413, 408, 400.
pub(super) async fn read(
    mut body: Incoming,
    memory: &Semaphore,
) -> Result<Bytes, (StatusCode, String)> {
    let whole = async {
        let stated = body.size_hint().exact();
        let length = match stated.map(usize::try_from) {
            None => limits::REVIEW_BYTES,
            Some(Ok(length)) if length <= limits::REVIEW_BYTES => length,
            Some(_) => return Err(too_large(&mut body).await),
        };
        let kib = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let _permit = memory.acquire_many(kib).await.map_err(|_| {
            (StatusCode::SERVICE_UNAVAILABLE, "this replica is shutting down".to_owned())
        })?;
        collect(&mut body, stated.map_or(4096, |_| length)).await
    };
    match tokio::time::timeout(TIME, whole).await {
        Ok(read) => read,
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} seconds", TIME.as_secs()),
        )),
    }
}

async fn collect(body: &mut Incoming, capacity: usize) -> Result<Bytes, (StatusCode, String)> {
    let broken = |_| (StatusCode::BAD_REQUEST, "the body ended before its time".to_owned());
    let mut first = Bytes::new();
    let mut joined: Option<Vec<u8>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let length = joined.as_ref().map_or(first.len(), Vec::len) + data.len();
        if length > limits::REVIEW_BYTES {
            return Err(too_large(body).await);
        }
        if first.is_empty() && joined.is_none() {
            first = data;
            continue;
        }
        let joined = joined.get_or_insert_with(|| {
            let mut bytes = Vec::with_capacity(capacity.max(length));
            bytes.extend_from_slice(&first);
            bytes
        });
        joined.extend_from_slice(&data);
    }
    Ok(joined.map_or(first, Bytes::from))
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
