//! Which credentials are found for an image, and in which order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures_util::FutureExt;

use super::*;

fn secret(name: &str) -> CredentialRef {
    CredentialRef::PullSecret { name: name.to_owned(), namespace: "web".to_owned() }
}

fn place(name: &str) -> Place {
    ("web".to_owned(), name.to_owned())
}

fn held(secrets: &[(&str, Format, &str)]) -> PullObjects {
    let mut objects = PullObjects::default();
    for (name, format, text) in secrets {
        objects.add_secret(place(name), *format, text.as_bytes());
    }
    objects
}

/// What is found for an image: the secret, with its kind or user.
fn found(objects: PullObjects, names: &[CredentialRef], gun: &str) -> Vec<String> {
    let store = Credentials::default();
    store.replace(objects);
    let shown = |candidate: Candidate| match &*candidate.credential {
        Credential::IdentityToken(token) => format!("identity {}", token.expose()),
        Credential::Password { password, user } => format!("{user}:{}", password.expose()),
        Credential::RegistryToken(token) => format!("registry {}", token.expose()),
    };
    // What is held is there at once.
    let matching = store.matching(names, gun).now_or_never().unwrap();
    assert_eq!(matching.unread, []);
    matching.candidates.into_iter().map(shown).collect()
}

fn in_one(auths: &str, gun: &str) -> Vec<String> {
    let text = format!("{{\"auths\":{auths}}}");
    found(held(&[("a", Format::DockerConfigJson, &text)]), &[secret("a")], gun)
}

