//! What must hold of answers whatever comes: order never matters, a second pass changes nothing,
//! and spelling decides nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use portreeve_protocol::messages::admission::ReviewPath;
use portreeve_protocol::{Decision, Verdict};
use portreeve_tests::stage::{Controllers, Script, Stage, Told};
use proptest::prelude::*;
use serde_json::{Value, json};

const IMAGES: &[&str] = &[
    "registry.example/app:1",
    "registry.example/app",
    "registry.example/init:1",
    "registry.example/unsigned:1",
    "registry.example/app:9",
    "registry.example/down:1",
    "docker.io/prom/statsd-exporter:v0.22.4",
    "postgres:13",
    "elsewhere.example/app:1",
    "registry.example/App:1",
    "",
];
/// The first of them that are signed or need no signature.
const GOOD: &[&str] = &[
    "registry.example/app:1",
    "registry.example/app",
    "registry.example/init:1",
    "docker.io/prom/statsd-exporter:v0.22.4",
    "postgres:13",
];
const LISTS: &[&str] = &["initContainers", "containers", "ephemeralContainers"];
const KINDS: &[(&str, &str, &str)] = &[
    ("", "Pod", "/spec"),
    ("apps", "Deployment", "/spec/template/spec"),
    ("apps", "StatefulSet", "/spec/template/spec"),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
];

/// A container: its list and its image, by number.
type Pick = (usize, usize);

fn script() -> Script {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/admission/world.json");
    Script::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn object(kind: usize, picks: &[(String, usize, &str)]) -> Value {
    let (_, kind, at) = KINDS[kind];
    let mut pod = json!({});
    for (name, list, image) in picks {
        let list = &mut pod[LISTS[*list]];
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut().unwrap().push(json!({"image": image, "name": name}));
    }
    let spec = at.split('/').skip(2).collect::<Vec<_>>().into_iter().rev();
    let spec = spec.fold(pod, |inner, name| json!({name: inner}));
    let metadata = json!({"name": "thing", "namespace": "shop"});
    json!({"kind": kind, "metadata": metadata, "spec": spec})
}

fn named(picks: &[Pick], images: &[&'static str]) -> Vec<(String, usize, &'static str)> {
    let name =
        |(index, (list, image)): (usize, &Pick)| (format!("c{index}"), *list, images[*image]);
    picks.iter().enumerate().map(name).collect()
}

fn review(kind: usize, object: &Value, old: &Value) -> Value {
    let (group, kind, _) = KINDS[kind];
    let operation = if old.is_null() { "CREATE" } else { "UPDATE" };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": group, "version": "v1", "kind": kind},
            "name": "thing", "namespace": "shop", "operation": operation,
            "object": object, "oldObject": old, "userInfo": {"username": "someone"},
        },
    })
}

fn told(stage: &mut Stage, review: &[u8], path: ReviewPath, turn: usize) -> Told {
    stage.review(review, path, &Controllers::Absent, turn).unwrap()
}

/// The text of `value` with the members of every object in another order.
fn turned(value: &Value, by: usize) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), turned(value, by)))
                .collect();
            let places = by.checked_rem(members.len()).unwrap_or_default();
            members.rotate_left(places);
            if by % 2 == 1 {
                members.reverse();
            }
            format!("{{ {} }}", members.join(" ,\n"))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| turned(item, by)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Each container to what was said of it: the reference it is pinned to, or the code.
fn by_container(decision: &Decision) -> BTreeMap<Arc<str>, String> {
    let said = decision.verdicts.iter().map(|it| {
        let said = match &it.verdict {
            Verdict::Denied(denial) => denial.code.code().to_owned(),
            Verdict::Allowed(_) => it.pin().unwrap_or_default(),
        };
        (it.container.clone(), said)
    });
    said.collect()
}

