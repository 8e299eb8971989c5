//! Which credential is for which image, as the kubelet sees it.
//!
//! The rules are those of Kubernetes, `pkg/credentialprovider/keyring.go`: `BasicDockerKeyring.Add`
//! (what of an entry's name counts), `URLsMatch` (when it covers an image),
//! `BasicDockerKeyring.Lookup` (in which order, and Docker Hub's own name). Three things differ,
//! since references are normalised here: hosts are compared without regard to case, port 443 is
//! the same as none, and `localhost/x` is not Docker Hub's.

/// The name Docker Hub's credentials stand under (`defaultRegistryHost`), once `/v1/` is gone.
const DOCKER_HUB_KEY: &str = "index.docker.io";

/// The name of an entry: a host, perhaps with globs in it, perhaps a port and the start of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    labels: Vec<String>,
    path: String,
    port: Option<String>,
    text: String,
}

impl Pattern {
    /// Reads the name of an entry. `None` if it names no host.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let bare = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
        let bare = bare.unwrap_or(name);
        let bare = &bare[..bare.find(['?', '#']).unwrap_or(bare.len())];
        let (authority, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
        let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        // What Go's `url.Parse` takes in a host, as far as it is ASCII.
        let strange = |c: char| c.is_ascii_control() || " \\^%{}|`".contains(c);
        if host.is_empty() || host.contains(strange) || path.contains(char::is_control) {
            return None;
        }
        // `/v1/` and `/v2/` say which interface, not which repositories.
        let versioned = path.starts_with("/v1/") || path.starts_with("/v2/");
        let path = if versioned { &path[3..] } else { path };
        let path = if path == "/" { "" } else { path };
        let (labels, port) = split_host(&host)?;
        let text = format!("{host}{path}");
        Some(Self { labels, path: path.to_owned(), port, text })
    }

    /// The name as the kubelet sorts it: later ones come first, so that of two with the same start
    /// the longer one does, and one without a glob before one with it.
    pub(crate) fn order(&self) -> &str {
        &self.text
    }

    /// Whether it covers the repository (host and path, as a GUN).
    pub(crate) fn covers(&self, gun: &str) -> bool {
        let (host, path) = gun.split_at(gun.find('/').unwrap_or(gun.len()));
        let Some((labels, port)) = split_host(host) else { return false };
        // A plain prefix, so that `host/team` covers `host/team-b` too: the kubelet's own rule.
        self.port == port
            && self.labels.len() == labels.len()
            && path.starts_with(&self.path)
            && self.labels.iter().zip(&labels).all(|(glob, label)| glob_matches(glob, label))
    }

    /// Whether it is the name Docker Hub's credentials usually stand under, which cover its images
    /// when no other does.
    pub(crate) fn is_docker_hub(&self) -> bool {
        self.text == DOCKER_HUB_KEY
    }
}

/// Labels and port of a host. `None` for a port that is no number.
fn split_host(host: &str) -> Option<(Vec<String>, Option<String>)> {
    let colon = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    let lone = host.starts_with('[') || host.matches(':').count() == 1;
    let (name, port) = match colon {
        Some(at) if lone => (&host[..at], Some(&host[at + 1..])),
        _ => (host, None),
    };
    if port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let port = port.filter(|port| !port.is_empty() && *port != "443").map(str::to_owned);
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    Some((name.split('.').map(str::to_owned).collect(), port))
}

