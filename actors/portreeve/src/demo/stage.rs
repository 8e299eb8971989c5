//! What the demo plays on: certificates, signed collections and their server, policies.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::seals::make_key;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::{Sha256, Wall};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::vault;
use crate::cli::{BundleFlags, DemoArgs};
use crate::error::CommandError;
use crate::terminal::Terminal;

/// How long the demo waits for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of the manifests that the demo claims to have signed.
pub(super) const MANIFEST_LENGTH: u64 = 1_573;

/// Everything the demo needs, until it is dropped.
pub(super) struct Stage {
    /// What the node is told.
    pub(super) config: Config,
    /// URL of a trust server that does not answer.
    pub(super) down: String,
    /// The directory of objects.
    objects: PathBuf,
    signed: BTreeMap<String, Sha256>,
    tls: LoopbackTls,
    notary: NotaryServer,
    /// Whether the trust bundle is the demo's own.
    pub(super) own_bundle: bool,
    _directory: TempDir,
    _refusing: TcpSocket,
}

impl Stage {
    /// Makes all of it; the journal goes to `journal`, or away with the rest.
    pub(super) async fn set(
        args: &DemoArgs,
        now: Wall,
        terminal: &Terminal,
    ) -> Result<Self, CommandError> {
        let journal = args.journal.as_deref();
        let directory = tempfile::Builder::new()
            .prefix("portreeve-demo-")
            .tempdir()
            .map_err(|source| file_error("make a directory in", &std::env::temp_dir(), source))?;
        let place = directory.path();
        let tls = LoopbackTls::new()?;
        let notary_tls = LoopbackTls::new()?;
        terminal.line("  certificates: two CAs and two servers' certificates for 127.0.0.1");

        let notary = NotaryServer::start(&notary_tls).await?;
        let (refusing, address) = refusing_port()
            .map_err(|source| CommandError::System { what: "bind a port of 127.0.0.1", source })?;
        let down = format!("https://{address}");
        let mut signed = BTreeMap::new();
        let alice = sign_collections(&notary, &mut signed, now)?;
        let vault = vault::sign(&notary, now)?;
        signed.extend(vault.signed.clone());
        let text = format!("  trust server: {}, {} signed tags", notary.url(), signed.len());
        terminal.line(&text);
        terminal.line(&format!("  trust server: {down}, where nobody answers"));

        let objects = place.join("objects");
        make_directory(&objects)?;
        write(&objects.join("policies.yaml"), &policies(&notary.url(), &down))?;
        write(&objects.join("signer-alice.yaml"), &signer_secret("alice", &alice))?;
        terminal
            .line("  objects: a ClusterImagePolicy of four rules, and the Secret of signer alice");
        terminal.line("  seals: a new key");

        let own_bundle = args.bundle.bundle.is_none();
        let bundle = match own_bundle {
            true => vault::bundle(&place.join("bundle"), &vault, &notary.url()).await?,
            false => args.bundle.clone(),
        };
        if let (Some(at), true) = (&bundle.bundle, own_bundle) {
            terminal.line(&format!("  trust bundle: {at}, which pins registry.example/vault/*"));
        }
        let mut config =
            configure(place, &objects, &tls, &notary_tls, [notary.url(), down.clone()], bundle)?;
        if let Some(journal) = journal {
            make_directory(journal)?;
            config.journal_dir = journal.to_owned();
        }
        Ok(Self {
            own_bundle,
            config,
            down,
            objects,
            signed,
            tls,
            notary,
            _directory: directory,
            _refusing: refusing,
        })
    }

    /// PEM text of the CA that the API server is to trust.
    pub(super) fn webhook_ca(&self) -> &str {
        self.tls.ca_pem()
    }

    /// Puts a file among the objects, as a whole.
    pub(super) fn store(&self, name: &str, text: &str) -> Result<(), CommandError> {
        let place = self.objects.join(name);
        let beside = place.with_extension("new");
        write(&beside, text)?;
        fs::rename(&beside, &place).map_err(|source| file_error("replace", &place, source))
    }

    /// How many requests the trust server has answered.
    pub(super) fn trust_requests(&self) -> u64 {
        self.notary.answered()
    }

    /// The digest that was signed for `host/path:tag`.
    pub(super) fn digest(&self, image: &str) -> Option<Sha256> {
        self.signed.get(image).copied()
    }
}

