//! Every case of the corpus through `portreeve check`: a lab server serves it, what the reader kept
//! from before is its `--notary-cache`, what it knew of the root its pins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_lab::{LoopbackTls, NotaryServer};
use portreeve_tests::corpus::{Case, Expect, Query, all_cases, stranger};
use portreeve_tests::verdict::{Given, Held, STRICTER, difference, spelt};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

/// Cases in the corpus; a case that is lost must not go unnoticed.
const CASES: usize = 217;
/// Checks that run at once; each has a node of its own.
const AT_ONCE: usize = 4;

/// A case laid out in files, and the words of its command line but for image and signers.
struct Laid {
    directory: TempDir,
    words: Vec<OsString>,
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    path.to_owned()
}

fn lay(case: &Case, server: &str, tls_ca: &str) -> Laid {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let mut words: Vec<OsString> = Vec::new();
    let mut say = |flag: &str, value: OsString| words.extend([flag.into(), value]);
    say("--trust-server", server.into());
    say("--ca", write(&place.join("tls.pem"), tls_ca).into());
    say("--at", case.evaluation_time.to_string().into());
    if !case.cache.is_empty() {
        let metadata = place.join("cache/tuf").join(&case.gun).join("metadata");
        for (role, bytes) in &case.cache {
            write(&metadata.join(format!("{role}.json")), bytes);
        }
        say("--notary-cache", place.join("cache").into());
    }
    for (gun, ids) in &case.pinning.certs {
        ids.iter().for_each(|id| say("--pin", format!("{gun}={id}").into()));
    }
    for ((prefix, pem), number) in case.pinning.ca.iter().zip(0..) {
        let file = write(&place.join(format!("authority-{number}.pem")), pem);
        say("--pin-ca", format!("{prefix}={}", file.display()).into());
    }
    if case.pinning.required {
        words.push("--require-pins".into());
    }
    Laid { directory, words }
}

impl Laid {
    /// The whole command line of a question.
    fn ask(&self, case: &Case, query: &Query) -> Vec<OsString> {
        let mut words = self.words.clone();
        for name in &query.signers {
            let path = self.directory.path().join("signers").join(format!("{name}.pem"));
            let pem = case.signers.get(name).cloned();
            write(&path, pem.unwrap_or_else(|| stranger().unwrap()));
            words.extend(["--signer".into(), format!("{name}={}", path.display()).into()]);
        }
        words.push(format!("{}:{}", case.gun, query.tag).into());
        words
    }
}

/// What the JSON object says; it must be whole.
fn given(object: &Value) -> Given {
    let members: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = ["allowed", "image", "digest", "code", "class", "explanation", "warnings"];
    let wanted = wanted.into_iter().chain(["evidence", "dropped_roles"]);
    assert_eq!(members, wanted.collect());
    if object["allowed"] == true {
        assert!(object["code"].is_null() && object["class"].is_null(), "{object}");
        assert!(object["evidence"]["roles"]["root"]["version"].as_u64() >= Some(1), "{object}");
        Given::Digest(object["digest"].as_str().unwrap().to_owned())
    } else {
        assert!(object["digest"].is_null(), "{object}");
        Given::Denied(object["code"].as_str().unwrap().to_owned())
    }
}

/// The roles left out differ from those that the real client leaves out.
fn dropped(case: &Case, object: &Value) -> Option<String> {
    let list = object["dropped_roles"].as_array().unwrap().iter();
    let found: BTreeSet<String> = list.map(|role| role.as_str().unwrap().to_owned()).collect();
    let same = object["evidence"].is_null() || found == case.dropped_roles;
    (!same).then(|| format!("{} leaves out {found:?}, not {:?}", case.name, case.dropped_roles))
}

/// Asks all questions of `case`: its name if one is denied that the real client answers, and what
/// is wrong.
async fn run(
    case: Arc<Case>,
    tls: Arc<LoopbackTls>,
    places: Arc<Semaphore>,
) -> (Option<String>, Vec<String>) {
    let server = NotaryServer::start(&tls).await.unwrap();
    for (path, route) in &case.routes {
        server.set(path, route.clone());
    }
    let laid = Arc::new(lay(&case, &server.url(), tls.ca_pem()));
    let mut wrong = Vec::new();
    let mut stricter = None;
    for query in &case.queries {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let words = laid.ask(&case, query);
        let told = spawn_blocking(move || {
            let told = portreeve_command::check::json(words).unwrap();
            drop(place);
            serde_json::from_str::<Value>(&told).unwrap()
        });
        let told = told.await.unwrap();
        let given = given(&told);
        wrong.extend(difference(&case, query, &given, Held::ToTheVerdict));
        wrong.extend(dropped(&case, &told));
        // What no reference can spell is no stricter rule of ours.
        if spelt(&case, query)
            && matches!((&query.expect, &given), (Expect::Digest(_), Given::Denied(_)))
        {
            stricter = Some(case.name.clone());
        }
    }
    (stricter, wrong)
}

#[test]
fn every_query_of_every_case_comes_out_as_the_real_client_says_or_is_listed_as_stricter() {
    let cases = all_cases().unwrap();
    assert_eq!(cases.len(), CASES);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (stricter, wrong) = runtime.block_on(async {
        let tls = Arc::new(LoopbackTls::new().unwrap());
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut runs = JoinSet::new();
        for case in cases {
            runs.spawn(run(Arc::new(case), Arc::clone(&tls), Arc::clone(&places)));
        }
        let (mut stricter, mut wrong) = (BTreeSet::new(), Vec::new());
        for (more, difference) in runs.join_all().await {
            stricter.extend(more);
            wrong.extend(difference);
        }
        wrong.sort();
        (stricter, wrong)
    });
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let listed: BTreeSet<String> = STRICTER.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stricter, listed, "the list of stricter cases must be neither short nor stale");
}
