//! What the webhook reads from AdmissionReviews, and what it writes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use portreeve_host::node::Answer;
use portreeve_host::seals::Sealer;
use portreeve_host::webhook::{Circumstances, Unreadable, decided, parse};
use portreeve_protocol::decision::Verified;
use portreeve_protocol::messages::admission::{
    ContainerList, GroupKind, ImageFact, Operation, OwnerFact, Peer, ReviewFacts, ReviewPath,
    ReviewVersion,
};
use portreeve_protocol::{
    Admitted, ContainerVerdict, Decision, Denial, DenyCode, Proof, Sha256, Verdict, limits,
};
use serde_json::{Value, json};

fn circumstances() -> Circumstances {
    let peer = Peer { address: "192.0.2.7".to_owned(), authenticated: true };
    Circumstances { budget: 9_000_000, path: ReviewPath::Admit, peer, sealer: Sealer::default() }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/admission-reviews")
}

fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(corpus().join(format!("{name}.json"))).unwrap()
}

fn read(name: &str) -> ReviewFacts {
    parse(&recorded(name), circumstances()).unwrap()
}

fn parse_value(review: &Value) -> Result<ReviewFacts, Unreadable> {
    parse(review.to_string().as_bytes(), circumstances())
}

fn image(list: ContainerList, pointer: &str, container: &str, image: &str) -> ImageFact {
    ImageFact { container: container.into(), image: image.into(), list, pointer: pointer.into() }
}

fn pod(spec: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "shop",
            "operation": "CREATE",
            "object": {"metadata": {"name": "p"}, "spec": spec}
        }
    })
}

