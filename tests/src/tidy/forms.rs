//! `docs/journal-forms.md`: every member of every record and of every machine's state, written from
//! the declarations of the types.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use portreeve_protocol::codec::SCHEMA;

use super::shapes::{Content, Declared, Form, Member, Shape, Shapes};
use super::{Source, tree};
use crate::TestError;

/// What the page is about: a heading, the type it begins with, and the file that declares it.
const PARTS: &[(&str, &str, &str)] = &[
    ("A record", "Record", "protocol/src/entry.rs"),
    ("The state of the admission actor", "Admission", "actors/machines/src/admission/mod.rs"),
    ("The state of a notary fetcher", "NotaryFetcher", "actors/machines/src/notary/mod.rs"),
    ("The state of the policy cache", "PolicyCache", "actors/machines/src/policy/mod.rs"),
];

/// The type of an actor's state in a checkpoint, and the file that declares it; `None` for an actor
/// that keeps none.
#[must_use]
pub fn state_of(actor: &str) -> Option<(&'static str, &'static str)> {
    let kind = actor.split('=').next().unwrap_or_default();
    let at = ["admission", "notary", "policy"].iter().position(|one| *one == kind)?;
    PARTS.get(at + 1).map(|(_, name, file)| (*name, *file))
}

/// The declarations of all that is persisted.
///
/// # Errors
/// As [`tree::sources`].
pub fn declared(root: &Path) -> Result<Shapes, TestError> {
    let pure = |source: &Source| {
        ["protocol/src/", "actors/machines/src/"].iter().any(|at| source.path.starts_with(at))
    };
    Ok(Shapes::of(&tree::sources(root)?.into_iter().filter(pure).collect::<Vec<_>>()))
}

/// The members and choices of the page that nothing is said of.
#[must_use]
pub fn without_meaning(shapes: &Shapes) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (_, name, file) in PARTS {
        for declared in shapes.reached(name, file) {
            for (member, doc) in meanings(declared) {
                if doc.is_empty() {
                    found.insert(format!("{} in {}: {member}", declared.name, declared.file));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn meanings(declared: &Declared) -> Vec<(String, &str)> {
    match &declared.form {
        Form::Object(members) => {
            members.iter().map(|member| (member.name.clone(), member.doc.as_str())).collect()
        }
        Form::Choice(variants) => {
            let mut found = Vec::new();
            for variant in variants {
                found.push((variant.name.clone(), variant.doc.as_str()));
                if let Content::Members(members) = &variant.content {
                    let name = |member: &Member| format!("{}.{}", variant.name, member.name);
                    let each = members.iter().map(|member| (name(member), member.doc.as_str()));
                    found.extend(each);
                }
            }
            found
        }
    }
}

/// The page.
#[must_use]
pub fn page(shapes: &Shapes) -> String {
    let mut page = format!("# The forms of the journal's records, schema version {SCHEMA}\n{HEAD}");
    let mut told: Vec<&Declared> = Vec::new();
    for (heading, name, file) in PARTS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {heading}\n");
        for declared in shapes.reached(name, file) {
            if !told.contains(&declared) {
                told.push(declared);
                page.push_str(&Table { declared, shapes }.text());
            }
        }
    }
    page
}

/// The table of one type.
struct Table<'a> {
    declared: &'a Declared,
    shapes: &'a Shapes,
}

impl Table<'_> {
    fn text(&self) -> String {
        let Declared { doc, file, form, .. } = self.declared;
        let mut text = format!("\n### {}\n\n", title(self.shapes, self.declared));
        if !doc.is_empty() {
            let _ = write!(text, "{doc}\n\n");
        }
        let (kind, first) = match form {
            Form::Choice(_) => ("Choice", "choice"),
            Form::Object(_) => ("Object", "member"),
        };
        let _ = writeln!(text, "{kind}; `{file}`.\n\n| {first} | form | meaning |\n|---|---|---|");
        match form {
            Form::Object(members) => {
                members.iter().for_each(|member| text.push_str(&self.row("", member)));
            }
            Form::Choice(variants) => {
                for variant in variants {
                    let form = match &variant.content {
                        Content::Members(_) => "object of what follows".to_owned(),
                        Content::Nothing => "its name alone".to_owned(),
                        Content::Value(shape) => self.said(shape),
                    };
                    let _ = writeln!(text, "| `{}` | {form} | {} |", variant.name, variant.doc);
                    if let Content::Members(members) = &variant.content {
                        let under = format!("{}.", variant.name);
                        members.iter().for_each(|member| text.push_str(&self.row(&under, member)));
                    }
                }
            }
        }
        text
    }

    fn row(&self, under: &str, member: &Member) -> String {
        let Member { doc, left_out, name, shape } = member;
        let left_out = match (left_out, shape) {
            (false, _) => "",
            (true, Shape::Optional(_)) => ", left out where there is none",
            (true, _) => ", left out while false",
        };
        format!("| `{under}{name}` | {}{left_out} | {doc} |\n", self.said(shape))
    }

    /// A form in words.
    fn said(&self, shape: &Shape) -> String {
        let said = |shape| self.said(shape);
        match shape {
            Shape::Either(one, other) => {
                format!("`{{\"Ok\":…}}` of {} or `{{\"Err\":…}}` of {}", said(one), said(other))
            }
            Shape::List(inner) => format!("list of {}", said(inner)),
            Shape::Map(key, content) => format!("object from {} to {}", said(key), said(content)),
            Shape::Named(name) => {
                let found = self.shapes.find(name, &self.declared.file);
                let title = found.map_or_else(|| name.clone(), |it| title(self.shapes, it));
                let anchor = title.to_lowercase().replace(' ', "-");
                format!("[{name}](#{anchor})")
            }
            Shape::Optional(inner) => format!("{} or `null`", said(inner)),
            Shape::Pairs(key, content) => {
                format!("list of pairs `[key, value]`, from {} to {}", said(key), said(content))
            }
            Shape::Plain(name) => (*name).to_owned(),
            Shape::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(said).collect();
                format!("list of exactly {}", parts.join(", "))
            }
        }
    }
}

