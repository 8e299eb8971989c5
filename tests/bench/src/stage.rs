//! What the servers need: certificates, a trust server with signed collections, a policy, a signer.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer, RoleKey};
use portreeve_protocol::{Sha256, Wall};
use tempfile::TempDir;

use crate::error::{BenchError, system};

/// The warm images.
const WARM: [&str; 2] = ["registry.example/bench/web", "registry.example/bench/sidecar"];
/// The tag of every image.
const TAG: &str = "1.0.0";
/// Bytes of the manifests that the bench claims to have signed.
const MANIFEST_LENGTH: u64 = 1_573;

/// Everything the servers need, until it is dropped.
pub(crate) struct Stage {
    alice: RoleKey,
    directory: TempDir,
    notary: NotaryServer,
    now: Wall,
    /// The directory, as the kernel knows it.
    open: File,
    tls: LoopbackTls,
}

impl Stage {
    /// Makes all of it below `place`, which must exist.
    pub(crate) async fn set(place: &Path) -> Result<Self, BenchError> {
        let directory = tempfile::Builder::new()
            .prefix("portreeve-bench-")
            .tempdir_in(place)
            .map_err(system("make a directory for the journals"))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let (tls, notary_tls) = (LoopbackTls::new()?, LoopbackTls::new()?);
        let notary = NotaryServer::start(&notary_tls).await?;
        let alice = Keys::fresh().signer("alice", 0, now)?;
        let open = File::open(directory.path()).map_err(system("open the directory"))?;
        let stage = Self { alice, directory, notary, now, open, tls };
        for gun in WARM {
            stage.sign(gun)?;
        }
        std::fs::create_dir(stage.path("objects")).map_err(system("make a directory"))?;
        stage.write("objects/policy.yaml", &policy(&stage.notary.url()))?;
        stage.write("objects/signer.yaml", &secret(&stage.alice.public_pem()))?;
        stage.write("webhook.crt", &stage.tls.certificate_pem())?;
        stage.write("webhook.key", &stage.tls.key_pem())?;
        stage.write("notary-ca.crt", notary_tls.ca_pem())?;
        // Anything of the right length will do, since nobody is kept out here.
        let key = STANDARD.encode(Sha256::of(stage.alice.public_pem().as_bytes()).as_bytes());
        stage.write("seal.key", &format!("{key}\n"))?;
        Ok(stage)
    }

    /// The images of a warm review.
    pub(crate) fn warm() -> Vec<String> {
        WARM.iter().map(|gun| format!("{gun}:{TAG}")).collect()
    }

    /// Signs `count` images that no server has seen; `series` tells them from others.
    pub(crate) fn unseen(&self, series: &str, count: usize) -> Result<Vec<String>, BenchError> {
        let gun = |number: usize| format!("registry.example/bench/{series}-{number:05}");
        (0..count)
            .map(|number| {
                self.sign(&gun(number))?;
                Ok(format!("{}:{TAG}", gun(number)))
            })
            .collect()
    }

    /// PEM text of the CA of the servers.
    pub(crate) fn ca(&self) -> &str {
        self.tls.ca_pem()
    }

    /// Has the file system write what is left to be written, so that no server's sync waits for
    /// what another one wrote.
    pub(crate) fn settle(&self) -> Result<(), BenchError> {
        rustix::fs::syncfs(&self.open).map_err(system("wait for the disk"))
    }

    /// The directory of the data of the server `name`.
    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// The words that have this program run the floor.
    pub(crate) fn floor(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            vec!["floor".into(), self.path("webhook.crt").into(), self.path("webhook.key").into()];
        words.extend(Self::warm().into_iter().map(Into::into));
        words
    }

    /// The words that have this program run `portreeve serve`.
    pub(crate) fn serve(&self, name: &str, durability: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            ["portreeve", "serve", "--listen", "127.0.0.1:0"].map(Into::into).to_vec();
        for (flag, value) in [
            ("--tls-cert", self.path("webhook.crt").into()),
            ("--tls-key", self.path("webhook.key").into()),
            ("--objects", self.path("objects").into()),
            ("--data-dir", self.data_dir(name).into()),
            ("--trust-ca", self.path("notary-ca.crt").into()),
            ("--allow-trust-server", self.notary.url().into()),
            ("--durability", durability.into()),
            ("--seal-key", self.path("seal.key").into()),
        ] {
            let pair: [OsString; 2] = [flag.into(), value];
            words.extend(pair);
        }
        words
    }

    fn sign(&self, gun: &str) -> Result<(), BenchError> {
        let mut collection = Collection::new(gun, Keys::fresh(), self.now)?;
        collection.add_signer_with("alice", self.alice.clone())?;
        let digest = Sha256::of(format!("{gun}:{TAG}").as_bytes());
        collection.sign(TAG, digest, MANIFEST_LENGTH, &["alice"])?;
        self.notary.publish(gun, collection.publish(self.now)?);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), BenchError> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|source| BenchError::File { path, source })
    }
}

fn policy(trust_server: &str) -> String {
    format!(
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata:\n  \
         name: bench\nspec:\n  repositories:\n    - name: \"registry.example/bench/*\"\n      \
         policy:\n        trust:\n          enabled: true\n          \
         trustServer: \"{trust_server}\"\n          signerSecrets:\n            \
         - name: signer-alice\n"
    )
}

fn secret(public_key: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: signer-alice\n  namespace: portreeve\n\
         type: Opaque\ndata:\n  name: {}\n  publicKey: {}\n",
        STANDARD.encode("alice"),
        STANDARD.encode(public_key),
    )
}