/// Every string under a member named `image`, with its pointer.
fn images_in(value: &Value, at: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}/{name}");
                if let (Value::String(text), "image") = (member, name.as_str()) {
                    found.insert(at, text.clone());
                } else {
                    images_in(member, &at, found);
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                images_in(element, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_image_of_every_recorded_review_is_found_at_its_pointer() {
    let mut reviews = 0;
    for folder in [corpus(), corpus().join("second-run")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            reviews += 1;
            let body = std::fs::read(&path).unwrap();
            let tree: Value = serde_json::from_slice(&body).unwrap();
            let facts = parse(&body, circumstances()).unwrap();
            assert_eq!(facts.malformed, None, "{}", path.display());
            assert_eq!(tree["request"]["uid"], json!(facts.uid), "{}", path.display());
            for (member, images) in [("object", &facts.images), ("oldObject", &facts.old_images)] {
                let mut expected = BTreeMap::new();
                let spec = tree["request"][member].get("spec").unwrap_or(&Value::Null);
                images_in(spec, "/spec", &mut expected);
                let found: BTreeMap<_, _> = images
                    .iter()
                    .map(|it| (it.pointer.to_string(), it.image.to_string()))
                    .collect();
                assert_eq!(found, expected, "{member} of {}", path.display());
            }
        }
    }
    assert_eq!(reviews, 46);
}

#[test]
fn an_object_without_metadata_has_no_place_for_a_seal() {
    let key = tempfile::tempdir().unwrap();
    let key = key.path().join("seal.key");
    portreeve_host::seals::make_key(&key).unwrap();
    let sealer = Sealer::default();
    sealer.replace(portreeve_host::seals::KeyFile::at(&key).read().unwrap());
    let sealing = |review: &Value| {
        let circumstances = Circumstances { sealer: sealer.clone(), ..circumstances() };
        parse(review.to_string().as_bytes(), circumstances).unwrap().sealing
    };
    let mut review = pod(&json!({"containers": [{"name": "a", "image": "x"}]}));
    assert!(sealing(&review));
    let object = review["request"]["object"].as_object_mut().unwrap();
    object["metadata"] = Value::Null;
    assert!(!sealing(&review), "a patch cannot add to what is not there");
    review["request"]["object"].as_object_mut().unwrap().remove("metadata");
    assert!(!sealing(&review));
}

#[test]
fn a_recorded_deployment_is_reduced_to_its_facts() {
    let at = "/spec/template/spec";
    let expected = ReviewFacts {
        annotated: true,
        budget: 9_000_000,
        dry_run: false,
        images: vec![
            image(
                ContainerList::Init,
                &format!("{at}/initContainers/0/image"),
                "migrate",
                "registry.example/shop/migrate:2.0.0",
            ),
            image(
                ContainerList::Main,
                &format!("{at}/containers/0/image"),
                "app",
                "registry.example/shop/web:2.0.0",
            ),
            image(
                ContainerList::Main,
                &format!("{at}/containers/1/image"),
                "metrics",
                "docker.io/prom/statsd-exporter:v0.22.4",
            ),
        ],
        kind: GroupKind {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            version: "v1".to_owned(),
        },
        malformed: None,
        name: "web".to_owned(),
        namespace: "default".to_owned(),
        old_images: Vec::new(),
        old_seal: Default::default(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "192.0.2.7".to_owned(), authenticated: true },
        pull_secrets: Vec::new(),
        seal: Default::default(),
        sealing: false,
        service_account: "default".to_owned(),
        sub_resource: None,
        uid: "f84dc9d7-3e80-415b-8069-96c8b455281c".to_owned(),
        user: "admin".to_owned(),
        version: ReviewVersion::V1,
    };
    assert_eq!(read("002-create-deployment-web"), expected);
}

#[test]
fn a_recorded_child_pod_has_its_owner_and_a_generated_name() {
    let facts = read("030-create-pod-nightly-1795410480-GEN");
    assert_eq!(facts.name, "nightly-1795410480-*");
    assert_eq!(facts.user, "system:serviceaccount:kube-system:job-controller");
    let owner = OwnerFact {
        api_version: "batch/v1".to_owned(),
        controller: true,
        kind: "Job".to_owned(),
        name: "nightly-1795410480".to_owned(),
        uid: "e688bab7-16f5-458e-b600-c01d5fc125b3".to_owned(),
    };
    assert_eq!(facts.owners, [owner]);
}

#[test]
fn a_recorded_update_and_deletion_have_the_images_of_the_old_object() {
    let update = read("022-update-pod-db-0");
    assert_eq!((update.operation, update.images.len()), (Operation::Update, 1));
    assert_eq!(update.images, update.old_images);
    let deletion = read("027-delete-pod-bare");
    assert_eq!(deletion.operation, Operation::Delete);
    assert!(deletion.images.is_empty());
    let reference = "docker.io/library/nginx:1.25@sha256:\
        b07c1fa29c8dc936d6db6891b04d7647d88ecb270969a682be1b6e033134f8b3";
    let old = image(ContainerList::Main, "/spec/containers/0/image", "bare", reference);
    assert_eq!(deletion.old_images, [old]);
}

#[test]
fn a_recorded_dry_run_a_cron_job_and_a_scale_are_told_as_what_they_are() {
    assert!(read("001-create-pod-dryrun-probe").dry_run);
    let cron = read("009-create-cronjob-nightly");
    assert_eq!(
        cron.images[0].pointer,
        "/spec/jobTemplate/spec/template/spec/containers/0/image".into()
    );
    assert_eq!(cron.service_account, "");
    let scale = read("second-run/011-update-scale-scale-web");
    assert_eq!(scale.sub_resource.as_deref(), Some("scale"));
    assert!(scale.images.is_empty() && scale.malformed.is_none());
}

#[test]
fn all_four_lists_of_a_pod_are_read_in_order() {
    let facts = parse_value(&pod(&json!({
        "volumes": [{"name": "plain"}, {"name": "model", "image": {"reference": "v/m:1"}}],
        "ephemeralContainers": [{"name": "debug", "image": "e/d:1"}],
        "containers": [{"name": "a", "image": "c/a\u{2028}"}, {"name": "none"}],
        "initContainers": null,
        "imagePullSecrets": [{"name": "one"}, {}, {"name": "two"}],
        "serviceAccountName": "builder",
        "serviceAccount": "old"
    })))
    .unwrap();
    let expected = [
        image(ContainerList::Main, "/spec/containers/0/image", "a", "c/a\u{2028}"),
        image(ContainerList::Main, "/spec/containers/1/image", "none", ""),
        image(ContainerList::Ephemeral, "/spec/ephemeralContainers/0/image", "debug", "e/d:1"),
        image(ContainerList::Volume, "/spec/volumes/1/image/reference", "model", "v/m:1"),
    ];
    assert_eq!(facts.images, expected);
    assert_eq!(facts.pull_secrets, ["one", "two"]);
    assert_eq!(facts.service_account, "builder");
    assert_eq!(facts.malformed, None);
}

#[test]
fn ephemeral_containers_are_read_from_the_new_and_the_old_kind() {
    let mut review = pod(&json!({"ephemeralContainers": [{"name": "d", "image": "e"}]}));
    review["request"]["subResource"] = json!("ephemeralcontainers");
    review["request"]["operation"] = json!("UPDATE");
    assert_eq!(parse_value(&review).unwrap().images.len(), 1);
    review["request"]["kind"]["kind"] = json!("EphemeralContainers");
    review["request"]["object"] = json!({"ephemeralContainers": [{"name": "d", "image": "e"}]});
    let facts = parse_value(&review).unwrap();
    let expected = image(ContainerList::Ephemeral, "/ephemeralContainers/0/image", "d", "e");
    assert_eq!(facts.images, [expected]);
}

#[test]
fn a_v1beta1_review_is_read_and_remembered_as_such() {
    let mut review = pod(&json!({"containers": []}));
    review["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_eq!(parse_value(&review).unwrap().version, ReviewVersion::V1Beta1);
}

#[test]
fn what_is_wrong_with_an_object_is_said_by_path_and_never_by_value() {
    for (spec, fault) in [
        (json!({"containers": "s3cret"}), "`request.object.spec.containers` is not a list"),
        (json!({"containers": ["s3cret"]}), "`request.object.spec.containers[0]` is not an object"),
        (
            json!({"containers": [{"image": {"s3cret": 1}}]}),
            "`request.object.spec.containers[0].image` is not a string",
        ),
        (
            json!({"volumes": [{"image": {"reference": 7}}]}),
            "`request.object.spec.volumes[0].image.reference` is not a string",
        ),
        (json!("s3cret"), "`request.object.spec` is not an object"),
    ] {
        let facts = parse_value(&pod(&spec)).unwrap();
        assert_eq!(facts.malformed.as_deref(), Some(fault));
        assert_eq!((facts.uid.as_str(), facts.namespace.as_str()), ("u-1", "shop"));
    }
}

#[test]
fn a_doubled_member_is_refused_where_it_is_read() {
    let body = pod(&json!({"containers": [{"name": "a", "image": "b"}]})).to_string();
    let twice = body.replace(r#""image":"b""#, r#""image":"b","image":"c""#);
    let facts = parse(twice.as_bytes(), circumstances()).unwrap();
    let fault = "`request.object.spec.containers[0].image` stands twice";
    assert_eq!(facts.malformed.as_deref(), Some(fault));
    let twice = body.replace(r#""uid":"u-1""#, r#""uid":"u-1","uid":"u-2""#);
    let refused = parse(twice.as_bytes(), circumstances());
    assert_eq!(refused, Err(Unreadable("`request.uid` stands twice in the body".to_owned())));
}

#[test]
fn a_missing_object_kind_or_operation_is_malformed() {
    for (member, fault) in [
        ("object", "`request.object` is missing"),
        ("kind", "`request.kind` is missing"),
        ("operation", "`request.operation` is none of CREATE, UPDATE, DELETE and CONNECT"),
    ] {
        let mut review = pod(&json!({"containers": []}));
        review["request"].as_object_mut().unwrap().remove(member);
        assert_eq!(parse_value(&review).unwrap().malformed.as_deref(), Some(fault));
    }
    let mut review = pod(&Value::Null);
    review["request"]["object"]["spec"] = Value::Null;
    let fault = "`request.object` has no /spec";
    assert_eq!(parse_value(&review).unwrap().malformed.as_deref(), Some(fault));
}

#[test]
fn null_is_read_as_no_text_as_go_reads_it() {
    let mut review = pod(&json!({"containers": [{"name": "c", "image": "nginx"}]}));
    review["request"]["kind"]["group"] = Value::Null;
    let owner = json!({"apiVersion": null, "kind": "X", "name": "x", "uid": null});
    review["request"]["object"]["metadata"] = json!({"ownerReferences": [owner]});
    let facts = parse_value(&review).unwrap();
    assert_eq!((facts.malformed, facts.kind.group.as_str()), (None, ""));
    assert_eq!((facts.owners[0].kind.as_str(), facts.owners[0].uid.as_str()), ("X", ""));
}

#[test]
fn an_odd_object_of_a_kind_without_images_is_not_malformed() {
    let mut review = pod(&json!({"containers": "of another kind"}));
    review["request"]["kind"] = json!({"group": "example.com", "version": "v1", "kind": "Ship"});
    let facts = parse_value(&review).unwrap();
    assert_eq!((facts.malformed, facts.images), (None, Vec::new()));
    assert_eq!(facts.kind.kind, "Ship");
}

#[test]
fn without_a_legible_uid_there_is_no_review() {
    let mut nameless = pod(&json!({}));
    nameless["request"]["uid"] = json!(7);
    let mut empty = pod(&json!({}));
    empty["request"]["uid"] = json!("");
    let mut long = pod(&json!({}));
    long["request"]["uid"] = json!("x".repeat(257));
    let mut unknown = pod(&json!({}));
    unknown["apiVersion"] = json!("admission.k8s.io/v2");
    for review in [nameless, empty, long, unknown, json!([]), json!({"kind": "AdmissionReview"})] {
        assert!(parse_value(&review).is_err(), "{review}");
    }
    let cut = recorded("026-create-pod-bare");
    let refused = parse(&cut[..cut.len() / 2], circumstances());
    assert!(refused.is_err_and(|Unreadable(why)| why.starts_with("the body is not JSON: line 1")));
}

/// RFC 8259, section 8.1.
#[test]
fn what_is_not_utf_8_is_not_json_even_where_it_is_not_read() {
    let body = pod(&json!({"containers": [], "hostname": "unread"})).to_string();
    assert!(parse(body.as_bytes(), circumstances()).is_ok());
    let unread = body.find("unread").unwrap();
    let mut bytes = body.into_bytes();
    bytes[unread] = 0xff;
    let refused = parse(&bytes, circumstances());
    assert!(refused.is_err_and(|Unreadable(why)| why.starts_with("the body is not JSON: line 1")));
}

#[test]
fn what_was_too_many_or_too_long_stays_so() {
    let many = vec![json!({"name": "c", "image": "i"}); limits::REVIEW_IMAGES + 50];
    let facts = parse_value(&pod(&json!({"containers": many}))).unwrap();
    assert_eq!(facts.images.len(), limits::REVIEW_IMAGES + 1);
    let long = "é".repeat(limits::REFERENCE_BYTES);
    let facts = parse_value(&pod(&json!({"containers": [{"image": long}]}))).unwrap();
    assert!(facts.images[0].image.len() > limits::REFERENCE_BYTES);
    assert!(facts.images[0].image.len() < limits::REFERENCE_BYTES + 8);
}

#[test]
fn a_seal_that_is_no_text_is_named() {
    let mut review = pod(&json!({"containers": []}));
    review["request"]["object"]["metadata"] =
        json!({"annotations": {"portreeve.dev/admission": 5}});
    let fault = "`request.object.metadata.annotations.portreeve.dev/admission` is not a string";
    assert_eq!(parse_value(&review).unwrap().malformed.as_deref(), Some(fault));
}

#[test]
fn a_list_in_the_place_of_an_object_is_malformed_and_its_entries_are_not_taken_for_members() {
    let mut listed = pod(&json!({}));
    listed["request"]["kind"] = json!(["", "Pod", "v1"]);
    for (review, fault) in [
        (pod(&json!([])), "`request.object.spec` is not an object"),
        (
            pod(&json!({"containers": [["free.example/a", "c"]]})),
            "`request.object.spec.containers[0]` is not an object",
        ),
        (listed, "`request.kind` is not an object"),
    ] {
        let facts = parse_value(&review).unwrap();
        assert_eq!(facts.malformed.as_deref(), Some(fault), "{review}");
        assert_eq!(facts.images, []);
    }
}

fn pinned() -> ContainerVerdict {
    let pointer = "/spec/containers/0/image".to_owned();
    let verified = Verified {
        digest: Sha256::of(b"image"),
        evidence: Proof::named(Sha256::ZERO),
        pinned: true,
        released_by: "targets".into(),
        server: "https://notary.example".into(),
        signers: Vec::new(),
    };
    ContainerVerdict {
        container: "main".into(),
        image: "nginx:1".into(),
        pointer: pointer.into(),
        rules: Vec::new().into(),
        verdict: Verdict::Allowed(Admitted::Verified(Box::new(verified))),
    }
}

fn decision(allowed: bool) -> Decision {
    let denial = Denial::new(DenyCode::TagNotSigned, "docker.io/library/nginx has no tag 1");
    Decision {
        seal: None,
        allowed,
        audit: BTreeMap::from([("images".to_owned(), "1".to_owned())]),
        denial: (!allowed).then_some(denial),
        message: if allowed { String::new() } else { "tag-not-signed: no \"tag\" 1".to_owned() },
        bundle: None,
        policy_revision: 1,
        review: "n/1/admission/1".parse().unwrap(),
        uid: "u-\"1".to_owned(),
        verdicts: vec![pinned()],
        warnings: vec!["first use".to_owned()],
    }
}

fn written(version: ReviewVersion, decision: Decision, record: Option<Sha256>) -> Value {
    let answer = Answer { decision: Arc::new(decision), record };
    serde_json::from_slice(&decided(version, &answer, None).unwrap()).unwrap()
}

#[test]
fn an_allow_carries_its_patch_in_base64_and_the_hash_of_its_record() {
    let record = Sha256::of(b"record");
    let pinned = format!("nginx:1@{}", Sha256::of(b"image").to_oci());
    let place = "/spec/containers/0/image";
    let patch = format!(r#"[{{"op":"replace","path":"{place}","value":"{pinned}"}}]"#);
    let expected = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u-\"1",
            "allowed": true,
            "patch": base64::engine::general_purpose::STANDARD.encode(patch),
            "patchType": "JSONPatch",
            "auditAnnotations": {
                "digests": format!("main={}", Sha256::of(b"image").to_oci()),
                "event": "n/1/admission/1",
                "images": "1",
                "record": record.to_hex()
            },
            "warnings": ["first use"]
        }
    });
    assert_eq!(written(ReviewVersion::V1, decision(true), Some(record)), expected);
}

#[test]
fn a_denial_carries_status_403_and_never_a_patch() {
    let expected = json!({
        "apiVersion": "admission.k8s.io/v1beta1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u-\"1",
            "allowed": false,
            "status": {
                "code": 403, "message": "tag-not-signed: no \"tag\" 1", "reason": "Forbidden"
            },
            "auditAnnotations": {
                "digests": format!("main={}", Sha256::of(b"image").to_oci()),
                "event": "n/1/admission/1",
                "images": "1"
            },
            "warnings": ["first use"]
        }
    });
    assert_eq!(written(ReviewVersion::V1Beta1, decision(false), None), expected);
}

#[test]
fn a_denial_without_message_says_its_code_and_a_long_one_is_cut() {
    let silent = Decision { message: String::new(), ..decision(false) };
    let answer = written(ReviewVersion::V1, silent, None);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("tag-not-signed: docker.io/library/nginx has no tag 1. "));
    let long = Decision { message: "ö".repeat(limits::MESSAGE_BYTES), ..decision(false) };
    let answer = written(ReviewVersion::V1, long, None);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert_eq!(message.len(), limits::MESSAGE_BYTES);
}
