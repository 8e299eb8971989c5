//! One question to the API server, bounded in bytes and time, and what may come of it.
//!
//! The words for what went wrong are our own: what the API server wrote is never repeated, since
//! it may quote what was sent.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use portreeve_protocol::limits;
use serde::Deserialize;

use crate::metrics::Metrics;

/// Asks the API server. Clones share connections.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    metrics: Arc<Metrics>,
}

/// What a question is about, as metrics count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Account,
    Event,
    Owner,
    Revocations,
    Secret,
    Workload,
}

/// A question.
pub(super) struct Question<'a> {
    /// What form of answer is wanted.
    pub(super) accept: &'static str,
    /// The type of what is sent, and what is sent.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: &'a str,
    pub(super) what: What,
    /// How long it may take.
    pub(super) within: Duration,
}

/// The bytes of an answer, overwritten when they go: there may be a Secret in them. They have no
/// `Debug`, for the same reason.
#[derive(Default)]
pub(super) struct Answer(Vec<u8>);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiTrouble {
    /// There is no such object.
    Absent,
    /// The service account may not do this.
    Forbidden,
    /// No answer came in time; the time, in milliseconds.
    Late(u64),
    /// The answer is not what was asked for.
    Malformed,
    /// The answer is longer than any object may be.
    Oversize,
    /// The API server answered with this status.
    Status(u16),
    /// The API server does not know who asks.
    Unauthenticated,
    /// The API server does not know the kind of object.
    UnknownKind,
    /// No answer came.
    Unreachable,
}

/// JSON.
pub(super) const JSON: &str = "application/json";
/// The metadata of an object (Kubernetes 1.15 and later).
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// A change of some members (RFC 7396).
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

impl ApiServer {
    /// Asks by `client`, and counts what comes of it.
    #[must_use]
    pub const fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self { client, metrics }
    }

    /// What questions are counted in.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Reads what is at `path`.
    pub(super) async fn get(
        &self,
        what: What,
        accept: &'static str,
        path: &str,
    ) -> Result<Answer, ApiTrouble> {
        let within = Duration::from_micros(limits::API_TIMEOUT);
        let question = Question { accept, body: None, method: Method::GET, path, what, within };
        self.ask(question).await
    }

    /// Asks once.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Answer, ApiTrouble> {
        let (what, within) = (question.what, question.within);
        let asked = tokio::time::timeout(within, self.exchange(question)).await;
        let late = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let answer = asked.unwrap_or(Err(ApiTrouble::Late(late)));
        self.metrics.api_asked(what.name(), answer.as_ref().err().map_or("ok", |why| why.name()));
        answer
    }

    async fn exchange(&self, question: Question<'_>) -> Result<Answer, ApiTrouble> {
        let Question { accept, body, method, path, what, .. } = question;
        let mut request = Request::builder().method(method).uri(path).header(ACCEPT, accept);
        let body = match body {
            None => Body::empty(),
            Some((media, bytes)) => {
                request = request.header(CONTENT_TYPE, media);
                Body::from(bytes)
            }
        };
        let request = request.body(body).map_err(|_| ApiTrouble::Malformed)?;
        let response = self.client.send(request).await.map_err(|error| {
            // Such as a token file that cannot be read.
            let token = matches!(error, kube::Error::Auth(_));
            if token { ApiTrouble::Unauthenticated } else { ApiTrouble::Unreachable }
        })?;
        let status = response.status();
        let answer = collected(response.into_body(), what.limit()).await;
        if status.is_success() {
            return answer;
        }
        Err(match status {
            StatusCode::UNAUTHORIZED => ApiTrouble::Unauthenticated,
            StatusCode::FORBIDDEN => ApiTrouble::Forbidden,
            StatusCode::NOT_FOUND if answer.is_ok_and(|answer| answer.names_an_object()) => {
                ApiTrouble::Absent
            }
            StatusCode::NOT_FOUND => ApiTrouble::UnknownKind,
            other => ApiTrouble::Status(other.as_u16()),
        })
    }
}

async fn collected(mut body: Body, limit: usize) -> Result<Answer, ApiTrouble> {
    let mut answer = Answer::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiTrouble::Unreachable)?;
        let Ok(bytes) = frame.into_data() else { continue };
        if answer.0.len() + bytes.len() > limit {
            return Err(ApiTrouble::Oversize);
        }
        answer.push(&bytes);
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    details: Option<Details<'a>>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

impl Answer {
    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a status is about an object, and not about a kind that the API server has not.
    fn names_an_object(&self) -> bool {
        let status = serde_json::from_slice::<Status<'_>>(&self.0).ok();
        let name = status.and_then(|status| status.details?.name);
        name.is_some_and(|name| !name.is_empty())
    }

    /// Appends; the room before is overwritten if it has to grow.
    fn push(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let mut larger = Vec::with_capacity((self.0.len() + bytes.len()).max(4_096) * 2);
            larger.extend_from_slice(&self.0);
            self.0.fill(0);
            black_box(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.fill(0);
        // Or the compiler might find that nobody reads them any more.
        black_box(&self.0);
    }
}

impl What {
    /// The most bytes of an answer.
    const fn limit(self) -> usize {
        match self {
            Self::Account | Self::Event | Self::Owner | Self::Revocations | Self::Secret => {
                limits::API_ANSWER_BYTES
            }
            Self::Workload => limits::API_LIST_BYTES,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Account => "service-account",
            Self::Event => "event",
            Self::Owner => "owner",
            Self::Revocations => "revocations",
            Self::Secret => "secret",
            Self::Workload => "workload",
        }
    }
}

impl ApiTrouble {
    /// The word that metrics count it by.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Forbidden => "forbidden",
            Self::Late(_) => "late",
            Self::Malformed => "malformed",
            Self::Oversize => "oversize",
            Self::Status(_) => "status",
            Self::Unauthenticated => "unauthenticated",
            Self::UnknownKind => "unknown-kind",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for ApiTrouble {
    /// Words that may follow the name of what was asked for and a colon.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "there is no such object",
            Self::Forbidden => {
                "the API server forbids it; grant the right, as the chart's roles do"
            }
            Self::Late(millis) => {
                return write!(formatter, "the API server did not answer within {millis} ms");
            }
            Self::Malformed => "the API server's answer cannot be read",
            Self::Oversize => "the API server's answer is longer than any object may be",
            Self::Status(status) => {
                return write!(formatter, "the API server answered with status {status}");
            }
            Self::Unauthenticated => {
                "the API server does not know who asks: its token or certificate is not accepted"
            }
            Self::UnknownKind => "the API server does not know objects of this kind",
            Self::Unreachable => "the API server cannot be reached",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_an_absent_object_from_an_unknown_kind() {
        let names = |text: &str| Answer(text.as_bytes().to_vec()).names_an_object();
        assert!(names(r#"{"kind":"Status","details":{"name":"web","kind":"jobs"},"code":404}"#));
        assert!(!names(r#"{"kind":"Status","details":{},"code":404}"#));
        assert!(!names(r#"{"kind":"Status","code":404}"#));
        assert!(!names("404 page not found"));
    }

    #[test]
    fn an_answer_that_grows_is_kept_whole() {
        let mut answer = Answer::default();
        let mut expected = Vec::new();
        for part in 0..100_u8 {
            answer.push(&[part; 777]);
            expected.extend([part; 777]);
        }
        assert_eq!(answer.bytes(), expected);
    }
}