/// The heading of a type: its name, with where it is declared if another one has that name too.
fn title(shapes: &Shapes, declared: &Declared) -> String {
    let Declared { file, name, .. } = declared;
    if shapes.find(name, "").is_none_or(|shared| shared == declared) {
        return name.clone();
    }
    let folder = file.rsplit('/').nth(1).unwrap_or_default();
    format!("{name} of {folder}")
}

/// What stands before the tables.
const HEAD: &str = "
Every member of every record, and of the states of machines in a `Checkpoint`. What the bytes of a
line are, and what a journal means, is in [journal.md](journal.md). Written from the declarations
of the types; `PORTREEVE_BLESS=1 cargo test -p portreeve-tests --test tidy` writes it anew, and
`tests/tests/forms.rs` holds it against the golden lines and against the journal of a real node.

An *object* has all members that its table names and no others, but for those that are left out
while false or where there is none. A *choice* is written as its name where its table says so,
else as an object with its name as the one member: `\"Absent\"`, `{\"Refused\":{…}}`. Objects
from a digest or a text to something have it as the names of their members. Lists keep the order
they are in; those that stand for sets are in ascending order and without doubles, as the keys
of pairs are.

| form | what it is |
|---|---|
| actor | text: `admission`, `policy`, `notary=` and the trust server's URL, `verify=` and a \
    number in the pool |
| any | the state of the actor that it stands beside, as in the table of that actor's kind |
| blob | object of `length`, a number of bytes, and `sha256`, the digest they are stored under |
| boolean | `true` or `false` |
| bundle code | text: a code of [bundle-format.md](bundle-format.md) |
| code | text: a code of [reasons.md](reasons.md) |
| digest | text: 64 lower-case hexadecimal digits, a SHA-256 |
| event | text: node, incarnation, actor, and number of the delivery, with `/` between |
| mono | number: microseconds since the incarnation began |
| number | an integer that is not negative: microseconds, bytes or a count, as its table says |
| text | a string |
| wall | number: microseconds since 1970-01-01T00:00:00Z; may be negative |
";
