//! Credentials: which are shown to whom, in which order, and how often.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_host::credentials::Credentials;
use portreeve_host::notary_client::{Fetcher, FetcherOptions};
use portreeve_host::objects::Directory;
use portreeve_host::owners::OwnerStore;
use portreeve_protocol::messages::notary::{DocumentName, FetchOutcome, FetchRequest};
use portreeve_protocol::{CredentialRef, DenyCode};
use serde_json::{Value, json};

use crate::server::*;

/// What no test wants to see but where it belongs.
const CANARY: &str = "canary-in-the-password";

/// The Secrets of a directory of objects, by name and content of `.dockerconfigjson`.
fn store(secrets: &[(&str, Value)]) -> Credentials {
    filled(secret_objects(secrets))
}

fn secret_objects(secrets: &[(&str, Value)]) -> Vec<Value> {
    let objects = secrets.iter().map(|(name, config)| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": "web"},
            "data": {".dockerconfigjson": STANDARD.encode(config.to_string())}
        })
    });
    objects.collect()
}

fn filled(objects: Vec<Value>) -> Credentials {
    let credentials = Credentials::default();
    fill(&credentials, objects);
    credentials
}

/// Replaces what there is by these objects.
fn fill(credentials: &Credentials, objects: Vec<Value>) {
    let directory = tempfile::tempdir().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(directory.path().join("secrets.json"), list.to_string()).unwrap();
    let mut watched = Directory::new(directory.path()).filling(credentials, &OwnerStore::default());
    let told = format!("{:?}", watched.look());
    assert!(!told.contains(CANARY) && watched.take_warnings().is_empty());
}

/// An entry for `reg.example`.
fn auths(entry: Value) -> Value {
    json!({"auths": {"reg.example": entry}})
}

/// A user whose password is known.
fn user(name: &str) -> Value {
    auths(json!({"username": name, "password": format!("{name}:{CANARY}")}))
}

fn wrong_password(name: &str) -> Value {
    auths(json!({"username": name, "password": format!("wrong {CANARY}")}))
}

/// A trust server with a token server at `/token` that knows every user by the password above, and
/// grants a token of the user's name. Documents are for `readers`; others get 403.
async fn registry(readers: &'static [&'static str]) -> Server {
    Server::start(move |request| {
        let shown = header(request, "authorization");
        if !request.starts_with("GET /token") {
            return match shown.strip_prefix("Bearer ") {
                Some(token) if readers.contains(&token) => ok("{}"),
                Some(_) => status(403, "", ""),
                None => challenge_to_itself(request),
            };
        }
        let Some(basic) = shown.strip_prefix("Basic ") else {
            return ok(r#"{"token":"anybody","expires_in":300}"#);
        };
        let decoded = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
        let (user, password) = decoded.split_once(':').unwrap();
        if password == format!("{user}:{CANARY}") {
            ok(&json!({"token": user, "expires_in": 300}).to_string())
        } else {
            status(401, "WWW-Authenticate: Basic realm=\"users\"\r\n", "")
        }
    })
    .await
}

const TIMESTAMP: &str = "GET /v2/reg.example/app/_trust/tuf/timestamp.json";
const SCOPE: &str = "service=a%20b&scope=repository%3Areg.example%2Fapp%3Apull";

#[tokio::test]
async fn a_credential_is_shown_to_the_token_server_and_its_token_to_the_trust_server() {
    let server = registry(&["alice"]).await;
    let answer = server.ask_with(&store(&[("pull", user("alice"))]), &["pull"]).await;
    assert_eq!(answer.credential, Some(secret("pull")));
    assert_eq!(document(answer.outcome), b"{}");
    let token = format!("GET /token?account=alice&{SCOPE}");
    assert_eq!(server.asked(), [TIMESTAMP, &token, TIMESTAMP]);
    let shown: Vec<_> =
        server.requests().iter().map(|request| header(request, "authorization")).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:alice:{CANARY}")));
    assert_eq!(shown, ["", &basic, "Bearer alice"]);
}

#[tokio::test]
async fn a_401_from_one_credential_tries_the_next() {
    let server = registry(&["alice"]).await;
    let credentials = store(&[
        // Refused by the token server, then by the trust server, then accepted.
        ("a", wrong_password("mallory")),
        ("b", user("bob")),
        ("c", user("alice")),
    ]);
    let answer = server.ask_with(&credentials, &["missing", "a", "b", "c"]).await;
    assert_eq!(answer.credential, Some(secret("c")));
    assert_eq!(document(answer.outcome), b"{}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn when_no_credential_is_accepted_all_that_were_tried_are_named_and_none_is_shown() {
    let server = registry(&["anybody"]).await;
    let credentials = store(&[("a", wrong_password("mallory")), ("b", user("bob"))]);
    let answer = server.ask_with(&credentials, &["a", "b"]).await;
    assert_eq!((&answer.credential, answer.retry_after), (&None, None));
    assert!(!format!("{answer:?}").contains(CANARY));
    let (code, detail) = failed(answer.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    let expected = format!(
        "trust server {}: none of the credentials was accepted: Secret web/a (the token server \
         did not take it), Secret web/b (the trust server did not take it)",
        server.url()
    );
    // And nobody asked as anybody, who would have been let in.
    assert_eq!(detail, expected);
}

#[tokio::test]
async fn it_is_asked_as_anybody_only_where_no_credential_is_for_the_image() {
    let elsewhere = json!({"auths": {"other.example": {"username": "u", "password": CANARY}}});
    let credentials = store(&[("pull", elsewhere)]);
    let open = registry(&["anybody"]).await;
    for names in [&["pull"][..], &["missing"], &[]] {
        let answer = open.ask_with(&credentials, names).await;
        assert_eq!(answer.credential, None);
        assert_eq!(document(answer.outcome), b"{}");
    }
    assert!(open.requests().iter().all(|request| !request.contains("Basic ")));
    let closed = registry(&[]).await;
    let (code, detail) = failed(closed.ask_with(&credentials, &["pull"]).await.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.contains("no credential for the image is in Secret web/pull"), "{detail}");
}

#[tokio::test]
async fn a_server_that_asks_for_nothing_is_shown_nothing() {
    let server = Server::start(|_| ok("{}")).await;
    let answer = server.ask_with(&store(&[("pull", user("alice"))]), &["pull"]).await;
    assert_eq!((answer.credential, document(answer.outcome)), (None, b"{}".to_vec()));
    assert_eq!(header(&server.requests()[0], "authorization"), "");
}

#[tokio::test]
async fn the_secrets_of_a_service_account_are_used_by_its_name() {
    let config = STANDARD.encode(user("alice")["auths"].to_string());
    let credentials = filled(vec![
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockercfg",
            "metadata": {"name": "pull", "namespace": "web"}, "data": {".dockercfg": config}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "builder", "namespace": "web"},
            "imagePullSecrets": [{"name": "gone"}, {"name": "pull"}, {}]}),
    ]);
    let account =
        CredentialRef::ServiceAccount { name: "builder".to_owned(), namespace: "web".to_owned() };
    let server = registry(&["alice"]).await;
    let asked =
        FetchRequest { credentials: vec![account.clone()], ..request_with(&server.url(), &[]) };
    let answer = server.client_with(&credentials).fetch(asked).await;
    assert_eq!((answer.credential, document(answer.outcome)), (Some(account), b"{}".to_vec()));
}

