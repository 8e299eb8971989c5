//! Listens for the operator's requests.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::limits;
use portreeve_protocol::messages::admission::RevokeSeal;
use slog::{Logger, info, warn};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Reply, Request};
use crate::HostError;
use crate::node::Node;
use crate::notary_client::ServerUrl;
use crate::owners::{OwnerStore, SealSummary};
use crate::state::TrustSummary;

/// What requests are about.
#[derive(Clone)]
struct Operator {
    log: Logger,
    node: Node,
    /// The workloads, if they are in a directory.
    owners: Option<OwnerStore>,
}

/// A listening socket; it goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// Listens in `data_dir`, in the place of whatever an earlier run left there; `owners` are the
    /// workloads it tells of. Call it within a tokio runtime, while the journal in that directory
    /// is held.
    ///
    /// # Errors
    /// `Control` if the socket cannot be made.
    pub fn start(
        data_dir: &Path,
        node: Node,
        owners: Option<OwnerStore>,
        log: Logger,
    ) -> Result<Self, HostError> {
        let path = super::path(data_dir);
        let listener = listen(data_dir, &path).map_err(|error| HostError::Control {
            path: path.clone(),
            why: format!("it cannot be listened on: {error}"),
        })?;
        let operator = Operator { log, node, owners };
        let task = tokio::spawn(accept(listener, operator));
        Ok(Self { path, task })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
        // If it is gone already, all is well.
        drop(fs::remove_file(&self.path));
    }
}

/// Makes the socket where nobody else can reach it, and moves it to its place once it is its
/// owner's only.
fn listen(data_dir: &Path, path: &Path) -> io::Result<UnixListener> {
    // The journal may lie elsewhere, and then nobody made this one.
    fs::create_dir_all(data_dir)?;
    let place = data_dir.join("control.tmp");
    if place.is_dir() {
        fs::remove_dir_all(&place)?;
    }
    DirBuilder::new().mode(0o700).create(&place)?;
    let made = place.join("socket");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    fs::remove_dir(&place)?;
    Ok(listener)
}

/// Accepts until it is aborted.
async fn accept(listener: UnixListener, operator: Operator) {
    let places = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS));
    let patience = Duration::from_micros(limits::CONTROL_TIMEOUT);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let operator = operator.clone();
                tokio::spawn(async move {
                    let _place = place;
                    // A client that goes away, or is too slow, ends its own connection only.
                    drop(tokio::time::timeout(patience, converse(stream, &operator)).await);
                });
            }
            Err(error) => {
                let why = error.to_string();
                warn!(operator.log, "the operator's socket does not accept"; "why" => why);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, operator: &Operator) -> io::Result<()> {
    let mut line = Vec::new();
    let (read, mut write) = stream.split();
    BufReader::new(read).take(limits::CONTROL_BYTES).read_until(b'\n', &mut line).await?;
    let reply = match serde_json::from_slice(&line) {
        Ok(request) => answer(request, operator).await,
        Err(_) => failed("the request is not one line of JSON that this version understands"),
    };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}

fn failed(why: impl Into<String>) -> Reply {
    Reply::Failed { why: why.into() }
}

async fn answer(request: Request, operator: &Operator) -> Reply {
    let Operator { log, node, owners } = operator;
    match request {
        Request::ClockAcknowledge { reason } => {
            info!(log, "an operator says that the clock is right"; "reason" => &reason);
            node.acknowledge_clock(reason);
            Reply::Done
        }
        Request::SealRevoke { digest, gun, reason } => {
            info!(log, "an operator ends an entry of seals"; "gun" => &gun,
                "digest" => digest.to_string(), "reason" => &reason);
            node.revoke_seal(RevokeSeal { digest, gun, reason });
            Reply::Done
        }
        Request::SealStatus => match owners {
            Some(owners) => {
                let workloads = SealSummary::of_all(&owners.workloads(), owners.sealer());
                Reply::Seals { workloads }
            }
            None => failed(
                "this node's workloads are in a cluster, where it may not see them all: use \
                `--kubeconfig FILE` with rights of your own",
            ),
        },
        Request::TrustList => match node.trusted().await {
            Ok(trust) => {
                Reply::Trust { collections: trust.iter().map(TrustSummary::from).collect() }
            }
            Err(error) => failed(error.to_string()),
        },
        Request::TrustReset { gun, reason, server } => {
            let server = match ServerUrl::parse(&server) {
                Ok(url) => url.to_string(),
                Err(why) => return failed(format!("`{server}`: {why}")),
            };
            info!(log, "an operator resets trust"; "gun" => &gun, "server" => &server,
                "reason" => &reason);
            match node.forget(&server, &gun, &reason).await {
                Ok(known) => Reply::Reset { known },
                Err(error) => failed(error.to_string()),
            }
        }
    }
}
