//! Rules of the definitions: they are structural, complete, and mean what the API server reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::all;

fn each_schema(visit: &mut dyn FnMut(&str, &Value)) {
    fn below(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            below(&format!("{path}.{name}"), property, visit);
        }
        if let Some(items) = schema.get("items") {
            below(&format!("{path}[]"), items, visit);
        }
    }
    for (name, definition) in all() {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        below(&name, schema, visit);
    }
}

/// The rules of structural schemas: Kubernetes, "Specifying a structural schema".
#[test]
fn every_schema_is_structural() {
    let mut seen = 0;
    each_schema(&mut |path, schema| {
        seen += 1;
        let members = schema.as_object().expect(path);
        let either = schema["x-kubernetes-int-or-string"] == json!(true);
        let named = schema["type"].as_str();
        assert!(either != named.is_some(), "{path} has one type: {schema}");
        for (name, value) in members {
            let known = match name.as_str() {
                "description"
                | "enum"
                | "format"
                | "minimum"
                | "nullable"
                | "pattern"
                | "type"
                | "x-kubernetes-int-or-string"
                | "x-kubernetes-list-map-keys"
                | "x-kubernetes-list-type" => true,
                "x-kubernetes-preserve-unknown-fields" => path.contains("repositories[]"),
                "properties" | "required" => named == Some("object"),
                "items" => named == Some("array"),
                "anyOf" => either && *value == json!([{"type": "integer"}, {"type": "string"}]),
                _ => false,
            };
            assert!(known, "{path} has `{name}`: {value}");
        }
        // An object or list of anything would be kept by nobody's rule.
        assert!(named != Some("array") || members.contains_key("items"), "{path}");
        let metadata = path.ends_with(".metadata") && !path.contains(".spec");
        assert!(
            named != Some("object") || members.contains_key("properties") || metadata,
            "{path}"
        );
    });
    assert!(seen > 150, "{seen} schemas were seen");
}

/// Whatever this version of the API does not know would be lost in reading.
#[test]
fn the_definitions_are_read_without_loss() {
    for (name, written) in all() {
        let read: CustomResourceDefinition = serde_json::from_value(written.clone()).expect(&name);
        let again = serde_json::to_string(&read).unwrap();
        // The only number is read as one with a fraction.
        let again = again.replace(r#""minimum":0.0"#, r#""minimum":0"#);
        assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), written, "{name}");
    }
}

#[test]
fn the_definitions_are_those_of_both_groups_with_portieris_names() {
    let names: Vec<String> = all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "clusterimagepolicies.portieris.cloud.ibm.com",
            "imagepolicies.portieris.cloud.ibm.com",
            "clusterimagepolicies.securityenforcement.admission.cloud.ibm.com",
            "imagepolicies.securityenforcement.admission.cloud.ibm.com",
        ]
    );
    for (name, definition) in all() {
        let spec = &definition["spec"];
        let cluster = name.starts_with("cluster");
        assert_eq!(spec["scope"], json!(if cluster { "Cluster" } else { "Namespaced" }));
        let older = name.contains("securityenforcement");
        assert_eq!(spec["versions"][0]["name"], json!(if older { "v1beta1" } else { "v1" }));
        assert_eq!(definition["metadata"]["name"], json!(name));
    }
}

/// The members of Portieris' own definition of `v1`, with those of its first version.
#[test]
fn whatever_portieris_admits_is_admitted() {
    let policy = "spec.repositories[].policy";
    let identity = "simple.requirements[].signedIdentity";
    for path in [
        "spec.repositories[].name".to_owned(),
        format!("{policy}.mutateImage"),
        format!("{policy}.vulnerability.ICCRVA.enabled"),
        format!("{policy}.vulnerability.ICCRVA.account"),
        format!("{policy}.va.enabled"),
        format!("{policy}.trust.enabled"),
        format!("{policy}.trust.trustServer"),
        format!("{policy}.trust.signerSecrets[].name"),
        format!("{policy}.simple.storeURL"),
        format!("{policy}.simple.storeSecret"),
        format!("{policy}.simple.requirements[].type"),
        format!("{policy}.simple.requirements[].keySecret"),
        format!("{policy}.simple.requirements[].keySecretNamespace"),
        format!("{policy}.{identity}.type"),
        format!("{policy}.{identity}.prefix"),
        format!("{policy}.{identity}.signedPrefix"),
        format!("{policy}.{identity}.dockerReference"),
        format!("{policy}.{identity}.dockerRepository"),
    ] {
        let mut found = 0;
        each_schema(&mut |seen, schema| {
            if seen.ends_with(&format!(".com.{path}")) {
                found += 1;
                // Portieris' policies come from YAML, where an empty member is null.
                assert_eq!(schema["nullable"], json!(true), "{seen}");
            }
        });
        assert_eq!(found, 4, "{path}");
    }
}

/// What the API server took out, nobody could refuse any more.
#[test]
fn nothing_is_taken_out_of_a_rule() {
    each_schema(&mut |path, schema| {
        let object = schema["type"] == "object";
        let of_rule = path.contains("repositories[]") && !path.contains("requirements[]");
        let kept = schema.get("x-kubernetes-preserve-unknown-fields");
        assert_eq!(kept.is_some(), object && of_rule, "{path}");
    });
}

#[test]
fn only_signers_and_conditions_have_members_that_must_be_there() {
    each_schema(&mut |path, schema| {
        let needed = schema.get("required").is_some();
        assert_eq!(needed, path.ends_with("signers[]") || path.ends_with("conditions[]"), "{path}");
    });
}