#[test]
fn every_form_of_entry_is_read_and_tokens_go_before_passwords() {
    for (entry, shown) in [
        (r#"{"username":"u","password":"p"}"#, "u:p"),
        (r#"{"username":"x","password":"y","auth":"dTpw"}"#, "u:p"),
        (r#"{"auth":"dTpwOnE="}"#, "u:p:q"),
        (r#"{"auth":"dTpwOnE"}"#, "u:p:q"),
        (r#"{"auth":"dTpw\r\nOnE="}"#, "u:p:q"),
        (r#"{"auth":"dTo=","identitytoken":"t"}"#, "identity t"),
        (r#"{"auth":"dTpw","identitytoken":"t","registrytoken":"r"}"#, "registry r"),
        (r#"{"username":"u","password":"p","email":"e","unknown":[]}"#, "u:p"),
    ] {
        let auths = format!("{{\"reg.example\":{entry}}}");
        assert_eq!(in_one(&auths, "reg.example/app"), [shown], "{entry}");
        let objects = held(&[("a", Format::Dockercfg, &auths)]);
        assert_eq!(found(objects, &[secret("a")], "reg.example/app"), [shown], "{entry}");
    }
}

#[test]
fn of_several_matching_entries_the_most_specific_comes_first() {
    let auths = r#"{
        "*.example": {"auth": "Z2xvYjpw"},
        "reg.example": {"auth": "aG9zdDpw"},
        "https://reg.example/v2/team/app": {"auth": "YXBwOnA="},
        "reg.example/team": {"auth": "dGVhbTpw"},
        "reg.example/other": {"auth": "b3RoZXI6cA=="}
    }"#;
    assert_eq!(in_one(auths, "reg.example/team/app"), ["app:p", "team:p", "host:p", "glob:p"]);
    assert_eq!(in_one(auths, "elsewhere.example/team/app"), ["glob:p"]);
    assert_eq!(in_one(auths, "elsewhere.test/team/app"), [""; 0]);
}

#[test]
fn docker_hubs_credentials_are_for_its_images_when_no_other_entry_is() {
    let index = r#"{"https://index.docker.io/v1/": {"auth": "aHViOnA="}}"#;
    assert_eq!(in_one(index, "docker.io/library/nginx"), ["hub:p"]);
    assert_eq!(in_one(index, "evildocker.io/library/nginx"), [""; 0]);
    assert_eq!(in_one(index, "localhost/nginx"), [""; 0]);
    let both = r#"{
        "https://index.docker.io/v1/": {"auth": "aHViOnA="},
        "docker.io/library": {"auth": "bGliOnA="}
    }"#;
    assert_eq!(in_one(both, "docker.io/library/nginx"), ["lib:p"]);
    assert_eq!(in_one(both, "docker.io/team/nginx"), ["hub:p"]);
}

#[test]
fn secrets_are_tried_in_the_order_of_their_names_in_the_request_and_equal_ones_once() {
    let one = r#"{"reg.example":{"auth":"b25lOnA="}}"#;
    let two = r#"{"reg.example":{"auth":"dHdvOnA="},"reg.example/":{"auth":"b25lOnA="}}"#;
    let objects = held(&[("one", Format::Dockercfg, one), ("two", Format::Dockercfg, two)]);
    let gun = "reg.example/app";
    let names = [secret("two"), secret("missing"), secret("one")];
    assert_eq!(found(objects.clone(), &names, gun), ["two:p", "one:p"]);
    assert_eq!(found(objects, &[secret("one"), secret("two")], gun), ["one:p", "two:p"]);
}

#[test]
fn a_service_account_stands_for_the_secrets_it_lists_in_its_own_namespace() {
    let one = r#"{"reg.example":{"auth":"b25lOnA="}}"#;
    let mut objects = held(&[("one", Format::Dockercfg, one)]);
    objects.add_account(place("builder"), vec!["missing".to_owned(), "one".to_owned()]);
    objects.add_account(("other".to_owned(), "builder".to_owned()), vec!["one".to_owned()]);
    let account = |namespace: &str| CredentialRef::ServiceAccount {
        name: "builder".to_owned(),
        namespace: namespace.to_owned(),
    };
    assert_eq!(found(objects.clone(), &[account("web")], "reg.example/app"), ["one:p"]);
    assert_eq!(found(objects, &[account("other")], "reg.example/app"), [""; 0]);
}

#[test]
fn a_secret_defined_twice_is_not_used_and_said_so() {
    let one = r#"{"reg.example":{"auth":"b25lOnA="}}"#;
    let objects = held(&[("one", Format::Dockercfg, one), ("one", Format::Dockercfg, one)]);
    assert_eq!(objects.warnings(), ["Secret web/one: it is defined twice, so neither is used"]);
    assert_eq!(found(objects, &[secret("one")], "reg.example/app"), [""; 0]);
}

#[test]
fn helpers_are_never_run_and_each_registry_they_keep_is_named() {
    let text = r#"{
        "auths": {"kept.example": {}, "own.example": {"auth": "dTpw"}},
        "credsStore": "desktop",
        "credHelpers": {"cloud.example": "gcloud"}
    }"#;
    let objects = held(&[("a", Format::DockerConfigJson, text)]);
    let registries: Vec<_> =
        objects.warnings().iter().map(|text| text.split(": ").nth(1).unwrap()).collect();
    assert_eq!(registries, ["kept.example", "cloud.example"]);
    assert!(objects.warnings().iter().all(|text| text.contains("which is never run")));
    assert_eq!(found(objects, &[secret("a")], "own.example/app"), ["u:p"]);
    let all = held(&[("a", Format::DockerConfigJson, r#"{"credsStore":"desktop"}"#)]);
    assert!(all.warnings()[0].starts_with("Secret web/a: all registries: "));
}

#[test]
fn an_unusable_entry_is_named_and_does_not_spoil_the_others() {
    let text = r#"{"auths": {
        "a.example": {"auth": "canary!"},
        "b.example": {"auth": "Y2FuYXJ5"},
        "c.example": ["canary"],
        "d.example": {},
        "e.example": null,
        "canary@": {"auth": "dTpw"},
        "f.example": {"auth": "dTpw"}
    }}"#;
    let objects = held(&[("a", Format::DockerConfigJson, text)]);
    assert_eq!(objects.warnings().len(), 6);
    assert!(!format!("{:?} {objects:?}", objects.warnings()).contains("canary"));
    assert_eq!(found(objects, &[secret("a")], "f.example/app"), ["u:p"]);
}

#[test]
fn what_is_not_dockers_json_is_refused_without_being_quoted() {
    for text in ["canary", r#"{"auths":"canary"}"#, r#"["canary"]"#, "{\"auths\":{\n\"canary"] {
        let objects = held(&[("a", Format::DockerConfigJson, text)]);
        assert_eq!(objects.warnings().len(), 1, "{text}");
        assert!(objects.warnings()[0].contains("it is not the JSON of docker's credentials"));
        assert!(!objects.warnings()[0].contains("canary"));
    }
    let many: Vec<_> = (0..=limits::KEYRING_ENTRIES).map(|n| format!("\"h{n}\":{{}}")).collect();
    let many = format!("{{{}}}", many.join(","));
    let objects = held(&[("a", Format::Dockercfg, &many)]);
    assert_eq!(objects.warnings().len(), 1);
    let large = " ".repeat(limits::OBJECT_BYTES + 1);
    let objects = held(&[("a", Format::Dockercfg, &large)]);
    assert!(objects.warnings()[0].contains("it has more than "));
}

#[test]
fn no_more_credentials_are_tried_than_the_limit() {
    let mut objects = PullObjects::default();
    let names: Vec<_> = (0..limits::CREDENTIALS_TRIED + 5).map(|n| format!("s{n}")).collect();
    for name in &names {
        let text = format!("{{\"reg.example\":{{\"username\":\"{name}\"}}}}");
        objects.add_secret(place(name), Format::Dockercfg, text.as_bytes());
    }
    let names: Vec<_> = names.iter().map(|name| secret(name)).collect();
    assert_eq!(found(objects, &names, "reg.example/app").len(), limits::CREDENTIALS_TRIED);
}
