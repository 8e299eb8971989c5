//! The floor: a webhook of the same parts (hyper, rustls, typed serde) that parses the same body
//! and answers a patch for each container, but decides nothing and records nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::child;
use crate::error::{BenchError, system, talk};

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow)]
    request: Question<'a>,
}

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow)]
    object: Workload<'a>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Workload<'a> {
    #[serde(borrow)]
    spec: WorkloadSpec<'a>,
}

#[derive(Deserialize)]
struct WorkloadSpec<'a> {
    #[serde(borrow)]
    template: Template<'a>,
}

#[derive(Deserialize)]
struct Template<'a> {
    #[serde(borrow)]
    spec: PodSpec<'a>,
}

#[derive(Deserialize)]
struct PodSpec<'a> {
    #[serde(borrow)]
    containers: Vec<Container<'a>>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow)]
    image: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Verdict<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict<'a> {
    uid: &'a str,
    allowed: bool,
    patch: String,
    patch_type: &'static str,
}

#[derive(Serialize)]
struct Operation<'a> {
    op: &'static str,
    path: String,
    value: &'a str,
}

/// What the floor knows: image to the reference to put in its place.
type Pins = BTreeMap<String, String>;

/// Serves until the process is ended. `images` are those it has a pin for.
pub(crate) fn run(cert: &Path, key: &Path, images: &[String]) -> Result<(), BenchError> {
    let pin = |image: &String| {
        let bare = image.rsplit_once(':').map_or(image.as_str(), |(bare, _)| bare);
        let digest = portreeve_protocol::Sha256::of(image.as_bytes()).to_oci();
        (image.clone(), format!("{bare}@{digest}"))
    };
    let pins: Arc<Pins> = Arc::new(images.iter().map(pin).collect());
    let acceptor = TlsAcceptor::from(Arc::new(tls(cert, key)?));
    // One core is all it gets, so one thread is the fastest it can have.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start a runtime"))?;
    runtime.block_on(async {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).await.map_err(system("listen"))?;
        child::announce(listener.local_addr().map_err(system("listen"))?);
        loop {
            let (stream, _) = listener.accept().await.map_err(system("accept"))?;
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&pins)));
        }
    })
}

fn tls(cert: &Path, key: &Path) -> Result<ServerConfig, BenchError> {
    const TLS: &str = "set up TLS for the floor";
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .map_err(talk(TLS))?
        .collect::<Result<_, _>>()
        .map_err(talk(TLS))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(talk(TLS))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(talk(TLS))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, pins: Arc<Pins>) {
    // A client that goes away is no failure of the server.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| respond(request, Arc::clone(&pins)));
    let builder = Builder::new(TokioExecutor::new());
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

async fn respond(
    request: Request<Incoming>,
    pins: Arc<Pins>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let answer = body.ok().and_then(|body| answer(&body, &pins));
    let failed = answer.is_none();
    let mut response = Response::new(Full::new(Bytes::from(answer.unwrap_or_default())));
    if failed {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answer(body: &[u8], pins: &Pins) -> Option<Vec<u8>> {
    let review: Review<'_> = serde_json::from_slice(body).ok()?;
    let containers = &review.request.object.spec.template.spec.containers;
    let mut patch = Vec::with_capacity(containers.len());
    for (index, container) in containers.iter().enumerate() {
        let value = pins.get::<str>(&container.image)?;
        let path = format!("/spec/template/spec/containers/{index}/image");
        patch.push(Operation { op: "replace", path, value });
    }
    let patch = STANDARD.encode(serde_json::to_vec(&patch).ok()?);
    let uid = &review.request.uid;
    let response = Verdict { uid, allowed: true, patch, patch_type: "JSONPatch" };
    let api_version = "admission.k8s.io/v1";
    serde_json::to_vec(&Answer { api_version, kind: "AdmissionReview", response }).ok()
}
