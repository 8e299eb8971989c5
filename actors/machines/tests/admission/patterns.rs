//! Patterns: what they cover, and which is the closest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_machines::admission::pattern::{Specificity, Subject};
use portreeve_protocol::reference::ImageReference;
use proptest::prelude::*;

fn fit(pattern: &str, image: &str) -> Option<Specificity> {
    Subject::new(&image.parse::<ImageReference>().unwrap()).fit(pattern)
}

fn covers(pattern: &str, image: &str) -> bool {
    fit(pattern, image).is_some()
}

#[test]
fn a_bare_asterisk_covers_everything() {
    for image in ["nginx", "team/app:1", "registry.example:5000/a/b/c:v", "localhost/x"] {
        assert!(covers("*", image), "{image}");
        assert!(covers("*:*", image), "{image}");
    }
}

#[test]
pub fn an_asterisk_in_the_host_never_crosses_a_slash() {
    for (pattern, image) in [
        ("*.trusted.example/*", "evil.example/x.trusted.example/y"),
        ("*.trusted.example/team/*", "evil.example/x.trusted.example/team/app:1"),
        ("registry*.example/team/*", "registry.evil/x.example/team/app"),
        ("*trusted.example/*", "evil.example/trusted.example/app"),
        ("trusted*/app", "trusted.evil.example/x/app"),
        ("t*d.example/*", "t.evil/d.example/app"),
    ] {
        assert!(!covers(pattern, image), "{pattern} {image}");
    }
    assert!(covers("*.trusted.example/team/*", "eu.trusted.example/team/app:1"));
    assert!(covers("registry*.example/team/*", "registry01.example/team/app"));
}

#[test]
fn an_asterisk_in_the_path_crosses_slashes() {
    assert!(covers("registry.example/team/*", "registry.example/team/a/b/c:1"));
    assert!(covers("registry.example/*/c", "registry.example/a/b/c"));
    assert!(!covers("registry.example/team/*", "registry.example/team2/a"));
    assert!(!covers("registry.example/team/*", "registry.example/team"));
}

#[test]
fn a_pattern_without_tag_covers_every_tag_and_digest() {
    let digest = format!("registry.example/a@sha256:{}", "ab".repeat(32));
    for image in ["registry.example/a", "registry.example/a:1", digest.as_str()] {
        assert!(covers("registry.example/a", image), "{image}");
        assert!(covers("registry.example/a:*", image), "{image}");
    }
    assert!(!covers("registry.example/a", "registry.example/ab"));
    assert!(!covers("registry.example/a:*", "registry.example/a/b"));
}

#[test]
fn a_pattern_with_a_tag_covers_that_tag_only_also_where_it_is_implied() {
    let digest = format!("@sha256:{}", "ab".repeat(32));
    assert!(covers("registry.example/a:latest", "registry.example/a"));
    assert!(covers("registry.example/a:v1*", "registry.example/a:v1.2"));
    assert!(covers("registry.example/a:v1", &format!("registry.example/a:v1{digest}")));
    assert!(!covers("registry.example/a:v1", "registry.example/a"));
    assert!(!covers("registry.example/a:latest", &format!("registry.example/a{digest}")));
    assert!(covers("*:v1", "registry.example/a:v1"));
    assert!(!covers("*:v1", "registry.example/a:v2"));
}

#[test]
fn a_pattern_with_a_digest_covers_that_digest_only() {
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let image = format!("registry.example/a:1@sha256:{one}");
    assert!(covers(&format!("registry.example/a@sha256:{one}"), &image));
    assert!(covers(&format!("registry.example/a:1@sha256:{one}"), &image));
    assert!(!covers(&format!("registry.example/a@sha256:{two}"), &image));
    assert!(!covers("registry.example/*ab", &image), "not by chance of the digest");
}

#[test]
fn a_pattern_may_cover_every_digest_and_nothing_without_one() {
    let digest = format!("@sha256:{}", "ab".repeat(32));
    for (pattern, name) in [
        ("registry.example/a@sha256:*", "registry.example/a"),
        ("registry.example/a@*", "registry.example/a"),
        ("registry.example/*@sha256:*", "registry.example/a"),
        ("registry.example/a:1@sha256:*", "registry.example/a:1"),
        ("registry.example/a:*@sha256:*", "registry.example/a:1"),
        ("*@sha256:*", "registry.example/a"),
        ("*:*@sha256:*", "registry.example/a:1"),
    ] {
        let image = format!("{name}{digest}");
        assert!(covers(pattern, &image), "{pattern} {image}");
        assert!(!covers(pattern, name), "{pattern} {name}");
    }
    let pinned = format!("registry.example/a{digest}");
    assert!(fit("registry.example/a@sha256:*", &pinned) > fit("registry.example/a", &pinned));
    assert!(fit("*@sha256:*", &pinned) > fit("*", &pinned));
}