/// The object as the answer's patch leaves it.
fn patched(object: &Value, told: &Told) -> Value {
    let mut object = object.clone();
    let patch = told.legible().unwrap()["response"]["patch"].clone();
    if !patch.is_null() {
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

fn has_patch(told: &Told) -> bool {
    !told.legible().unwrap()["response"]["patch"].is_null()
}

fn picks(images: &'static [&'static str]) -> impl Strategy<Value = Vec<Pick>> {
    proptest::collection::vec((0..LISTS.len(), 0..images.len()), 1..6)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn order_of_members_policies_and_word_of_servers_and_the_replica_change_no_byte(
        kind in 0..KINDS.len(),
        picks in picks(IMAGES),
        policies in Just(script().policies).prop_shuffle(),
        (by, turn, reverse) in (0_usize..9, 0_usize..9, any::<bool>()),
    ) {
        let whole = review(kind, &object(kind, &named(&picks, IMAGES)), &Value::Null);
        let expected = told(
            &mut Stage::new("one", &script()).unwrap(),
            whole.to_string().as_bytes(),
            ReviewPath::Admit,
            0,
        );
        let mut other = Script { policies, ..script() };
        for (_, _, spec) in other.policies.iter_mut().filter(|_| reverse) {
            let mut read: Value = serde_json::from_str(spec).unwrap();
            read["repositories"].as_array_mut().unwrap().reverse();
            *spec = turned(&read, by);
        }
        let mut stage = Stage::new("two", &other).unwrap();
        let text = turned(&whole, by);
        for _ in 0..2 {
            let found = told(&mut stage, text.as_bytes(), ReviewPath::Admit, turn);
            prop_assert_eq!(found.of_any_event(), expected.of_any_event());
        }
    }

    #[test]
    fn any_order_of_containers_gives_each_the_same_verdict_and_the_same_pin(
        kind in 0..KINDS.len(),
        (listed, shuffled) in picks(IMAGES).prop_flat_map(|picks| {
            let listed = named(&picks, IMAGES);
            (Just(listed.clone()), Just(listed).prop_shuffle())
        }),
    ) {
        let answer = |listed: &[(String, usize, &str)]| {
            let review = review(kind, &object(kind, listed), &Value::Null).to_string();
            let mut stage = Stage::new("one", &script()).unwrap();
            told(&mut stage, review.as_bytes(), ReviewPath::Admit, 0)
        };
        let (one, other) = (answer(&listed), answer(&shuffled));
        prop_assert_eq!(by_container(&one.decision), by_container(&other.decision));
        prop_assert_eq!(one.decision.allowed, other.decision.allowed);
        prop_assert_eq!(one.decision.seal, other.decision.seal);
    }

    #[test]
    fn what_was_patched_is_admitted_without_a_patch_on_every_way(
        kind in 0..KINDS.len(),
        picks in picks(GOOD),
    ) {
        let mut stage = Stage::new("one", &script()).unwrap();
        let mut tell = |object: &Value, old: &Value, path| {
            told(&mut stage, review(kind, object, old).to_string().as_bytes(), path, 0)
        };
        let sent = object(kind, &named(&picks, GOOD));
        let first = tell(&sent, &Value::Null, ReviewPath::Admit);
        prop_assert!(first.decision.allowed, "{}", first.decision.message);
        let stored = patched(&sent, &first);
        for (old, path) in [
            (&Value::Null, ReviewPath::Admit),
            (&Value::Null, ReviewPath::Validate),
            (&stored, ReviewPath::Admit),
            (&stored, ReviewPath::Validate),
        ] {
            let again = tell(&stored, old, path);
            prop_assert!(again.decision.allowed, "{}", again.decision.message);
            prop_assert!(!has_patch(&again), "{}", again.legible().unwrap());
        }
        // The same manifest applied again comes to the same object.
        let mut applied = sent;
        applied["metadata"] = stored["metadata"].clone();
        let once_more = tell(&applied, &stored, ReviewPath::Admit);
        prop_assert_eq!(patched(&applied, &once_more), stored);
    }

    #[test]
    fn what_an_update_patched_is_admitted_without_a_patch_and_so_is_the_way_back(
        kind in 0..KINDS.len(),
        (before, after) in (picks(GOOD), picks(GOOD)),
        annotated in any::<bool>(),
    ) {
        let mut stage = Stage::new("one", &script()).unwrap();
        let mut tell = |object: &Value, old: &Value, path| {
            told(&mut stage, review(kind, object, old).to_string().as_bytes(), path, 0)
        };
        let mut sent = object(kind, &named(&before, GOOD));
        if annotated {
            sent["metadata"]["annotations"] = json!({"team": "shop", "a/b~c": "1"});
        }
        let first = patched(&sent, &tell(&sent, &Value::Null, ReviewPath::Admit));
        let mut changed = object(kind, &named(&after, GOOD));
        changed["metadata"] = first["metadata"].clone();
        let second = patched(&changed, &tell(&changed, &first, ReviewPath::Admit));
        for (object, old, path) in [
            (&second, &first, ReviewPath::Admit),
            (&second, &first, ReviewPath::Validate),
            (&second, &second, ReviewPath::Admit),
        ] {
            let again = tell(object, old, path);
            prop_assert!(again.decision.allowed, "{}", again.decision.message);
            prop_assert!(!has_patch(&again), "{}", again.legible().unwrap());
        }
        // Back to the first generation, as a rollback has it: allowed, and stable at once.
        let mut back = first;
        back["metadata"] = second["metadata"].clone();
        let undone = tell(&back, &second, ReviewPath::Admit);
        prop_assert!(undone.decision.allowed, "{}", undone.decision.message);
        let third = patched(&back, &undone);
        prop_assert_eq!(&third["spec"], &back["spec"]);
        prop_assert!(!has_patch(&tell(&third, &second, ReviewPath::Admit)));
    }

    #[test]
    fn an_asterisk_never_crosses_a_slash_in_the_host(
        host in "[a-z]{1,8}\\.example",
        path in "[a-z]{1,5}",
        glob in prop_oneof![Just("*.trusted.example/*"), Just("*trusted.example/*")],
    ) {
        prop_assume!(!host.ends_with("trusted.example"));
        let spec = json!({"repositories": [{"name": glob}]}).to_string();
        let policies = vec![("only".to_owned(), None, spec)];
        let script = Script { policies, ..Script::default() };
        let answer = |image: String| {
            let sent = object(0, &[("main".to_owned(), 1, &image)]);
            let review = review(0, &sent, &Value::Null).to_string();
            let mut stage = Stage::new("one", &script).unwrap();
            told(&mut stage, review.as_bytes(), ReviewPath::Admit, 0).decision.allowed
        };
        let own = format!("x.trusted.example/{path}");
        let below = format!("{host}/x.trusted.example/{path}");
        let deeper = format!("{host}/{path}/x.trusted.example/{path}:1");
        let name = format!("{host}/trusted.example");
        prop_assert!(answer(own));
        prop_assert!(!answer(below));
        prop_assert!(!answer(deeper));
        prop_assert!(!answer(name));
    }

    #[test]
    fn equal_spellings_of_references_and_patterns_have_equal_verdicts(
        pattern in 0_usize..SPELLINGS.len(),
        image in 0_usize..SPELLINGS.len(),
        signed in any::<bool>(),
    ) {
        let trust = json!({"enabled": true, "trustServer": "https://notary.example"});
        let rule = json!({"name": SPELLINGS[pattern], "policy": {"trust": trust}});
        let spec = json!({"repositories": [rule]}).to_string();
        let policies = vec![("only".to_owned(), None, spec)];
        let mut script = Script { policies, ..Script::default() };
        let digest = portreeve_protocol::Sha256::of(b"postgres");
        if signed {
            let name = ("docker.io/library/postgres".to_owned(), "latest".to_owned());
            script.signed.insert(name, digest);
        }
        let sent = object(0, &[("main".to_owned(), 1, SPELLINGS[image])]);
        let review = review(0, &sent, &Value::Null).to_string();
        let mut stage = Stage::new("one", &script).unwrap();
        let found = told(&mut stage, review.as_bytes(), ReviewPath::Admit, 0);
        let said = &by_container(&found.decision)["main"];
        if signed {
            prop_assert!(said.ends_with(&format!(":latest@{}", digest.to_oci())), "{}", said);
        } else {
            prop_assert_eq!(said, "not-signed");
        }
    }
}

/// One image, in words that mean the same.
const SPELLINGS: &[&str] = &[
    "postgres",
    "postgres:latest",
    "library/postgres",
    "docker.io/postgres",
    "docker.io/library/postgres:latest",
    "index.docker.io/library/postgres",
    "docker.io:443/library/postgres",
];
