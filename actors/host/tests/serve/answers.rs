//! What is answered, and what the journal and metrics say of it.

use std::fs;
use std::path::Path;

use http::{Request, StatusCode};
use http_body_util::Full;
use portreeve_protocol::limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rig::{
    Fixture, PATIENCE, POLICY, fixture, get, http1, journal, pod, post, read, review, write,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_decided_journaled_and_answered_with_the_hash_of_its_record() {
    let fixture = fixture(Some(POLICY), None).await;
    let allowed = fixture.response(&pod("u-allow", "registry.example/app:1")).await;
    assert_eq!((&allowed["uid"], &allowed["allowed"]), (&json!("u-allow"), &json!(true)));
    let denied = fixture.response(&pod("u-deny", "elsewhere.example/app:1")).await;
    assert_eq!(denied["allowed"], json!(false));
    assert_eq!(denied["status"]["code"], json!(403));
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(message.contains("no-policy"), "{message}");
    let records = [&allowed, &denied]
        .map(|response| response["auditAnnotations"]["record"].as_str().unwrap().to_owned());
    let Fixture { running, files, .. } = fixture;
    running.shutdown().await.unwrap();
    let journal = journal(files.path());
    for record in records {
        assert!(journal.contains(&format!("{{\"hash\":\"{record}\",")), "{record}");
    }
    assert_eq!(journal.matches("\"Answered\"").count(), 2);
    assert!(!journal.contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_object_is_denied_with_http_200_and_its_reason() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut review = pod("u-1", "registry.example/app:1");
    review["request"]["object"]["spec"]["containers"] = json!("none");
    let response = fixture.response(&review).await;
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("`request.object.spec.containers` is not a list"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_legible_uid_get_a_status_that_says_what_is_wrong() {
    let fixture = fixture(Some(POLICY), None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let plain = Request::post("/admit").header("Content-Type", "text/plain");
    let plain = plain.body(Full::from(body.clone())).unwrap();
    let large = vec![b' '; limits::REVIEW_BYTES + 1];
    let no_review = "the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1\n";
    for (request, status, expected) in [
        (review("{"), StatusCode::BAD_REQUEST, "the body is not JSON: line 1, column 1\n"),
        (review(""), StatusCode::BAD_REQUEST, "the body is empty; a review is sent in it\n"),
        (review("{}"), StatusCode::BAD_REQUEST, no_review),
        (review("[]"), StatusCode::BAD_REQUEST, no_review),
        (review(large), StatusCode::PAYLOAD_TOO_LARGE, "a review may have 8388608 bytes\n"),
        (
            plain,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a review is sent as Content-Type application/json\n",
        ),
        (get("/admit"), StatusCode::METHOD_NOT_ALLOWED, "use POST\n"),
        (
            get("/"),
            StatusCode::NOT_FOUND,
            "reviews go to /admit and /validate; see also /livez, /readyz, /metrics\n",
        ),
        (post("/livez"), StatusCode::METHOD_NOT_ALLOWED, "use GET, HEAD\n"),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(fixture.send(request).await, (status, expected.to_owned()), "{what}");
    }
    let parameters =
        Request::post("/admit").header("Content-Type", "Application/JSON; charset=utf-8");
    let (status, _) = fixture.send(parameters.body(Full::from(body)).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_throughout_is_denied_by_the_uid_that_can_be_read() {
    let fixture = fixture(Some(POLICY), None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let mut bytes = body.clone().into_bytes();
    let image = body.find("registry.example").unwrap();
    bytes[image] = 0xff;
    let surrogate = body.replace("registry.example", "registry\\ud800example");
    assert_ne!(surrogate, body);
    for sent in [bytes, surrogate.into_bytes(), format!("{body} x").into_bytes()] {
        let answer = fixture.answer(sent).await;
        let response = &answer["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains("the body is not JSON: line 1"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_is_too_long_or_breaks_off_is_denied_by_the_uid_it_begins_with() {
    let fixture = fixture(Some(POLICY), None).await;
    // As API servers write it: the uid before all else.
    let body = concat!(
        r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"#,
        r#""uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE","#,
        r#""object":{"x":"#,
    );
    let long = format!("{body}\"{}\"}}}}}}", "x".repeat(limits::REVIEW_BYTES + 1));
    let odd = format!("{body}NaN}}}}}}");
    for (sent, why) in [
        (long.as_str(), "a review may have 8388608 bytes"),
        (odd.as_str(), "the body is not JSON"),
        (&body[..body.len() - 30], "the body is not JSON"),
    ] {
        let answer = fixture.answer(sent.to_owned()).await;
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1beta1");
        let response = &answer["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains(why) && message.contains("review-malformed"), "{message}");
    }
    for ambiguous in [
        r#"{"request":{"uid":"u-1","uid":"u-1","#,
        r#"{"request":{"uid":"u-1"},"request":{"uid":"u-2""#,
        r#"{"request":{"u"#,
        r#"["#,
    ] {
        let (status, text) = fixture.admit(ambiguous).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_could_be_of_two_operations_or_kinds_is_exempt_by_neither() {
    let fixture = fixture(Some(POLICY), None).await;
    let text = pod("u-1", "elsewhere.example/app:1").to_string();
    let of = |from: &str, to: &str| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    };
    let create = r#""operation":"CREATE""#;
    let status = format!(r#"{create},"subResource":"status""#);
    for body in [
        of(create, r#""operation":"CREATE","operation":"DELETE""#),
        of(create, &format!(r#"{status},"x":1,"x":2,"operation":"CONNECT""#)),
        of(create, &format!(r#""subResource":"x",{status}"#)),
        of(create, r#""operation":"FROB","subResource":"status""#),
        of(r#""kind":"Pod""#, r#""kind":"Pod","kind":"Eviction""#)
            .replace(r#""group":"""#, r#""group":"policy""#),
        of(create, &status).replace(r#""kind":{"group":"","kind":"Pod","version":"v1"},"#, ""),
    ] {
        let answer = fixture.answer(body.clone()).await;
        assert_eq!(answer["response"]["allowed"], json!(false), "{body}");
        assert!(answer.to_string().contains("review-malformed"), "{answer} to {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_the_right_one_in_the_header() {
    let fixture = fixture(Some(POLICY), None).await;
    for (request, allowed) in [(get("/admit"), "POST"), (post("/readyz"), "GET, HEAD")] {
        let stream = fixture.connect(b"http/1.1", true).await;
        let mut sender = http1(stream).await;
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_of_an_unknown_version_or_none_is_denied_where_its_uid_can_be_read() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut newer = pod("u-1", "registry.example/app:1");
    newer["apiVersion"] = json!("admission.k8s.io/v2");
    let mut stranger = pod("u-1", "registry.example/app:1");
    stranger["kind"] = json!("TokenReview");
    let bare = json!({"request": {"uid": "u-1"}});
    for review in [newer, stranger, bare] {
        let response = fixture.response(&review).await;
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        let message = response["status"]["message"].as_str().unwrap();
        let why = "the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1";
        assert!(message.contains(why) && message.contains("review-malformed"), "{message}");
    }
    assert!(fixture.journal().contains("review-malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_review_is_answered_with_its_uid_over_one_kept_connection() {
    let fixture = fixture(Some(POLICY), None).await;
    let stream = fixture.connect(b"http/1.1", false).await;
    let mut sender = http1(stream).await;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/admission-reviews");
    let mut answered = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = fs::read(&path).unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        sender.ready().await.unwrap();
        let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["apiVersion"], asked["apiVersion"]);
        assert_eq!(answer["response"]["uid"], asked["request"]["uid"]);
        let deletion = asked["request"]["operation"] == "DELETE";
        assert!(!deletion || answer["response"]["allowed"] == true, "{}", path.display());
        answered += 1;
    }
    assert_eq!(answered, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_legible_objects_the_server_lives_is_not_ready_and_denies() {
    let fixture = fixture(Some("kind: ["), None).await;
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK);
    let (status, text) = fixture.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "not ready\nthe policies have not been read yet\n");
    let denied = fixture.response(&pod("u-1", "registry.example/app:1")).await;
    assert_eq!(denied["allowed"], json!(false));
    write(&fixture.files.path().join("objects"), "policy.yaml", POLICY);
    tokio::time::timeout(PATIENCE, fixture.running.ready()).await.unwrap();
    assert_eq!(fixture.get("/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    let allowed = fixture.response(&pod("u-2", "registry.example/app:1")).await;
    assert_eq!(allowed["allowed"], json!(true));
    assert!(fixture.journal().contains("WatchLost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_on_both_listeners_and_reviews_only_on_one() {
    let fixture = fixture(Some(POLICY), None).await;
    fixture.response(&pod("u-1", "registry.example/app:1")).await;
    let (status, text) = fixture.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.ends_with("# EOF\n") && text.contains("portreeve_"), "{text}");
    let address = fixture.running.metrics_address().unwrap();
    for (path, expected) in [("/metrics", "200"), ("/readyz", "200"), ("/admit", "404")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path}: {answer}");
    }
}
