//! `docs/bundle.md`: its commands are run, and print what stands there. Times, keys and digests are
//! other ones each time. `PORTREEVE_BLESS=1` writes what was printed into the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::{Sha256, Wall};

const GUN: &str = "registry.example/shop/web";
/// What the page calls the trust server.
const SERVER: &str = "https://notary.example";

struct Stage {
    dir: tempfile::TempDir,
    notary: NotaryServer,
    now: Wall,
}

impl Stage {
    async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tls = LoopbackTls::new().unwrap();
        fs::write(dir.path().join("notary-ca.pem"), tls.ca_pem()).unwrap();
        let notary = NotaryServer::start(&tls).await.unwrap();
        let stage = Self { dir, notary, now: Clock::system().now().wall };
        let alice = stage.publish();
        fs::write(stage.dir.path().join("alice.pem"), alice).unwrap();
        stage
    }

    /// Signs the collection with fresh keys; gives alice's public key.
    fn publish(&self) -> String {
        let mut collection = Collection::new(GUN, Keys::fresh(), self.now).unwrap();
        collection.add_signer("alice", self.now).unwrap();
        collection.sign("1.0.0", Sha256::of(b"web"), 1_000, &["alice"]).unwrap();
        self.notary.publish(GUN, collection.publish(self.now).unwrap());
        collection.signer_public_key_pem("alice").unwrap()
    }

    /// Runs a command of the page; what it prints is told in the page's names.
    fn run(&self, command: &str, key_id: &str) -> String {
        if command == "replace-the-trust-server" {
            self.publish();
            return String::new();
        }
        let url = self.notary.url();
        let command = command.replace(SERVER, &url).replace("KEYID", key_id);
        let words = command.strip_prefix("portreeve ").unwrap();
        let words: Vec<String> =
            words.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
        let output = Command::new(env!("CARGO_BIN_EXE_portreeve"))
            .args(words)
            .current_dir(self.dir.path())
            .env_remove("HTTPS_PROXY")
            .output()
            .unwrap();
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        said.replace(&url, SERVER)
    }
}

/// Text with everything replaced that is another each time: hexadecimal ids, times, PEM.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() || "-:.+/=_".contains(letter) {
            word.push(letter);
            continue;
        }
        let hex = word.len() >= 12 && word.bytes().all(|it| it.is_ascii_hexdigit());
        let digest = word.starts_with("sha256:");
        let time = word.len() > 18
            && word.as_bytes()[10] == b'T'
            && word.trim_end_matches('.').ends_with('Z');
        let body = word.len() > 40 && !word.contains('.') && !word.contains('-');
        let pin = word.rsplit('=').next().is_some_and(|it| it.len() == 64);
        out.push_str(if hex || digest || time || body || pin { "<…>" } else { &word });
        word.clear();
        out.push(letter);
    }
    // How words are set into lines depends on how long they are.
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The page in pieces: text as it is, and the lines of console blocks.
fn blocks(page: &str) -> Vec<(bool, Vec<String>)> {
    let mut pieces = vec![(false, Vec::new())];
    for line in page.lines() {
        let inside = pieces.last().unwrap().0;
        if !inside && line == "```console" {
            pieces.last_mut().unwrap().1.push(line.to_owned());
            pieces.push((true, Vec::new()));
        } else if inside && line == "```" {
            pieces.push((false, vec![line.to_owned()]));
        } else {
            pieces.last_mut().unwrap().1.push(line.to_owned());
        }
    }
    pieces
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bundle.md")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_prints_what_stands_there() {
    let stage = Stage::set().await;
    let text = fs::read_to_string(page()).unwrap();
    let mut key_id = String::new();
    let mut written = Vec::new();
    let mut wrong = Vec::new();
    for (console, lines) in blocks(&text) {
        if !console {
            written.extend(lines);
            continue;
        }
        let mut rest = lines.iter().peekable();
        while let Some(line) = rest.next() {
            let command = line.strip_prefix("$ ").expect("a command");
            let mut stated = Vec::new();
            while let Some(next) = rest.peek().filter(|next| !next.starts_with("$ ")) {
                stated.push((*next).clone());
                rest.next();
            }
            let said = stage.run(command, &key_id);
            if let Some((_, pin)) = said.split_once("--pin ") {
                key_id = pin.split('=').nth(1).unwrap()[..64].to_owned();
            }
            written.push(line.clone());
            written.extend(said.trim_end().lines().map(str::to_owned));
            if plain(&said) != plain(&stated.join("\n")) {
                wrong.push(format!("$ {command}\n{said}"));
            }
        }
    }
    if std::env::var_os("PORTREEVE_BLESS").is_some() {
        fs::write(page(), written.join("\n") + "\n").unwrap();
    } else {
        assert!(wrong.is_empty(), "PORTREEVE_BLESS=1 writes the page anew:\n{}", wrong.join("\n"));
    }
    the_configuration_of_the_page_is_obeyed(&stage, &text);
}

fn the_configuration_of_the_page_is_obeyed(stage: &Stage, text: &str) {
    let yaml = text.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let place = stage.dir.path();
    let root = place.join("bundle/root.json");
    let yaml = yaml.replace("bundleRoot: root.json", &format!("bundleRoot: {}", root.display()));
    let file = place.join("portreeve.yaml");
    fs::write(&file, yaml).unwrap();
    let flags = Overrides {
        objects: Some(place.to_owned()),
        tls_cert: Some(place.join("tls.crt")),
        tls_key: Some(place.join("tls.key")),
        ..Overrides::default()
    };
    let config = Config::load(Some(&file), flags).unwrap();
    let bundle = config.bundle.unwrap();
    assert_eq!((bundle.refresh, bundle.ca.len()), (60_000_000, 1));
    assert_eq!(config.settings.bundle.unwrap().root, Sha256::of(&fs::read(root).unwrap()));
}
