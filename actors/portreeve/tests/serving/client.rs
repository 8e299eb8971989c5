//! A client that calls the webhook as the API server does: HTTP/1.1 over TLS, one connection.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// One connection.
pub struct Client(SendRequest<Full<Bytes>>);

/// Whatever went wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    /// Connects to the server at `address`, whose certificate the CA in `ca` signed.
    pub async fn connect(address: SocketAddr, ca: &str) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request; the status and the body of the answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, String), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    /// Asks whether a Pod of this image may be created; the `response` of the answer.
    pub async fn admit(&mut self, uid: &str, image: &str) -> Result<Value, Failure> {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": uid,
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "namespace": "shop",
                "operation": "CREATE",
                "userInfo": {"username": "dev"},
                "object": {
                    "metadata": {"name": "p"},
                    "spec": {"containers": [{"name": "c", "image": image}]},
                },
            },
        });
        let (status, body) =
            self.send(Method::POST, "/admit?timeout=10s", review.to_string()).await?;
        if status != 200 {
            return Err(format!("status {status}: {body}").into());
        }
        Ok(serde_json::from_str::<Value>(&body)?["response"].take())
    }
}