#[tokio::test]
async fn an_identity_token_is_posted_to_the_token_server_for_a_token() {
    let script = |taken: bool| {
        move |request: &str| match (request.starts_with("POST /token"), taken) {
            (true, true) => ok(r#"{"access_token":"given"}"#),
            (true, false) => status(400, "", r#"{"error":"invalid_grant"}"#),
            (false, _) if header(request, "authorization") == "Bearer given" => ok("{}"),
            (false, _) => challenge_to_itself(request),
        }
    };
    let credentials = store(&[("pull", auths(json!({"identitytoken": "a+b/c="})))]);
    let server = Server::start(script(true)).await;
    let answer = server.ask_with(&credentials, &["pull"]).await;
    assert_eq!((answer.credential, document(answer.outcome)), (Some(secret("pull")), b"{}".into()));
    let posted = &server.requests()[1];
    assert_eq!(header(posted, "content-type"), "application/x-www-form-urlencoded");
    let form = posted.split("\r\n\r\n").nth(1).unwrap();
    let expected =
        format!("grant_type=refresh_token&client_id=portreeve&{SCOPE}&refresh_token=a%2Bb%2Fc%3D");
    assert_eq!((server.asked()[1].as_str(), form), ("POST /token", expected.as_str()));
    let refusing = Server::start(script(false)).await;
    let (code, detail) = failed(refusing.ask_with(&credentials, &["pull"]).await.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.contains("Secret web/pull (the token server did not take it)"), "{detail}");
}

#[tokio::test]
async fn a_registry_token_is_shown_as_it_is_and_only_when_it_is_asked_for() {
    let server = Server::start(|request| match header(request, "authorization").as_str() {
        "Bearer ready.made" => ok("{}"),
        _ => challenge_to_itself(request),
    })
    .await;
    let credentials = store(&[("pull", auths(json!({"registrytoken": "ready.made"})))]);
    let answer = server.ask_with(&credentials, &["pull"]).await;
    assert_eq!((answer.credential, document(answer.outcome)), (Some(secret("pull")), b"{}".into()));
    assert_eq!(server.asked(), [TIMESTAMP, TIMESTAMP]);
}

#[tokio::test]
async fn a_token_is_reused_for_its_collection_and_its_credential_until_it_expires() {
    let server = registry(&["alice", "bob"]).await;
    let both = store(&[("a", user("alice")), ("b", user("bob"))]);
    let client = server.client_with(&both);
    let url = server.url();
    let tokens = || server.asked().iter().filter(|line| line.contains("/token")).count();
    let ask = async |gun: &str, names: &[&str]| {
        let gun = format!("reg.example/{gun}");
        let answer = client.fetch(FetchRequest { gun, ..request_with(&url, names) }).await;
        assert_eq!(document(answer.outcome), b"{}");
        answer.credential.unwrap()
    };
    assert_eq!(ask("app", &["a"]).await, secret("a"));
    let release = FetchRequest { document: DocumentName::Root, ..request_with(&url, &["a"]) };
    assert_eq!(document(client.fetch(release).await.outcome), b"{}");
    assert_eq!((tokens(), server.requests().len()), (1, 4));
    // Another collection, another credential.
    ask("other", &["a"]).await;
    assert_eq!(tokens(), 2);
    assert_eq!(ask("app", &["b"]).await, secret("b"));
    assert_eq!(tokens(), 3);
    ask("app", &["b", "a"]).await;
    assert_eq!(tokens(), 3);
    // Another Secret of the same name has another token.
    both.replace(Default::default());
    let closed = client.fetch(request_with(&url, &["a"])).await;
    assert_eq!(failed(closed.outcome).0, DenyCode::Unauthorized);
}

#[tokio::test]
async fn a_refused_password_is_not_tried_again_for_each_collection_and_a_corrected_one_at_once() {
    let server = registry(&["alice", "mallory"]).await;
    let credentials = store(&[("a", wrong_password("mallory"))]);
    let client = server.client_with(&credentials);
    let url = server.url();
    let tokens = || server.asked().iter().filter(|line| line.contains("/token")).count();
    let ask = async |gun: &str| {
        let gun = format!("reg.example/{gun}");
        client.fetch(FetchRequest { gun, ..request_with(&url, &["a"]) }).await.outcome
    };
    for gun in ["app", "other", "third"] {
        let (code, detail) = failed(ask(gun).await);
        assert_eq!(code, DenyCode::Unauthorized);
        assert!(detail.contains("the token server did not take it"), "{detail}");
    }
    assert_eq!(tokens(), 1);
    fill(&credentials, secret_objects(&[("a", user("mallory"))]));
    assert_eq!(document(ask("app").await), b"{}");
    assert_eq!(tokens(), 2);
}

#[tokio::test]
async fn a_token_that_lasts_no_time_is_used_once() {
    let server = Server::start(|request| {
        if request.starts_with("GET /token") {
            ok(r#"{"token":"t","expires_in":0}"#)
        } else if header(request, "authorization").is_empty() {
            challenge_to_itself(request)
        } else {
            ok("{}")
        }
    })
    .await;
    let client = server.client(&[server.url()]);
    for _ in 0..2 {
        assert_eq!(document(client.fetch(request(&server.url())).await.outcome), b"{}");
    }
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced() {
    let serial = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let number = serial.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match request.starts_with("GET /token") {
            true => ok(&json!({"token": format!("t{number}"), "expires_in": 300}).to_string()),
            // The first token is good for one document only.
            false if number >= 3 && header(request, "authorization") == "Bearer t1" => {
                status(401, "", "")
            }
            false if header(request, "authorization").is_empty() => challenge_to_itself(request),
            false => ok("{}"),
        }
    })
    .await;
    let client = server.client_with(&store(&[("pull", user("alice"))]));
    for _ in 0..3 {
        let answer = client.fetch(request_with(&server.url(), &["pull"])).await;
        assert_eq!(document(answer.outcome), b"{}");
    }
    let tokens = server.asked().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_asked_for_at_once_share_one_token() {
    let server = registry(&["alice"]).await;
    let client = server.client_with(&store(&[("pull", user("alice"))]));
    let asking: Vec<_> = (1..=12)
        .map(|version| {
            let document = DocumentName::RootVersion(version);
            let asked = FetchRequest { document, ..request_with(&server.url(), &["pull"]) };
            tokio::spawn(client.fetch(asked))
        })
        .collect();
    for answer in asking {
        assert_eq!(document(answer.await.unwrap().outcome), b"{}");
    }
    let tokens = server.asked().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_password_the_trust_server_asks_for_itself_is_sent_over_tls_only() {
    let script = |request: &str| match header(request, "authorization").as_str() {
        "" => status(401, "WWW-Authenticate: Basic realm=\"users\"\r\n", ""),
        _ => ok("{}"),
    };
    let credentials =
        store(&[("token", auths(json!({"identitytoken": CANARY}))), ("pull", user("alice"))]);
    let secure = Server::start(script).await;
    let client = secure.client_with(&credentials);
    for _ in 0..2 {
        let answer = client.fetch(request_with(&secure.url(), &["token", "pull"])).await;
        let credential = Some(secret("pull"));
        assert_eq!((answer.credential, document(answer.outcome)), (credential, b"{}".into()));
    }
    // The second time it is known what is wanted.
    assert_eq!(secure.requests().len(), 3);
    let plain = Server::listen(false, script).await;
    let (code, detail) = failed(plain.ask_with(&credentials, &["token", "pull"]).await.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.contains("Secret web/pull (a password is sent over TLS only)"), "{detail}");
    assert!(detail.contains("Secret web/token (it is a token, and"), "{detail}");
    assert_eq!(plain.requests().len(), 1);
}

#[tokio::test]
async fn a_token_server_is_asked_without_tls_only_beside_a_trust_server_without() {
    let script = |request: &str| {
        if request.starts_with("GET /token") {
            ok(r#"{"token":"t"}"#)
        } else if header(request, "authorization").is_empty() {
            challenge(&format!("http://{}/token", header(request, "host")))
        } else {
            ok("{}")
        }
    };
    let credentials = store(&[("pull", user("alice"))]);
    let plain = Server::listen(false, script).await;
    let answer = plain.ask_with(&credentials, &["pull"]).await;
    assert_eq!(document(answer.outcome), b"{}");
    let secure = Server::start(script).await;
    let (code, detail) = failed(secure.ask_with(&credentials, &["pull"]).await.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.ends_with("to a URL that is not https"), "{detail}");
    assert_eq!(secure.requests().len(), 1);
}

#[tokio::test]
async fn the_registrys_own_host_may_hand_out_tokens() {
    let realm = Server::start(|_| ok(r#"{"token":"t"}"#)).await;
    let place = format!("https://{}/token", realm.elsewhere());
    let server = Server::start(move |request| match header(request, "authorization").as_str() {
        "" => challenge(&place),
        _ => ok("{}"),
    })
    .await;
    let config = json!({"auths": {"localhost:5000": {"username": "u", "password": "p"}}});
    let options = FetcherOptions {
        approved: BTreeSet::from([server.url()]),
        credentials: store(&[("pull", config)]),
        ..Default::default()
    };
    let client = client(&[&server, &realm], options);
    let asked = FetchRequest {
        gun: "localhost:5000/app".to_owned(),
        ..request_with(&server.url(), &["pull"])
    };
    let answer = client.fetch(asked).await;
    assert_eq!((answer.credential, document(answer.outcome)), (Some(secret("pull")), b"{}".into()));
    // Of another registry it may not.
    let (code, detail) = failed(client.fetch(request_with(&server.url(), &["pull"])).await.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(detail.contains("which no --allow-realm names"), "{detail}");
    assert_eq!(realm.requests().len(), 1);
}

#[tokio::test]
async fn status_codes_are_numbers() {
    let credentials = store(&[("a", user("alice")), ("b", user("bob"))]);
    for (number, code) in
        [(500, DenyCode::ServerError), (400, DenyCode::ServerError), (4_01, DenyCode::Unauthorized)]
    {
        let server = Server::start(move |_| {
            status(number, "X-Status: 401\r\n", "401 Unauthorized, 403 Forbidden, 200 OK")
        })
        .await;
        let (found, detail) = failed(server.ask_with(&credentials, &["a", "b"]).await.outcome);
        assert_eq!(found, code, "{detail}");
        // What was written into the body leads to no other attempt.
        assert_eq!(server.requests().len(), 1);
    }
    let absent = Server::start(|_| status(404, "", "401 Unauthorized")).await;
    let answer = absent.ask_with(&credentials, &["a", "b"]).await;
    assert_eq!(answer.outcome, FetchOutcome::Absent);
}

#[test]
fn dockers_own_file_is_read_and_its_helpers_are_named_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let config = json!({
        "auths": {"reg.example": {"auth": "dTpw"}},
        "credHelpers": {"cloud.example": "no-such-helper"}
    });
    let credentials = Credentials::default();
    let read = || credentials.add_file("web", "file", &file);
    assert!(read().unwrap_err().to_string().starts_with("cannot read "));
    std::fs::write(&file, CANARY).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("not the JSON of docker's credentials") && !error.contains(CANARY));
    std::fs::write(&file, config.to_string()).unwrap();
    let warnings = read().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("cloud.example: "), "{warnings:?}");
    assert_eq!(format!("{credentials:?}"), "Credentials(..)");
}
