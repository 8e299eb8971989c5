//! Declarations of types that can be written, as rustfmt leaves them, to the forms they are written
//! in.

use std::iter::Peekable;
use std::str::Lines;

use super::Source;
use super::shapes::{Content, Declared, Form, Member, PLAIN, Shape, Variant};

/// The types of a file that derive `Serialize`.
pub(super) fn declarations(source: &Source) -> Vec<Declared> {
    let mut lines = source.text.lines().peekable();
    let mut found = Vec::new();
    let mut before = Before::default();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if before.take(line, &mut lines) {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| matches!(*word, "struct" | "enum")).unwrap_or(9);
        let written = before.attributes.contains("Serialize") && at < 2;
        if let (true, Some(name)) = (written, words.get(at + 1)) {
            let (doc, file) = (before.doc(), source.path.clone());
            let name = name.trim_end_matches(['{', ';']).to_owned();
            let form = match words[at] {
                _ if !line.ends_with('{') => None,
                "enum" => Some(Form::Choice(variants(&mut lines))),
                _ => Some(Form::Object(members(&mut lines))),
            };
            found.extend(form.map(|form| Declared { doc, file, form, name }));
        }
        before = Before::default();
    }
    found
}

/// The comments and attributes before a declaration.
#[derive(Default)]
struct Before {
    attributes: String,
    comments: Vec<String>,
}

impl Before {
    /// Takes a line, if it belongs here.
    fn take(&mut self, line: &str, lines: &mut Peekable<Lines<'_>>) -> bool {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("///") {
            self.comments.push(comment.trim().to_owned());
            return true;
        }
        if !line.starts_with("#[") {
            return false;
        }
        self.attributes.push_str(line);
        while self.attributes.matches('[').count() > self.attributes.matches(']').count() {
            let Some(more) = lines.next() else { break };
            self.attributes.push_str(more.trim());
        }
        true
    }

    /// The first paragraph, without the marks of links, in the words of JSON.
    fn doc(&self) -> String {
        let first = self.comments.iter().take_while(|line| !line.is_empty());
        let text = first.cloned().collect::<Vec<_>>().join(" ");
        text.replace("[`", "`")
            .replace("`]", "`")
            .replace("`crate::", "`")
            .replace("`None`", "`null`")
            .replace('|', "\\|")
    }
}

/// Members up to the closing brace.
fn members(lines: &mut Peekable<Lines<'_>>) -> Vec<Member> {
    let mut found = Vec::new();
    let mut before = Before::default();
    while let Some(line) = lines.next() {
        if line.trim().starts_with('}') {
            break;
        }
        if before.take(line, lines) {
            continue;
        }
        let mut text = line.trim().to_owned();
        while !text.ends_with(',') {
            let Some(more) = lines.next() else { break };
            text.push_str(more.trim());
        }
        if let Some((name, of)) = text.trim_end_matches(',').split_once(": ")
            && !before.attributes.contains("serde(skip)")
        {
            let name = name.rsplit(' ').next().unwrap_or(name).to_owned();
            let left_out = before.attributes.contains("skip_serializing_if");
            let shape = shape(of, &before.attributes);
            found.push(Member { doc: before.doc(), left_out, name, shape });
        }
        before = Before::default();
    }
    found
}

/// The choices up to the closing brace.
fn variants(lines: &mut Peekable<Lines<'_>>) -> Vec<Variant> {
    let mut found = Vec::new();
    let mut before = Before::default();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('}') {
            break;
        }
        if before.take(line, lines) {
            continue;
        }
        let end = line.find(|it: char| !it.is_alphanumeric()).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let content = match rest.chars().next() {
            Some('(') => {
                let of = rest.trim_end_matches(',');
                let parts = of.strip_prefix('(').and_then(|of| of.strip_suffix(')'));
                let parts = split(parts.unwrap_or_default());
                Content::Value(match parts.as_slice() {
                    [one] => shape(one, &before.attributes),
                    _ => Shape::Tuple(parts.iter().map(|part| shape(part, "")).collect()),
                })
            }
            Some(' ') => Content::Members(members(lines)),
            _ => Content::Nothing,
        };
        found.push(Variant { content, doc: before.doc(), name: name.to_owned() });
        before = Before::default();
    }
    found
}

