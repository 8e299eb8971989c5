//! A client that calls a webhook as the API server does: HTTP/1.1 over TLS, connections kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::TestError;

/// Bytes of an answer.
const ANSWER: usize = 16 << 20;
/// Time for one answer; a node answers sooner by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client for one server; clones share its connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its body.
    pub body: Bytes,
    /// Its status.
    pub status: u16,
}

impl Client {
    /// A client for the server at `address`, which shows a certificate for `localhost` that the CA
    /// in `ca_pem` signed.
    ///
    /// # Errors
    /// `Content` if `ca_pem` is no certificate, `Http` if TLS cannot be set up.
    pub fn new(address: SocketAddr, ca_pem: &str) -> Result<Self, TestError> {
        let base = format!("https://localhost:{}", address.port());
        let config = believing(ca_pem)?;
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1();
        let pool = Pool::builder(TokioExecutor::new()).build(connector.build());
        Ok(Self { base, pool })
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// `Http` if there is no answer within twenty seconds.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer, TestError> {
        self.send(Method::POST, path, body.into()).await
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn get(&self, path: &str) -> Result<Answer, TestError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, TestError> {
        let url = format!("{}{path}", self.base);
        let failed = |why: String| TestError::Http { url: url.clone(), why };
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let response = self.pool.request(request).await;
            let response = response.map_err(|error| failed(error.to_string()))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
            Ok(Answer { body, status })
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        answer.unwrap_or_else(|_| Err(failed("no answer in time".to_owned())))
    }
}

/// What a client needs that believes whom the CA in `ca_pem` signed, and nobody else.
///
/// # Errors
/// `Content` if `ca_pem` is no certificate, `Http` if TLS cannot be set up.
pub fn believing(ca_pem: &str) -> Result<ClientConfig, TestError> {
    let content = |why: String| TestError::Content { path: "the CA's certificate".to_owned(), why };
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes())
        .map_err(|error| content(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(|error| content(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TestError::Http { url: "TLS".to_owned(), why: error.to_string() })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
