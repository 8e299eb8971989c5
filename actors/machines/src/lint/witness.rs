//! Images that a pattern covers, made from the pattern itself.
//!
//! Where a pattern has a `*`, a text stands that no other pattern is likely to spell. A pattern
//! that covers such an image covers all that the first one does, as far as that text goes.

use portreeve_protocol::reference::ImageReference;

use crate::admission::pattern::{Subject, without_any_tag};

/// What nobody writes into a pattern.
const FRESH: &str = "zq7w";
/// A host that nobody writes into a pattern.
const FRESH_HOST: &str = "zq7w.example";
/// Any digest.
const DIGEST: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// An image, prepared for patterns.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) image: ImageReference,
    pub(super) subject: Subject,
}

/// Images that `pattern` covers, the most general ones first; none if it seems to cover none.
pub(super) fn witnesses(pattern: &str) -> Vec<Witness> {
    let mut texts = Vec::new();
    for fill in [FRESH, "zq7w/zq7w", "", "library"] {
        for host in [FRESH, FRESH_HOST, ""] {
            texts.push(filled(pattern, host, fill));
        }
    }
    // Without a `/` a pattern has no host of its own, but a `*` may stand for one.
    texts.extend(pattern.starts_with('*').then(|| filled(pattern, "", "zq7w.example/zq7w")));
    let tagged = texts.iter().map(|text| format!("{text}:{FRESH}")).collect::<Vec<_>>();
    of_texts(pattern, tagged.into_iter().chain(texts))
}

/// Images that two patterns cover which both have a `*`, if their beginnings and ends agree.
pub(super) fn common(one: &str, other: &str) -> Vec<Witness> {
    let (Some(one), Some(other)) = (ends(one), ends(other)) else { return Vec::new() };
    let longer = |one: &str, other: &str| {
        if one.len() >= other.len() { one.to_owned() } else { other.to_owned() }
    };
    let fits = |long: &str, short: &str| long.starts_with(short) || short.starts_with(long);
    let close = |long: &str, short: &str| long.ends_with(short) || short.ends_with(long);
    if !fits(one.0, other.0) || !close(one.1, other.1) {
        return Vec::new();
    }
    let (head, tail) = (longer(one.0, other.0), longer(one.1, other.1));
    of_texts("*", ["", FRESH].into_iter().map(|fill| format!("{head}{fill}{tail}")))
}

/// What stands before the first `*` and behind the last.
fn ends(pattern: &str) -> Option<(&str, &str)> {
    Some((pattern.split_once('*')?.0, pattern.rsplit_once('*')?.1))
}

fn of_texts(pattern: &str, texts: impl Iterator<Item = String>) -> Vec<Witness> {
    let mut found: Vec<Witness> = Vec::new();
    for text in texts {
        let Ok(image) = text.parse::<ImageReference>() else { continue };
        let subject = Subject::new(&image);
        if subject.fit(pattern).is_some() && !found.iter().any(|known| known.image == image) {
            found.push(Witness { image, subject });
        }
    }
    found
}

/// `pattern` with `host` for each `*` of the host and `path` for those behind it.
fn filled(pattern: &str, host: &str, path: &str) -> String {
    let pattern = without_any_tag(pattern);
    let (name, digest) = match pattern.split_once('@') {
        None => (pattern, None),
        Some((name, digest)) => (name, Some(digest)),
    };
    let name = match name.split_once('/') {
        None => name.replace('*', path),
        Some((first, rest)) => {
            format!("{}/{}", first.replace('*', host), rest.replace('*', path))
        }
    };
    match digest {
        None => name,
        Some(digest) => format!("{name}@{}", whole_digest(digest)),
    }
}

/// A digest of the right length, with the first `*` standing for what is missing.
fn whole_digest(digest: &str) -> String {
    let whole = "sha256:".len() + DIGEST.len();
    match digest.split_once('*') {
        None => digest.to_owned(),
        Some((head, tail)) => {
            let tail = tail.replace('*', "");
            let mut text = if head.is_empty() { "sha256:".to_owned() } else { head.to_owned() };
            let missing = whole.saturating_sub(text.len() + tail.len());
            text.push_str(DIGEST.get(..missing).unwrap_or_default());
            text + &tail
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_that_can_cover_an_image_has_a_witness() {
        for pattern in [
            "*",
            "nginx",
            "nginx:1.*",
            "*:v1",
            "docker.io/*",
            "docker.io/library/nginx",
            "*.example/*",
            "registry.example:5000/a/b:*",
            "a.example/*/c",
            "bitnami/*",
            "a.example/x@sha256:5*",
            "*@sha256:5f*",
            "a.example/x@sha256:*",
            "a.example/x:1@sha256:*",
            "*@sha256:*",
            "*.example.:5000/*",
            "*.example:0443/*",
            "*/*",
            "*/shop/web:1",
            "localhost/*",
        ] {
            assert!(!witnesses(pattern).is_empty(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_covers_nothing_has_none() {
        for pattern in ["https://a.example/*", "a.example/Shop/*", "a.example/", "a.example//b"] {
            let found = witnesses(pattern);
            assert!(found.is_empty(), "{pattern}: {found:?}");
        }
    }
}