#[test]
fn a_host_with_an_asterisk_is_read_as_hosts_of_images_are() {
    for (pattern, image) in [
        ("*.example.:5000/*", "eu.example:5000/a"),
        ("*.example.:5000/*", "eu.example.:05000/a"),
        ("*.EXAMPLE./*", "eu.example/a"),
        ("*.example:0443/*", "eu.example/a"),
        ("*.example:443/*", "eu.example:443/a"),
        ("*.example/*", "eu.example.:0443/a"),
        ("reg*:443/*", "registry:443/a"),
        ("reg*:443/*", "reg.example/a"),
    ] {
        assert!(covers(pattern, image), "{pattern} {image}");
    }
    for (pattern, image) in [
        ("*.example:443/*", "eu.example:5000/a"),
        ("reg*:443/*", "reg.example:5000/a"),
        ("*.example.:5000/*", "eu.example/a"),
    ] {
        assert!(!covers(pattern, image), "{pattern} {image}");
    }
    let image = "eu.example/a";
    assert_eq!(fit("*.example:443/*", image), fit("*.example/*", image));
}

#[test]
fn every_pattern_covers_every_spelling_of_an_image_or_none() {
    let images = [
        "nginx",
        "nginx:latest",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx",
        "index.docker.io/nginx:latest",
        "docker.io:443/library/nginx",
        "Docker.IO/nginx",
    ];
    for pattern in [
        "nginx",
        "nginx:latest",
        "ngin*",
        "library/nginx",
        "library/*",
        "docker.io/*",
        "docker.io/nginx",
        "docker.io/library/nginx:latest",
        "index.docker.io/*",
        "*/nginx",
        "docker.io:443/nginx",
        "*.docker.io/*",
        "Docker.io/nginx",
        "docker.io./nginx",
        "*",
    ] {
        for image in images {
            assert!(covers(pattern, image), "{pattern} {image}");
            assert_eq!(fit(pattern, image), fit(pattern, images[0]), "{pattern} {image}");
        }
    }
    for pattern in ["evildocker.io/*", "nginx:1", "team/*", "docker.io/nginx/*", "quay.io/*"] {
        assert!(images.iter().all(|image| !covers(pattern, image)), "{pattern}");
    }
}

#[test]
fn patterns_that_mean_the_same_are_equally_close() {
    for (image, patterns) in [
        ("nginx", vec!["nginx", "library/nginx", "docker.io/nginx", "index.docker.io:443/nginx:*"]),
        ("team/app:1", vec!["team/*", "docker.io/team/*", "index.docker.io/team/*"]),
        ("reg.example/a", vec!["reg.example/a", "REG.example:443/a", "reg.example./a:*"]),
    ] {
        let first = fit(patterns[0], image);
        assert!(first.is_some(), "{image}");
        for pattern in patterns {
            assert_eq!(fit(pattern, image), first, "{pattern} {image}");
        }
    }
}

#[test]
fn exact_beats_host_beats_path_beats_everything() {
    let image = "registry.example/team/app:v1";
    let ladder = [
        "*",
        "*:v1",
        "*/team/app:v*",
        "*.example/*",
        "r*.example/*",
        "registry.example/*",
        "registry.example/team/*",
        "registry.example/team/app",
        "registry.example/team/app:v*",
        "registry.example/team/app:v1",
    ];
    for pair in ladder.windows(2) {
        assert!(fit(pair[0], image) < fit(pair[1], image), "{pair:?}");
        assert!(fit(pair[0], image).is_some(), "{pair:?}");
    }
}

#[test]
fn docker_hub_is_not_named_by_lookalikes() {
    for image in ["evildocker.io/library/nginx", "docker.io.evil.example/library/nginx"] {
        for pattern in ["docker.io/*", "nginx", "library/nginx", "index.docker.io/*"] {
            assert!(!covers(pattern, image), "{pattern} {image}");
        }
    }
}

proptest! {
    #[test]
    fn matching_never_panics(
        pattern in "\\PC{0,40}",
        image in "[a-z]{1,4}(\\.[a-z]{1,3})?(/[a-z]{1,4}){0,3}(:[a-z0-9]{1,3})?",
    ) {
        if let Ok(reference) = image.parse::<ImageReference>() {
            let subject = Subject::new(&reference);
            prop_assert_eq!(subject.fit(&pattern), subject.fit(&pattern));
        }
    }

    #[test]
    fn equivalent_references_fit_every_pattern_alike(
        pattern in "[a-n*./:]{0,12}",
        name in "[a-n]{1,3}",
    ) {
        let one = fit(&pattern, &name);
        for image in [
            format!("library/{name}"),
            format!("docker.io/{name}:latest"),
            format!("index.docker.io:443/library/{name}"),
        ] {
            prop_assert_eq!(fit(&pattern, &image), one);
        }
    }

    #[test]
    fn an_image_is_covered_by_its_own_name_exactly_and_most_closely(
        image in "([a-z]{1,3}\\.[a-z]{1,3}/)?[a-z]{1,4}(/[a-z]{1,3})?:[a-z0-9]{1,3}",
        pattern in "[a-z*./:]{0,12}",
    ) {
        let own = fit(&image, &image);
        prop_assert!(own.is_some());
        prop_assert!(fit(&pattern, &image) <= own);
    }
}
