//! Cases of the corpus through the whole product: a lab server serves them, a real node judges them
//! at their time, and an AdmissionReview over HTTPS asks each of their questions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use portreeve_host::clock::Clock;
use portreeve_lab::{LoopbackTls, NotaryServer};
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_tests::corpus::{Case, all_cases, cases, stranger};
use portreeve_tests::node::{Ended, TestNode, approving};
use portreeve_tests::review::{Outcome, pod};
use portreeve_tests::verdict::{Given, Held, difference};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Nodes that run at once; each has threads of its own.
const AT_ONCE: usize = 3;

/// The namespace whose one policy asks for just these signers.
fn namespace(signers: &BTreeSet<String>) -> String {
    let names: Vec<&str> = signers.iter().map(String::as_str).collect();
    if names.is_empty() { "any-signer".to_owned() } else { format!("by-{}", names.join("-")) }
}

/// Policies and Secrets for every set of signers that the case asks about.
fn objects(case: &Case, server: &str) -> String {
    let sets: BTreeSet<&BTreeSet<String>> =
        case.queries.iter().map(|query| &query.signers).collect();
    let mut yaml = String::new();
    for signers in sets {
        let namespace = namespace(signers);
        let names: Vec<String> = signers.iter().map(|name| format!("{{name: {name}}}")).collect();
        write!(
            yaml,
            "---\napiVersion: portieris.cloud.ibm.com/v1\nkind: ImagePolicy\n\
             metadata: {{name: policy, namespace: {namespace}}}\nspec:\n  repositories:\n  \
             - name: \"{}\"\n    policy:\n      trust:\n        enabled: true\n        \
             trustServer: \"{server}\"\n        signerSecrets: [{}]\n",
            case.gun,
            names.join(", ")
        )
        .expect("a string takes everything");
        for name in signers {
            // Whoever has no key in the collection has some key all the same.
            let pem = case
                .signers
                .get(name)
                .cloned()
                .unwrap_or_else(|| stranger().expect("a key is made"));
            let key = pem.trim_end().replace('\n', "\n    ");
            write!(
                yaml,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: \
                 {namespace}}}\ntype: Opaque\nstringData:\n  name: {name}\n  publicKey: |\n    \
                 {key}\n",
            )
            .expect("a string takes everything");
        }
    }
    yaml
}

/// What is wrong with the journal of a case's node, if anything is.
fn replay(case: &Case, ended: &Ended) -> Option<String> {
    let journal = ended.journal().expect("there is a journal");
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).expect("it can be read");
    let decided = usize::try_from(report.decisions).ok();
    let same = report.outcome() == Replayed::Identical && decided == Some(case.queries.len());
    (!same).then(|| format!("{} replays otherwise: {report:?}", case.name))
}

/// Asks all questions of `case`; returns those that are answered otherwise than expected.
async fn run(case: &Case, tls: &LoopbackTls, held: Held) -> Vec<String> {
    let server = NotaryServer::start(tls).await.expect("the lab serves");
    for (path, route) in &case.routes {
        server.set(path, route.clone());
    }
    let url = server.url();
    let clock = Clock::showing(case.evaluation_time);
    let node = TestNode::start(tls, &objects(case, &url), approving([url.as_str()]), clock)
        .await
        .expect("the node starts");
    let mut differences = Vec::new();
    for (index, query) in case.queries.iter().enumerate() {
        let image = format!("{}:{}", case.gun, query.tag);
        let review = pod(&format!("{}-{index}", case.name), &namespace(&query.signers), &image);
        let outcome = node.review(&review).await.expect("the node answers");
        let given = match &outcome {
            Outcome::Allowed { .. } => {
                let pinned = outcome.image(&image).unwrap_or_default();
                Given::Digest(pinned.replacen(&format!("{image}@"), "", 1))
            }
            Outcome::Denied { code, .. } => Given::Denied(code.clone()),
        };
        differences.extend(difference(case, query, &given, held));
    }
    let ended = node.end().await.expect("the node ends");
    differences.extend(replay(case, &ended));
    differences
}

/// Runs cases side by side, a bounded number at a time.
fn agree(cases: Vec<Case>, held: Held) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let differences = runtime.block_on(async {
        let tls = Arc::new(LoopbackTls::new().expect("certificates are made"));
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut runs = JoinSet::new();
        for case in cases {
            let (tls, places) = (Arc::clone(&tls), Arc::clone(&places));
            runs.spawn(async move {
                let _place = places.acquire().await.expect("places are never closed");
                run(&case, &tls, held).await
            });
        }
        let mut all: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
        all.sort();
        all
    });
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

#[test]
fn good_cases_of_plain_signers_and_tags_come_out_as_the_real_client_says() {
    let cases = cases("good", &["plain", "signers", "tags"]).expect("the corpus can be read");
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.first_contact).collect();
    assert!(cases.len() >= 6, "only {} cases were found", cases.len());
    assert!(cases.iter().map(|case| case.queries.len()).sum::<usize>() > 40);
    agree(cases, Held::ToTheWord);
}

#[test]
fn no_case_is_admitted_that_the_real_client_refuses_and_none_with_another_digest() {
    let cases = all_cases().expect("the corpus can be read");
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.first_contact).collect();
    assert!(cases.len() > 150, "only {} cases were found", cases.len());
    agree(cases, Held::ToTheVerdict);
}
