//! Which images a rule's pattern covers, and how closely. Written from what the documents promise
//! (`deploy/policies/README.md`), and not from the machines, which it is to judge.

use portreeve_protocol::reference::ImageReference;

/// How closely a pattern fits an image; the larger one decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closeness {
    /// Whether nothing of the reference is left open.
    exact: bool,
    /// Bytes of the host that are spelt out.
    host: usize,
    /// Bytes of the path and of the tag that are spelt out.
    path: usize,
}

/// The names of Docker Hub that a host may be written by.
const HUB: [&str; 2] = ["docker.io", "index.docker.io"];
/// Where Docker Hub keeps images whose names have one part.
const LIBRARY: &str = "library/";

/// How closely `pattern` fits `image`; `None` if it does not cover it.
///
/// An image has many spellings, and a pattern that covers one of them covers it. What a spelling
/// leaves out counts as spelt out, so that `nginx` is as close as `docker.io/library/nginx`.
#[must_use]
pub fn closeness(pattern: &str, image: &ImageReference) -> Option<Closeness> {
    if pattern.contains('@') {
        return None;
    }
    let (name, tag) = split_tag(pattern);
    // Any tag, and none where the image is named by its digest.
    let tag = tag.filter(|tag| *tag != "*");
    if !tag.is_none_or(|tag| image.tag.as_deref().is_some_and(|found| covers(tag, found))) {
        return None;
    }
    let tag_bytes = tag.map_or(0, |tag| literal(tag) + 1);
    if name == "*" {
        return Some(Closeness { path: tag_bytes, ..Closeness::default() });
    }
    readings(name).into_iter().find_map(|(host, path)| {
        let host = host_closeness(host.as_deref(), image)?;
        let bytes = path_closeness(&path, image, host.left_out)? + tag_bytes;
        let open = pattern.contains('*') || tag.is_none();
        // A `*` in the first of several parts could stand in a host, so the host is open.
        let host = if host.left_out && open_first(&path) { 0 } else { host.bytes };
        Some(Closeness { exact: !open, host, path: bytes })
    })
}

/// Everything that may be meant as the host and the path of a pattern. A first part that only a
/// `*` makes look like a host is one, if the image fits it so.
fn readings(name: &str) -> Vec<(Option<String>, String)> {
    let whole = (None, name.to_owned());
    let Some((first, rest)) = name.split_once('/') else { return vec![whole] };
    let parted = (Some(normal(first)), rest.to_owned());
    if looks_like_host(first) {
        vec![parted]
    } else if first.contains('*') {
        vec![parted, whole]
    } else {
        vec![whole]
    }
}

/// Whether the first of several parts holds a `*`.
fn open_first(path: &str) -> bool {
    path.split_once('/').is_some_and(|(first, _)| first.contains('*'))
}

fn looks_like_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

/// Lower case, and without the root's dot.
fn normal(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.rsplit_once(':') {
        Some((name, port)) => format!("{}:{port}", name.strip_suffix('.').unwrap_or(name)),
        None => host.strip_suffix('.').unwrap_or(&host).to_owned(),
    }
}

struct HostFit {
    bytes: usize,
    /// Whether the pattern names no host.
    left_out: bool,
}

fn host_closeness(pattern: Option<&str>, image: &ImageReference) -> Option<HostFit> {
    let hub = image.host == HUB[0];
    let Some(pattern) = pattern else {
        return hub.then_some(HostFit { bytes: image.host.len(), left_out: true });
    };
    let names: Vec<&str> = if hub { HUB.to_vec() } else { vec![&image.host] };
    let ported = names.iter().map(|name| format!("{name}:443"));
    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(ported).collect();
    let fits = all.iter().any(|name| covers(pattern, name));
    // A host that is left open in part is never as close as the host itself.
    let full = image.host.len();
    let bytes = if pattern.contains('*') { literal(pattern).min(full - 1) } else { full };
    fits.then_some(HostFit { bytes, left_out: false })
}

fn path_closeness(pattern: &str, image: &ImageReference, hostless: bool) -> Option<usize> {
    let short = image.path.strip_prefix(LIBRARY).filter(|short| !short.contains('/'));
    let short = short.filter(|_| image.host == HUB[0]);
    let whole = Some((image.path.as_str(), 0));
    let short = short.map(|short| (short, LIBRARY.len()));
    let mut spellings = [whole, short].into_iter().flatten();
    // Without a host, a first part that looks like one would be one.
    let sayable = |path: &str| {
        !hostless || !path.split_once('/').is_some_and(|(first, _)| looks_like_host(first))
    };
    let fits = |path: &str| match (pattern.split_once('/'), path.split_once('/')) {
        // Without a host, the first part is matched like one: its `*` never crosses a `/`.
        (Some((first, rest)), Some((head, tail))) if hostless => {
            covers(first, head) && covers(rest, tail)
        }
        _ => covers(pattern, path),
    };
    let found = spellings.find(|(path, _)| sayable(path) && fits(path));
    found.map(|(_, left_out)| literal(pattern) + left_out)
}

/// The name and the tag; a colon before the last `/` is a port's.
fn split_tag(pattern: &str) -> (&str, Option<&str>) {
    let last = pattern.rfind('/').map_or(0, |slash| slash + 1);
    match pattern[last..].rfind(':') {
        Some(colon) => (&pattern[..last + colon], Some(&pattern[last + colon + 1..])),
        None => (pattern, None),
    }
}