/// The form of a Rust type.
fn shape(text: &str, attributes: &str) -> Shape {
    let text = text.trim();
    if attributes.contains("by_digest") {
        return Shape::Plain("digest");
    }
    if let Some(parts) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        return Shape::Tuple(split(parts).iter().map(|part| shape(part, "")).collect());
    }
    if let Some(item) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Shape::List(Box::new(shape(item, "")));
    }
    let (outer, inner) = match text.split_once('<') {
        Some((outer, rest)) => (outer, split(rest.strip_suffix('>').unwrap_or(rest))),
        None => (text, Vec::new()),
    };
    let outer = outer.rsplit("::").next().unwrap_or(outer);
    let part = |at: usize| Box::new(shape(inner.get(at).copied().unwrap_or_default(), ""));
    match outer {
        "Arc" | "Box" => *part(0),
        "Cow" => *part(1),
        "Vec" | "BTreeSet" => Shape::List(part(0)),
        "Option" => Shape::Optional(part(0)),
        "Result" => Shape::Either(part(0), part(1)),
        "BTreeMap" if attributes.contains("pairs") => Shape::Pairs(part(0), part(1)),
        "BTreeMap" => Shape::Map(part(0), part(1)),
        // Declared by the types they stand for.
        "Floors" => shape("BTreeMap<String, Floor>", ""),
        "Proof" => Shape::Named("Evidence".to_owned()),
        _ => match PLAIN.iter().find(|(name, _)| *name == outer) {
            Some((_, plain)) => Shape::Plain(plain),
            None => Shape::Named(outer.to_owned()),
        },
    }
}

/// Splits at the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::super::shapes::Shapes;
    use super::*;

    const TEXT: &str = "\
/// A thing; see [`Other`].
///
/// More about it.
#[derive(
    Debug, Serialize, Deserialize,
)]
pub(super) struct Thing {
    /// Its parts, by name; `None` if it has none.
    #[serde(with = \"crate::pairs\")]
    pub(super) parts: BTreeMap<(String, u64), Result<Vec<Other>, String>>,
    /// Not written.
    #[serde(skip)]
    cache: Cache,
    proof: Option<Arc<Other>>,
}

#[derive(Debug)]
struct Cache;

#[derive(Serialize)]
enum Other {
    None,
    One(Box<Thing>),
    Two {
        at: Mono,
    },
    Three(Mono, Sha256),
}
";

    fn shapes() -> Shapes {
        Shapes::of(&[Source::new("x.rs", TEXT)])
    }

    #[test]
    fn members_are_read_with_their_forms_and_meanings() {
        let shapes = shapes();
        let thing = shapes.find("Thing", "y.rs");
        let Some(Declared { doc, form: Form::Object(members), .. }) = thing else {
            panic!("{thing:?}")
        };
        assert_eq!(doc, "A thing; see `Other`.");
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["parts", "proof"]);
        assert_eq!(members[0].doc, "Its parts, by name; `null` if it has none.");
        let reached = shapes.reached("Thing", "x.rs");
        assert_eq!(reached.len(), 2, "a type that is not written has no form");
    }

    #[test]
    fn values_are_held_against_the_declared_forms() {
        let shapes = shapes();
        let fits = |text: &str| {
            let value = serde_json::from_str(text).map_err(|error| error.to_string());
            value.and_then(|value| shapes.fits("Thing", "x.rs", &value))
        };
        assert_eq!(fits(r#"{"parts":[[["a",1],{"Ok":["None"]}]],"proof":null}"#), Ok(()));
        let inner = r#"{"One":{"parts":[],"proof":{"Two":{"at":5}}}}"#;
        assert_eq!(fits(&format!(r#"{{"parts":[],"proof":{inner}}}"#)), Ok(()));
        for (text, why) in [
            (r#"{"parts":[]}"#, "`proof` is not there"),
            (r#"{"parts":[],"proof":null,"x":1}"#, "`x` is not documented"),
            (r#"{"parts":{},"proof":null}"#, "is not Pairs"),
            (r#"{"parts":[],"proof":"Four"}"#, "`Four` is not documented"),
            (r#"{"parts":[],"proof":{"Two":{"at":"5"}}}"#, "is not Plain"),
        ] {
            let found = fits(text).err().unwrap_or_default();
            assert!(found.contains(why), "{text}: {found}");
        }
    }
}
