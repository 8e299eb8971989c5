//! Patterns of policies, and how closely they fit an image.
//!
//! Host and path are matched apart, so that a `*` in the host never reaches into the path:
//! otherwise `*.trusted.example/*` would cover `evil.example/x.trusted.example/y`.

use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::reference::{ImageReference, Spelling, normal_host, split_port};

/// How closely a pattern fits; the greatest decides. Text that a pattern spells in a shorter
/// equivalent way counts as if it were spelt in full, so that equal patterns fit equally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    /// Whether the pattern is the reference, tag or digest included.
    exact: bool,
    /// Bytes of the host that are not left to a `*`.
    host: usize,
    /// Bytes of path, tag and digest that are not left to a `*`.
    path: usize,
}

/// An image as patterns are held against it.
#[derive(Debug)]
pub struct Subject {
    host: String,
    spellings: Vec<Spelling>,
    /// What may follow the path: the tag, the digest, or both; never empty text.
    suffixes: Vec<String>,
}

impl Subject {
    /// Prepares `reference` for matching.
    #[must_use]
    pub fn new(reference: &ImageReference) -> Self {
        let mut suffixes = Vec::with_capacity(3);
        let tag = reference.tag.as_ref().map(|tag| format!(":{tag}"));
        if let Some(digest) = reference.digest.map(|digest| format!("@{}", digest.to_oci())) {
            suffixes.extend(tag.as_ref().map(|tag| format!("{tag}{digest}")));
            suffixes.push(digest);
        }
        suffixes.extend(tag);
        Self { host: reference.host.clone(), spellings: reference.spellings(), suffixes }
    }

    /// Whether `pattern` covers the image, and how closely.
    #[must_use]
    pub fn fit(&self, pattern: &str) -> Option<Specificity> {
        let pattern = without_any_tag(pattern);
        if pattern == "*" {
            return Some(Specificity { exact: false, host: 0, path: 0 });
        }
        match pattern.split_once('/') {
            None => self.fit_name(pattern),
            Some((first, rest)) => {
                let fit = self.fit_host(first, rest).or_else(|| self.fit_hub(first, rest));
                fit.or_else(|| self.fit_across(pattern))
            }
        }
    }

    /// A pattern held against host and path as one text: never, for what the `*` would reach.
    fn fit_across(&self, pattern: &str) -> Option<Specificity> {
        if !planted::is(Bug::WildcardCrossesSlash) {
            return None;
        }
        let hosted = self.spellings.iter().filter_map(|it| Some((it.host.as_deref()?, &it.path)));
        let mut names = hosted.map(|(host, path)| format!("{host}/{path}"));
        let exact = names.find_map(|name| self.fit_path(pattern, &name))?;
        Some(Specificity { exact, host: 0, path: literal(pattern) })
    }

    /// A pattern without `/`: any image with a tag (`*:v1`), or a Docker Hub image of one part.
    fn fit_name(&self, pattern: &str) -> Option<Specificity> {
        if let Some(suffix) = pattern.strip_prefix('*').filter(|it| it.starts_with([':', '@'])) {
            let fits = self.suffixes.iter().any(|it| glob(suffix, it));
            return fits.then(|| Specificity { exact: false, host: 0, path: literal(suffix) });
        }
        let spelling = self.hub().find(|it| !it.path.contains('/'))?;
        let exact = self.fit_path(pattern, &spelling.path)?;
        let path = literal(pattern) + spelling.left_out;
        Some(Specificity { exact, host: self.host.len(), path })
    }

    /// A pattern with a host.
    fn fit_host(&self, first: &str, rest: &str) -> Option<Specificity> {
        let wild = first.contains('*');
        let host = HostPattern::new(first);
        self.spellings.iter().find_map(|spelling| {
            if !spelling.host.as_deref().is_some_and(|it| host.covers(it)) {
                return None;
            }
            let exact = self.fit_path(rest, &spelling.path)? && !wild;
            // A host with `*` fits less closely than the host itself, whichever spelling it fits.
            let full = self.host.len();
            let host = if wild { literal(&host.text).min(full.saturating_sub(1)) } else { full };
            Some(Specificity { exact, host, path: literal(rest) + spelling.left_out })
        })
    }

    /// A pattern of several parts that leaves Docker Hub's host out.
    fn fit_hub(&self, first: &str, rest: &str) -> Option<Specificity> {
        self.hub().find_map(|spelling| {
            let (head, tail) = spelling.path.split_once('/')?;
            let wild = first.contains('*');
            let exact = glob(first, head).then(|| self.fit_path(rest, tail))?? && !wild;
            let host = if wild { 0 } else { self.host.len() };
            let path = literal(first) + 1 + literal(rest) + spelling.left_out;
            Some(Specificity { exact, host, path })
        })
    }

    fn hub(&self) -> impl Iterator<Item = &Spelling> {
        self.spellings.iter().filter(|spelling| spelling.host.is_none())
    }

    /// Whether a pattern's path, with tag and digest if it has them, covers `path`; true if it is
    /// the whole. A pattern reaches into the digest only if it has an `@`: never by chance.
    fn fit_path(&self, pattern: &str, path: &str) -> Option<bool> {
        if glob(pattern, path) {
            return Some(false);
        }
        let wild = pattern.contains('*');
        let digest = pattern.contains('@');
        if !wild && !digest && !pattern.contains(':') {
            return None;
        }
        let mut suffixes = self.suffixes.iter().filter(|it| it.contains('@') == digest);
        suffixes.any(|it| glob(pattern, &format!("{path}{it}"))).then_some(!wild)
    }
}

/// The host of a pattern, in the form in which hosts of references are.
struct HostPattern {
    /// It covers only what is reached at port 443, which references of most hosts leave out.
    only_https: bool,
    text: String,
}

impl HostPattern {
    fn new(written: &str) -> Self {
        if let Ok(text) = normal_host(written)
            && !written.contains('*')
        {
            return Self { only_https: false, text };
        }
        let lower = written.to_ascii_lowercase();
        let (name, port) = split_port(&lower);
        let name = name.strip_suffix('.').unwrap_or(name);
        let digits = port.map(|port| port.trim_start_matches('0'));
        match digits {
            None => Self { only_https: false, text: name.to_owned() },
            Some("443") => Self { only_https: true, text: name.to_owned() },
            Some(port) => Self { only_https: false, text: format!("{name}:{port}") },
        }
    }

    fn covers(&self, host: &str) -> bool {
        if !self.only_https {
            return glob(&self.text, host);
        }
        let (name, port) = split_port(host);
        port.is_none_or(|port| port == "443") && glob(&self.text, name)
    }
}

/// `name:*` says what `name` says: any tag, and no tag as well. Behind an `@` it says "any digest".
pub(crate) fn without_any_tag(pattern: &str) -> &str {
    let name = pattern.strip_suffix(":*").filter(|it| !it.is_empty() && !it.contains('@'));
    name.unwrap_or(pattern)
}

/// Bytes of a pattern that are not `*`.
fn literal(pattern: &str) -> usize {
    pattern.bytes().filter(|byte| *byte != b'*').count()
}

/// Whether `pattern`, in which `*` stands for any text, is all of `text`. Takes time in proportion
/// to both, since anyone may write policies: each piece is sought once, as far left as can be.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.find(piece) {
            None => return false,
            Some(at) => text = &text[at + piece.len()..],
        }
    }
    text.ends_with(tail)
}