fn literal(pattern: &str) -> usize {
    pattern.bytes().filter(|byte| *byte != b'*').count()
}

/// Whether `text` is `pattern` with anything in the place of each `*`.
fn covers(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(before) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place is as good as any: what follows is covered by the next `*`.
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use portreeve_machines::admission::select::Scope;
    use portreeve_protocol::policy::{
        Mode, Policy, PolicyGroup, PolicyRef, PolicySnapshot, PolicyState, Rule,
    };

    use super::*;
    use crate::rng::Streams;

    fn fit(pattern: &str, image: &str) -> Option<Closeness> {
        closeness(pattern, &image.parse().ok()?)
    }

    #[test]
    fn a_star_in_the_host_never_crosses_a_slash_and_in_the_path_it_does() {
        assert!(fit("*.trusted.example/*", "a.trusted.example/x/y:1").is_some());
        assert!(fit("*.trusted.example/*", "evil.example/x.trusted.example/y").is_none());
        assert!(fit("registry.example/*", "registry.example/a/b/c:1").is_some());
    }

    #[test]
    fn every_spelling_of_an_image_is_covered_and_as_closely() {
        for pattern in ["nginx", "library/nginx", "docker.io/nginx", "index.docker.io/nginx"] {
            let close = fit(pattern, "docker.io/library/nginx:1");
            assert!(close.is_some(), "{pattern}");
            assert_eq!(close, fit("docker.io/library/nginx", "nginx:1"), "{pattern}");
        }
        assert!(fit("Registry.Example:443/app", "registry.example/app:1").is_some());
    }

    #[test]
    fn the_closest_is_exact_then_of_most_host_then_of_most_path() {
        let image = "registry.example/team/app:1";
        let close = |pattern| fit(pattern, image);
        assert!(close("registry.example/team/app:1") > close("registry.example/team/app:*"));
        assert!(close("registry.example/*") > close("*.example/team/app"));
        assert!(close("registry.example/team/*") > close("registry.example/*"));
        assert!(close("registry.example/*") > close("*"));
        assert_eq!(close("docker.io/*"), None);
    }

    #[test]
    fn without_a_tag_every_tag_is_covered() {
        assert!(fit("registry.example/app", "registry.example/app:1").is_some());
        assert!(fit("registry.example/app:1.*", "registry.example/app:1.2").is_some());
        assert!(fit("registry.example/app:2", "registry.example/app:1").is_none());
        assert!(fit("registry.example:5000/app", "registry.example:5000/app:1").is_some());
    }

    /// The machines choose the same rules as the documents: two hands, one meaning.
    #[test]
    fn the_machines_choose_the_rules_that_the_documents_name() {
        let mut rng = Streams::new(1).stream("patterns");
        let hosts = [
            "",
            "docker.io/",
            "index.docker.io/",
            "registry.example/",
            "*.example/",
            "*/",
            "registry.example:5000/",
            "registry.example:443/",
            "Registry.example./",
            "*example/",
        ];
        let paths =
            ["nginx", "library/nginx", "*", "team/*", "team/app", "*/app", "t*m/app", "app"];
        let tags = ["", "", ":1.0", ":*", ":1.*"];
        let images = [
            "nginx",
            "nginx:1.0",
            "team/app:1.0",
            "registry.example/team/app:1.0",
            "registry.example/app:2.0",
            "registry.example:5000/team/app:1.0",
            "other.example/app",
            "docker.io/library/nginx:1.0",
            "registry.example/library/nginx:1.0",
        ];
        let mut part =
            |parts: &[&str]| rng.pick(parts).map_or(String::new(), |it| (*it).to_owned());
        for _ in 0..2_000 {
            let mut pattern = || format!("{}{}{}", part(&hosts), part(&paths), part(&tags));
            let patterns = [pattern(), pattern(), pattern()];
            for image in images {
                agree(&patterns, image);
            }
        }
    }

    fn agree(patterns: &[String], image: &str) {
        let rule = |pattern: &String| Rule {
            mode: Mode::Enforce,
            mutate_image: true,
            pattern: pattern.clone(),
            trust: None,
        };
        let id = PolicyRef { group: PolicyGroup::Portieris, name: "p".to_owned(), namespace: None };
        let rules = PolicyState::Valid(patterns.iter().map(rule).collect());
        let snapshot =
            PolicySnapshot { cluster: vec![Policy { id, rules }], ..PolicySnapshot::default() };
        let Ok(reference) = image.parse::<ImageReference>() else { return };
        let chosen = Scope::of(&snapshot, "any").rules(&reference);
        let chosen: Vec<u32> = chosen.into_iter().flatten().map(|(rule, _)| rule.index).collect();
        let fits: Vec<_> = patterns.iter().map(|pattern| closeness(pattern, &reference)).collect();
        let best = fits.iter().flatten().max();
        let expected: Vec<u32> = (0_u32..)
            .zip(&fits)
            .filter(|(_, fit)| best.is_some() && fit.as_ref() == best)
            .map(|(index, _)| index)
            .collect();
        assert_eq!(chosen, expected, "{patterns:?} for {image}: {fits:?}");
    }
}
