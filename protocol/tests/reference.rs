//! Image references: docker's grammar, Docker Hub's spellings, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::ProtocolError;
use portreeve_protocol::reference::ImageReference;
use proptest::prelude::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn normal(text: &str) -> String {
    text.parse::<ImageReference>().unwrap_or_else(|error| panic!("{error}")).to_string()
}

fn refused(text: &str) -> bool {
    matches!(text.parse::<ImageReference>(), Err(ProtocolError::Reference { .. }))
}

#[test]
fn every_spelling_of_a_docker_hub_image_is_one_reference() {
    for text in [
        "nginx",
        "nginx:latest",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx:latest",
        "index.docker.io/nginx",
        "index.docker.io/library/nginx",
        "docker.io:443/nginx",
        "docker.io:0443/nginx",
        "DOCKER.io/nginx",
        "docker.io./nginx",
        "index.docker.io.:443/nginx",
    ] {
        assert_eq!(normal(text), "docker.io/library/nginx:latest", "{text}");
    }
    assert_eq!(normal("team/app:1"), "docker.io/team/app:1");
}

#[test]
fn hosts_are_lower_cased_and_port_443_is_folded() {
    assert_eq!(normal("Registry.Example./a/b"), "registry.example/a/b:latest");
    assert_eq!(normal("registry.example:443/a"), "registry.example/a:latest");
    assert_eq!(normal("registry.example:5000/a:1"), "registry.example:5000/a:1");
    assert_eq!(normal("localhost/a"), "localhost/a:latest");
    assert_eq!(normal("localhost:443/a"), "localhost/a:latest");
    assert_eq!(normal("[0:0::1]:5000/a"), "[::1]:5000/a:latest");
}

#[test]
fn a_host_of_one_label_keeps_its_port_or_it_would_be_docker_hub() {
    assert_eq!(normal("registry:443/a"), "registry:443/a:latest");
    assert_eq!(normal("registry:5000/a"), "registry:5000/a:latest");
    assert!(refused("Registry/a"));
    assert!(refused("registry./a"));
}

#[test]
fn a_lookalike_of_docker_hub_is_another_host() {
    assert_eq!(normal("evildocker.io/library/nginx"), "evildocker.io/library/nginx:latest");
    assert_eq!(normal("docker.io.evil.example/nginx"), "docker.io.evil.example/nginx:latest");
    assert_eq!(normal("docker.io:5000/nginx"), "docker.io:5000/nginx:latest");
}

#[test]
fn latest_is_implied_only_where_there_is_no_digest() {
    assert_eq!(normal(&format!("nginx@{DIGEST}")), format!("docker.io/library/nginx@{DIGEST}"));
    let both = normal(&format!("nginx:1@{DIGEST}"));
    assert_eq!(both, format!("docker.io/library/nginx:1@{DIGEST}"));
}

#[test]
fn a_digest_that_is_not_sha256_is_told_apart_from_nonsense() {
    let error = format!("nginx@sha512:{}", "ab".repeat(64)).parse::<ImageReference>();
    let Err(ProtocolError::ReferenceDigest { algorithm, .. }) = error else { panic!("{error:?}") };
    assert_eq!(algorithm, "sha512");
    for text in [
        "nginx@sha256:abcd".to_owned(),
        format!("nginx@sha256:{}", "AB".repeat(32)),
        format!("nginx@{}", "ab".repeat(32)),
        format!("nginx@{DIGEST}@{DIGEST}"),
        "nginx@".to_owned(),
        "nginx@sha512:".to_owned(),
    ] {
        assert!(refused(&text), "{text}");
    }
}

#[test]
fn what_docker_refuses_is_refused() {
    for text in [
        "",
        " ",
        "nginx ",
        " nginx",
        "Nginx",
        "docker.io/Nginx",
        "a//b",
        "/a",
        "a/",
        "nginx:",
        "nginx:-a",
        "nginx:a b",
        "a..b/c",
        "a___b",
        "a._b",
        "-a",
        "a-",
        "_a",
        "nginx:1:2",
        "reg.example:/a",
        "reg.example:0/a",
        "reg.example:65536/a",
        "reg.example:1x/a",
        "-reg.example/a",
        "reg-.example/a",
        "reg..example/a",
        "./a",
        "[::1/a",
        "[zz]:1/a",
        "näh",
        "https://reg.example/a",
        "reg.example/a?b",
        "user@reg.example/a",
        "a\nb",
        "a\0",
    ] {
        assert!(refused(text), "{text:?}");
    }
    assert!(refused(&"ab".repeat(32)), "an image id");
    assert!(refused(&format!("nginx:{}", "a".repeat(129))), "a long tag");
    assert!(refused(&format!("reg.example/{}", "a".repeat(256))), "a long path");
    assert!(refused(&"a".repeat(2_000)), "too many bytes");
}

#[test]
fn what_docker_takes_is_taken() {
    for text in
        ["a__b", "a--b", "a-_-b".replace("-_-", "---").as_str(), "a.b/c_d", "a/b/c/d:V_1.x-y"]
    {
        assert!(text.parse::<ImageReference>().is_ok(), "{text}");
    }
}

#[test]
fn spellings_name_the_same_repository_and_begin_with_the_canonical_one() {
    for text in ["nginx", "team/app", "registry.example/a/b", "registry:443/a", "docker.io/a.b/c"] {
        let reference: ImageReference = text.parse().unwrap();
        let spellings = reference.spellings();
        assert_eq!(spellings[0].host.as_deref(), Some(reference.host.as_str()));
        assert_eq!(spellings[0].path, reference.path);
        for spelling in spellings {
            let written = match &spelling.host {
                Some(host) => format!("{host}/{}", spelling.path),
                None => spelling.path.clone(),
            };
            assert_eq!(normal(&written), reference.to_string(), "{written}");
            assert_eq!(reference.path.len() - spelling.left_out, spelling.path.len());
        }
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}") {
        let _ = text.parse::<ImageReference>().map(|reference| reference.spellings().len());
    }

    #[test]
    fn a_parsed_reference_displays_as_text_that_parses_to_the_same(
        host in "([A-Za-z0-9.:\\[\\]-]{0,12}/)?",
        rest in "([a-z0-9._/-]{1,12})(:[A-Za-z0-9_.-]{0,6})?(@sha256:[0-9a-f]{64})?",
    ) {
        let text = format!("{host}{rest}");
        if let Ok(reference) = text.parse::<ImageReference>() {
            prop_assert_eq!(reference.to_string().parse::<ImageReference>(), Ok(reference));
        }
    }

    #[test]
    fn every_spelling_of_a_parsed_reference_parses_to_the_same_repository(
        host in "((index\\.)?docker\\.io|[a-z]{1,3}\\.[a-z]{1,3}|[a-z]{2})?(:443|:5000)?",
        path in "(library/)?[a-z]{1,4}(\\.[a-z])?(/[a-z]{1,3})?",
    ) {
        let text = if host.is_empty() { path } else { format!("{host}/{path}") };
        if let Ok(reference) = text.parse::<ImageReference>() {
            for spelling in reference.spellings() {
                let written = spelling.host.map_or_else(
                    || spelling.path.clone(),
                    |host| format!("{host}/{}", spelling.path),
                );
                let again = written.parse::<ImageReference>().map(|it| it.gun());
                prop_assert_eq!(again, Ok(reference.gun()), "{}", written);
            }
        }
    }
}