/// Go's `filepath.Match` on one label: `*` and `[a-z]`. Its other signs cannot stand in a host. A
/// pattern that is not well formed matches nothing.
fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<_>, Vec<_>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut on) = (0, 0);
    // Where to take up again when one more character belongs to the last `*`.
    let mut star = None;
    loop {
        let step = match glob.get(at) {
            None if on == text.len() => return true,
            None => None,
            Some('*') => {
                star = Some((at + 1, on));
                at += 1;
                continue;
            }
            Some(_) => text.get(on).and_then(|c| one_matches(&glob[at..], *c)),
        };
        match (step, star) {
            (Some(length), _) => (at, on) = (at + length, on + 1),
            (None, Some((after, from))) if from < text.len() => {
                star = Some((after, from + 1));
                (at, on) = (after, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How much of the glob stands for this one character; `None` if it does not.
fn one_matches(glob: &[char], c: char) -> Option<usize> {
    match glob {
        ['[', class @ ..] => class_matches(class, c),
        [plain, ..] => (*plain == c).then_some(1),
        [] => None,
    }
}

/// The same for a class, whose `[` has been read.
fn class_matches(class: &[char], c: char) -> Option<usize> {
    let end = class.iter().position(|c| *c == ']').filter(|end| *end > 0)?;
    let mut members = &class[..end];
    let mut found = false;
    while let Some(low) = members.first().filter(|low| **low != '-') {
        (found, members) = match members {
            [_, '-', high, rest @ ..] => (found || (*low..=*high).contains(&c), rest),
            _ => (found || *low == c, &members[1..]),
        };
    }
    // A `-` without a character before it is not well formed.
    (found && members.is_empty()).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(name: &str, gun: &str) -> bool {
        Pattern::parse(name).is_some_and(|pattern| pattern.covers(gun))
    }

    #[test]
    fn an_entry_covers_images_of_its_host_port_and_path() {
        for (name, gun) in [
            ("quay.io", "quay.io/team/app"),
            ("https://quay.io", "quay.io/team/app"),
            ("http://quay.io/", "quay.io/team/app"),
            ("https://quay.io/v2/", "quay.io/team/app"),
            ("https://quay.io/v1/team", "quay.io/team/app"),
            ("QUAY.io", "quay.io/team/app"),
            ("quay.io/team", "quay.io/team/app"),
            ("quay.io/team", "quay.io/team-b/app"),
            ("quay.io/team/", "quay.io/team/app"),
            ("quay.io:443", "quay.io/team/app"),
            ("host:5000", "host:5000/app"),
            ("[::1]:5000", "[::1]:5000/app"),
            ("user@quay.io", "quay.io/app"),
            ("quay.io?x=/y", "quay.io/app"),
        ] {
            assert!(covers(name, gun), "{name} {gun}");
        }
        for (name, gun) in [
            ("quay.io", "evilquay.io/app"),
            ("quay.io", "quay.io.evil.example/app"),
            ("quay.io/team", "quay.io/other/app"),
            ("quay.io/team/", "quay.io/team"),
            ("quay.io:8443", "quay.io/app"),
            ("quay.io", "quay.io:8443/app"),
            ("https://quay.io/v2", "quay.io/team/app"),
            ("https://", "quay.io/app"),
            ("quay.io:port", "quay.io/app"),
            ("", "quay.io/app"),
            ("quay io", "quay.io/app"),
        ] {
            assert!(!covers(name, gun), "{name} {gun}");
        }
    }

    #[test]
    fn a_glob_stands_for_part_of_one_label_and_never_for_a_dot() {
        for (name, gun) in [
            ("*.kubernetes.io", "a.kubernetes.io/app"),
            ("k8s.*.io", "k8s.b.io/app"),
            ("k8s.*", "k8s.io/app"),
            ("app*.k8s.io", "app12.k8s.io/app"),
            ("*-b*.io", "a-b-b-c.io/app"),
            ("*.*.registry.io", "a.b.registry.io/app"),
            ("r[a-f]g.io", "reg.io/app"),
            ("r[xe]g.io", "reg.io/app"),
            ("*.io:5000/team", "reg.io:5000/team/app"),
        ] {
            assert!(covers(name, gun), "{name} {gun}");
        }
        for (name, gun) in [
            ("*.io", "a.kubernetes.io/app"),
            ("*", "kubernetes.io/app"),
            ("*.kubernetes.io", "kubernetes.io/app"),
            ("*.trusted.example", "evil.example/x.trusted.example/app"),
            ("quay.io/*", "quay.io/app"),
            ("reg.io:*", "reg.io:5000/app"),
            ("r[e.io", "reg.io/app"),
            ("r[]g.io", "reg.io/app"),
            ("r[-e]g.io", "reg.io/app"),
            ("r[f-z]g.io", "reg.io/app"),
            ("r[^x]g.io", "reg.io/app"),
            ("r\\eg.io", "reg.io/app"),
            ("r?g.io", "reg.io/app"),
        ] {
            assert!(!covers(name, gun), "{name} {gun}");
        }
    }

    #[test]
    fn docker_hub_is_known_by_the_names_its_tools_write() {
        for name in
            ["https://index.docker.io/v1/", "index.docker.io", "https://index.docker.io/v2/"]
        {
            let hub = Pattern::parse(name).is_some_and(|pattern| pattern.is_docker_hub());
            assert!(hub, "{name}");
        }
        for name in ["docker.io", "https://index.docker.io/v1", "index.docker.io/team"] {
            let hub = Pattern::parse(name).is_some_and(|pattern| pattern.is_docker_hub());
            assert!(!hub, "{name}");
        }
    }

    #[test]
    fn a_long_glob_is_decided_in_good_time() {
        let glob = "*a".repeat(200);
        assert!(!glob_matches(&glob, &"a".repeat(199)));
        assert!(glob_matches(&glob, &"ba".repeat(300)));
    }
}
