//! The command as a process, on files of its own, with a trust server that really signs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use portreeve_host::clock::Clock;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::{Sha256, Wall};
use tokio::runtime::{Builder, Runtime};

use crate::client::Client;

/// Nothing here takes this long, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The collection that the trust server has.
pub const GUN: &str = "registry.example/shop/web";

/// The files of a server, and the trust server that its policy names.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub notary: NotaryServer,
    pub runtime: Runtime,
    pub tls: LoopbackTls,
}

impl Place {
    /// A ClusterImagePolicy that enforces the signature of alice, who signed tag `1` of [`GUN`].
    pub fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let tls = LoopbackTls::new().unwrap();
        let notary = runtime.block_on(NotaryServer::start(&tls)).unwrap();
        let now = Wall(Clock::system().now().wall.0 - 60_000_000);
        let mut collection = Collection::new(GUN, Keys::fresh(), now).unwrap();
        collection.add_signer("alice", now).unwrap();
        collection.sign("1", Self::image(), 1_000, &["alice"]).unwrap();
        notary.publish(GUN, collection.publish(now).unwrap());
        let key = collection.signer_public_key_pem("alice").unwrap();
        let place = Self { directory, notary, runtime, tls };
        std::fs::create_dir(place.path("objects")).unwrap();
        place.write("objects/policy.yaml", &policy(&place.notary.url()));
        place.write("objects/alice.yaml", &secret(&key));
        place.write("tls.crt", &place.tls.certificate_pem());
        place.write("tls.key", &place.tls.key_pem());
        place.write("ca.crt", place.tls.ca_pem());
        place.write("portreeve.yaml", "node: test\n");
        place
    }

    /// The digest that alice signed.
    pub fn image() -> Sha256 {
        Sha256::of(b"the manifest of shop/web:1")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Starts the server with these flags besides; it is ready.
    pub fn start(&self, flags: &[&str], environment: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "json"])
            .args(["--allow-trust-server", &self.notary.url()])
            .args(flags)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .envs(environment.iter().copied());
        for (flag, name) in [
            ("--config", "portreeve.yaml"),
            ("--data-dir", "data"),
            ("--objects", "objects"),
            ("--tls-cert", "tls.crt"),
            ("--tls-key", "tls.key"),
            ("--trust-ca", "ca.crt"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        let process = Process::start(command);
        let ready = async {
            let mut client = self.client(&process).await;
            while client.send(Method::GET, "/readyz", String::new()).await.unwrap().0 != 200 {
                tokio::task::yield_now().await;
            }
        };
        let ready = async { tokio::time::timeout(PATIENCE, ready).await };
        self.runtime.block_on(ready).expect("the server gets ready");
        process
    }

    pub async fn client(&self, process: &Process) -> Client {
        Client::connect(process.address, self.tls.ca_pem()).await.unwrap()
    }
}

fn policy(server: &str) -> String {
    let trust =
        format!("{{enabled: true, trustServer: '{server}', signerSecrets: [{{name: alice}}]}}");
    let rules = format!("[{{name: 'registry.example/*', policy: {{trust: {trust}}}}}]");
    format!(
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\n\
         metadata: {{name: all}}\nspec: {{repositories: {rules}}}\n"
    )
}

fn secret(key: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: alice, namespace: portreeve}}\n\
         data:\n  name: {}\n  publicKey: {}\n",
        STANDARD.encode("alice"),
        STANDARD.encode(key)
    )
}

/// A server that does not outlive the test.
pub struct Process {
    pub address: SocketAddr,
    child: Child,
    /// What it logged.
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stderr, stdout) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            // To the end, or the server would block on its own log.
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
            kept.lock().unwrap().extend(BufReader::new(stdout).lines().map_while(Result::ok));
        });
        let mut process = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            lines,
            reader: Some(reader),
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let said = process.said("reviews are received");
            if let Some(line) = said {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                process.address = line["address"].as_str().unwrap().parse().unwrap();
                return process;
            }
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {:?}", process.lines.lock().unwrap());
            assert!(Instant::now() < end, "the server does not listen");
            std::thread::yield_now();
        }
    }

    /// The first line that it logged with this in it.
    pub fn said(&self, part: &str) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| line.contains(part)).cloned()
    }

    /// All that it wrote to its standard output and error; it has ended.
    pub fn written(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        self.lines.lock().unwrap().join("\n")
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let child = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(child, signal).unwrap();
    }

    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of every file below `directory`, as far as it is text.
pub fn bytes_below(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    found
}