/// Signs what the cases need; returns alice's public key as PEM text.
fn sign_collections(
    notary: &NotaryServer,
    signed: &mut BTreeMap<String, Sha256>,
    now: Wall,
) -> Result<String, CommandError> {
    let mut sign = |collection: &mut Collection, tag: &str, signer: &str| {
        let image = format!("{}:{tag}", collection.gun());
        let digest = Sha256::of(image.as_bytes());
        signed.insert(image, digest);
        collection.sign(tag, digest, MANIFEST_LENGTH, &[signer])
    };
    // One person has one key for all repositories, so every collection gets it from the same place.
    let team = Team::new(now)?;
    for (gun, tag, signer) in [
        ("registry.example/shop/web", "2.0.0", "alice"),
        ("registry.example/shop/migrate", "2.0.0", "alice"),
        ("registry.example/shop/worker", "1.4.0", "bob"),
    ] {
        let mut collection = Collection::new(gun, Keys::fresh(), now)?;
        collection.add_signer_with("alice", team.alice.clone())?;
        collection.add_signer_with("bob", team.bob.clone())?;
        sign(&mut collection, tag, signer)?;
        notary.publish(gun, collection.publish(now)?);
    }
    // Somebody else who calls himself alice.
    let gun = "registry.example/shop/cart";
    let mut impostor = Collection::new(gun, Keys::fresh(), now)?;
    impostor.add_signer("alice", now)?;
    sign(&mut impostor, "1.0.0", "alice")?;
    notary.publish(gun, impostor.publish(now)?);
    Ok(team.alice.public_pem())
}

/// The people who sign.
struct Team {
    alice: portreeve_lab::RoleKey,
    bob: portreeve_lab::RoleKey,
}

impl Team {
    fn new(now: Wall) -> Result<Self, CommandError> {
        let keys = Keys::fresh();
        Ok(Self { alice: keys.signer("alice", 0, now)?, bob: keys.signer("bob", 0, now)? })
    }
}

fn policies(live: &str, down: &str) -> String {
    format!(
        r#"# Images of the shop must be signed by alice; images of a partner by anyone who may sign
# at the partner's trust server; images of the vault by whom the trust bundle says;
# Prometheus tools run as they are; nothing else runs at all.
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata:
  name: demo
spec:
  repositories:
    - name: "registry.example/shop/*"
      policy:
        trust:
          enabled: true
          trustServer: "{live}"
          signerSecrets:
            - name: signer-alice
    - name: "registry.example/vault/*"
      policy:
        trust:
          enabled: true
          trustServer: "{live}"
    - name: "partner.example/*"
      policy:
        trust:
          enabled: true
          trustServer: "{down}"
    - name: "docker.io/prom/*"
      policy:
"#
    )
}

fn signer_secret(name: &str, public_key: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: signer-{name}\n  namespace: portreeve\n\
         type: Opaque\ndata:\n  name: {}\n  publicKey: {}\n",
        STANDARD.encode(name),
        STANDARD.encode(public_key),
    )
}

/// Makes the configuration as `portreeve serve` would from flags.
fn configure(
    place: &Path,
    objects: &Path,
    tls: &LoopbackTls,
    notary_tls: &LoopbackTls,
    servers: [String; 2],
    bundle: BundleFlags,
) -> Result<Config, CommandError> {
    let file = |name: &str, text: &str| -> Result<PathBuf, CommandError> {
        let path = place.join(name);
        write(&path, text)?;
        Ok(path)
    };
    let seal_key = place.join("seal.key");
    make_key(&seal_key)?;
    let flags = Overrides {
        bundle: bundle.bundle,
        bundle_ca: bundle.bundle_ca,
        bundle_root: bundle.bundle_root,
        allow_trust_server: servers.into(),
        data_dir: Some(place.join("data")),
        drain_delay: Some("0s".to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        objects: Some(objects.to_owned()),
        seal_key: Some(seal_key),
        tls_cert: Some(file("webhook.crt", &tls.certificate_pem())?),
        tls_key: Some(file("webhook.key", &tls.key_pem())?),
        trust_ca: vec![file("notary-ca.crt", notary_tls.ca_pem())?],
        ..Overrides::default()
    };
    Ok(Config::load(None, flags)?)
}

/// A port of 127.0.0.1 that is taken but not listened on: whoever connects is refused.
fn refusing_port() -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn make_directory(path: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(path).map_err(|source| file_error("make", path, source))
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    fs::write(path, text).map_err(|source| file_error("write", path, source))
}

fn file_error(what: &'static str, path: &Path, source: std::io::Error) -> CommandError {
    CommandError::File { what, path: path.to_owned(), source }
}
