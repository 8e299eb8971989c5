//! The demo's API server: sends AdmissionReviews over HTTPS as the real one does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stage::PATIENCE;
use crate::error::CommandError;

/// Bytes of an answer; real ones have a few thousand.
const ANSWER_BYTES: usize = 1 << 20;

/// One kept connection to the webhook, speaking HTTP/1.1 over TLS.
pub(super) struct ApiServer {
    sender: SendRequest<Full<Bytes>>,
}

/// What the webhook answered.
pub(super) struct Answer {
    /// Whether the workload may enter.
    pub(super) allowed: bool,
    /// The stable code of the first denial, as the audit annotations name it; empty if allowed.
    pub(super) code: String,
    /// From sending to the whole answer.
    pub(super) latency: Duration,
    /// What a person is told.
    pub(super) message: String,
    /// Hash of the journal record that holds the decision, as the audit annotations name it.
    pub(super) record: String,
    /// The JSON patch, if there is one.
    pub(super) patch: Option<json_patch::Patch>,
    /// Whose seals counted, and which did not, as the audit annotations say it.
    pub(super) seal: String,
    /// What a person is warned of.
    pub(super) warnings: Vec<String>,
}

impl ApiServer {
    /// Connects, trusting only `ca` (PEM text).
    pub(super) async fn connect(address: SocketAddr, ca: &str) -> Result<Self, CommandError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.map_err(failed(CONNECT))?).map_err(failed(CONNECT))?;
        }
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await.map_err(failed(CONNECT))?;
        stream.set_nodelay(true).map_err(failed(CONNECT))?;
        let name = ServerName::from(address.ip());
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.map_err(failed(CONNECT))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(failed(CONNECT))?;
        // It ends with the sender; what breaks it shows in the next request.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends one review and reads its answer.
    pub(super) async fn ask(&mut self, review: &Value) -> Result<Answer, CommandError> {
        let request = Request::post("/admit?timeout=10s")
            .header(header::HOST, "portreeve.portreeve.svc:443")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .header(header::ACCEPT, "application/json, */*")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(review.to_string())))
            .map_err(failed(ASK))?;
        let started = Instant::now();
        let exchange = async {
            self.sender.ready().await.map_err(failed(ASK))?;
            let response = self.sender.send_request(request).await.map_err(failed(ASK))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES);
            let body = body.collect().await.map_err(failed(ASK))?.to_bytes();
            if status != http::StatusCode::OK {
                return Err(failed(ASK)(format!("it answered {status}")));
            }
            Ok(body)
        };
        let body = tokio::time::timeout(PATIENCE, exchange).await.map_err(failed(ASK))??;
        let latency = started.elapsed();
        let answer: Value = serde_json::from_slice(&body).map_err(failed(ASK))?;
        read(review, &answer, latency)
    }
}

const CONNECT: &str = "connect to the webhook";
const ASK: &str = "have a review answered";

fn failed<E: ToString>(what: &'static str) -> impl Fn(E) -> CommandError {
    move |error| CommandError::Talk { what, why: error.to_string() }
}

/// Reads an answer as strictly as the API server does (`admission/plugin/webhook/request`).
fn read(review: &Value, answer: &Value, latency: Duration) -> Result<Answer, CommandError> {
    let response = &answer["response"];
    for (what, sent, came) in [
        ("apiVersion", &review["apiVersion"], &answer["apiVersion"]),
        ("kind", &review["kind"], &answer["kind"]),
        ("uid", &review["request"]["uid"], &response["uid"]),
    ] {
        if sent != came {
            return Err(failed(ASK)(format!("{what} of the answer is {came}, not {sent}")));
        }
    }
    let Some(allowed) = response["allowed"].as_bool() else {
        return Err(failed(ASK)("the answer does not say whether it allows"));
    };
    let patch = match response["patch"].as_str() {
        None => None,
        Some(text) => {
            if response["patchType"] != "JSONPatch" {
                return Err(failed(ASK)("the answer has a patch but no patchType"));
            }
            let text = STANDARD.decode(text).map_err(failed(ASK))?;
            Some(serde_json::from_slice(&text).map_err(failed(ASK))?)
        }
    };
    let audit = &response["auditAnnotations"];
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Answer {
        allowed,
        code: first_code(&text(&audit["codes"])).to_owned(),
        latency,
        message: text(&response["status"]["message"]),
        patch,
        record: text(&audit["record"]),
        seal: text(&audit["seal"]),
        warnings: warnings.map(text).collect(),
    })
}

/// The first code of an annotation such as `app=not-signed, init=expired` or `overloaded`.
fn first_code(codes: &str) -> &str {
    let first = codes.split(", ").next().unwrap_or_default();
    first.rsplit('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_is_found_with_and_without_a_container() {
        assert_eq!(first_code("app=not-signed, init=expired"), "not-signed");
        assert_eq!(first_code("overloaded"), "overloaded");
        assert_eq!(first_code(""), "");
    }

    #[test]
    fn an_answer_to_another_review_is_refused() {
        let review = serde_json::json!({"kind": "K", "apiVersion": "v", "request": {"uid": "1"}});
        let other = serde_json::json!({
            "kind": "K", "apiVersion": "v", "response": {"uid": "2", "allowed": true}
        });
        let refused = read(&review, &other, Duration::ZERO);
        assert!(matches!(refused, Err(CommandError::Talk { what: ASK, .. })));
    }
}
