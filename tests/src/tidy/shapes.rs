//! The JSON forms of what is persisted, read from the declarations of the types: what a value must
//! look like, and what each member of it means.

use std::collections::BTreeMap;

use portreeve_protocol::{EventId, Sha256};
use serde_json::Value;

use super::Source;
use super::declarations::declarations;

/// The declarations of all types that can be written.
#[derive(Debug, Default)]
pub struct Shapes {
    types: BTreeMap<(String, String), Declared>,
}

/// A type as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What it is for.
    pub doc: String,
    /// The file that declares it.
    pub file: String,
    /// How it is written.
    pub form: Form,
    /// Its name.
    pub name: String,
}

/// How a declared type is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As the name of one of these, or an object with that name as its one member.
    Choice(Vec<Variant>),
    /// As an object.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it means.
    pub doc: String,
    /// Whether it is not written while it is false.
    pub left_out: bool,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub shape: Shape,
}

/// One of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// What is written under its name.
    pub content: Content,
    /// What it means.
    pub doc: String,
    /// Its name.
    pub name: String,
}

/// What a choice holds besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An object.
    Members(Vec<Member>),
    /// Nothing: it is written as its name.
    Nothing,
    /// A value.
    Value(Shape),
}

/// The form of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `{"Ok":…}` or `{"Err":…}`.
    Either(Box<Shape>, Box<Shape>),
    /// A list of equal things.
    List(Box<Shape>),
    /// An object whose names are keys.
    Map(Box<Shape>, Box<Shape>),
    /// A declared type.
    Named(String),
    /// The thing or `null`.
    Optional(Box<Shape>),
    /// A list of pairs of key and value.
    Pairs(Box<Shape>, Box<Shape>),
    /// A value that needs no table: one of [`PLAIN`].
    Plain(&'static str),
    /// A list of exactly these.
    Tuple(Vec<Shape>),
}

/// Rust names of plain values, and what they are called here.
pub const PLAIN: &[(&str, &str)] = &[
    ("ActorId", "actor"),
    ("Blob", "blob"),
    ("BundleCode", "bundle code"),
    ("DenyCode", "code"),
    ("EventId", "event"),
    ("Mono", "mono"),
    ("NodeId", "text"),
    ("Sha256", "digest"),
    ("String", "text"),
    ("Value", "any"),
    ("Wall", "wall"),
    ("bool", "boolean"),
    ("i64", "number"),
    ("str", "text"),
    ("u16", "number"),
    ("u32", "number"),
    ("u64", "number"),
    ("usize", "number"),
];

impl Shapes {
    /// The declarations in these files.
    #[must_use]
    pub fn of(sources: &[Source]) -> Self {
        let mut types = BTreeMap::new();
        for source in sources {
            for declared in declarations(source) {
                types.insert((source.path.clone(), declared.name.clone()), declared);
            }
        }
        Self { types }
    }

    /// The type of this name as the file `from` means it: its own, or the only one there is, or
    /// that of the protocol.
    #[must_use]
    pub fn find(&self, name: &str, from: &str) -> Option<&Declared> {
        if let Some(own) = self.types.get(&(from.to_owned(), name.to_owned())) {
            return Some(own);
        }
        let of_name = || self.types.values().filter(|one| one.name == name);
        let shared = of_name().find(|one| one.file.starts_with("protocol/"));
        shared.or_else(|| of_name().next().filter(|_| of_name().count() == 1))
    }

    /// `root` of `file` and all that it is made of, each once, in the order in which it is met.
    #[must_use]
    pub fn reached(&self, root: &str, file: &str) -> Vec<&Declared> {
        let mut found: Vec<&Declared> = self.find(root, file).into_iter().collect();
        let mut next = 0;
        while let Some(declared) = found.get(next).copied() {
            next += 1;
            for name in names(&declared.form) {
                if let Some(part) = self.find(name, &declared.file)
                    && !found.contains(&part)
                {
                    found.push(part);
                }
            }
        }
        found
    }

    /// Whether `value` has the form of `name` as `file` means it.
    ///
    /// # Errors
    /// Where it departs from it, as a sentence.
    pub fn fits(&self, name: &str, file: &str, value: &Value) -> Result<(), String> {
        let Some(declared) = self.find(name, file) else {
            return Err(format!("{name} of {file} is not declared"));
        };
        let form = match &declared.form {
            Form::Object(members) => self.fits_members(members, &declared.file, value),
            Form::Choice(variants) => self.fits_choice(variants, &declared.file, value),
        };
        form.map_err(|why| format!("{name}: {why}"))
    }

    fn fits_members(&self, members: &[Member], file: &str, value: &Value) -> Result<(), String> {
        let Value::Object(object) = value else { return Err(format!("{value} is no object")) };
        let known = |name: &String| members.iter().any(|member| member.name == *name);
        if let Some(name) = object.keys().find(|name| !known(name)) {
            return Err(format!("`{name}` is not documented"));
        }
        for member in members {
            match object.get(&member.name) {
                Some(value) => self
                    .fits_shape(&member.shape, file, value)
                    .map_err(|why| format!("{}: {why}", member.name))?,
                None if member.left_out => {}
                None => return Err(format!("`{}` is not there", member.name)),
            }
        }
        Ok(())
    }

    fn fits_choice(&self, variants: &[Variant], file: &str, value: &Value) -> Result<(), String> {
        let (name, content) = match value {
            Value::String(name) => (name, None),
            Value::Object(object) if object.len() == 1 => {
                let (name, content) = object.iter().next().ok_or("an empty choice")?;
                (name, Some(content))
            }
            Value::Array(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Number(_)
            | Value::Object(_) => return Err(format!("{value} is no choice")),
        };
        let found = variants.iter().find(|variant| variant.name == *name);
        let found = found.ok_or_else(|| format!("`{name}` is not documented"))?;
        match (&found.content, content) {
            (Content::Nothing, None) => Ok(()),
            (Content::Members(members), Some(content)) => self.fits_members(members, file, content),
            (Content::Value(shape), Some(content)) => self.fits_shape(shape, file, content),
            (_, content) => Err(format!("{content:?} does not stand under `{name}`")),
        }
        .map_err(|why| format!("{name}: {why}"))
    }

    fn fits_shape(&self, shape: &Shape, file: &str, value: &Value) -> Result<(), String> {
        let wrong = || Err(format!("{value} is not {shape:?}"));
        match (shape, value) {
            (Shape::Named(name), _) => self.fits(name, file, value),
            (Shape::Plain(name), _) if plain(name, value) => Ok(()),
            (Shape::Optional(_), Value::Null) => Ok(()),
            (Shape::Optional(inner), _) => self.fits_shape(inner, file, value),
            (Shape::List(inner), Value::Array(list)) => {
                list.iter().try_for_each(|one| self.fits_shape(inner, file, one))
            }
            (Shape::Tuple(parts), Value::Array(list)) if parts.len() == list.len() => {
                let mut both = parts.iter().zip(list);
                both.try_for_each(|(part, one)| self.fits_shape(part, file, one))
            }
            (Shape::Pairs(key, content), Value::Array(list)) => {
                let pair = Shape::Tuple(vec![(**key).clone(), (**content).clone()]);
                list.iter().try_for_each(|one| self.fits_shape(&pair, file, one))
            }
            (Shape::Map(key, content), Value::Object(object)) => {
                object.iter().try_for_each(|(name, one)| {
                    self.fits_shape(key, file, &Value::String(name.clone()))?;
                    self.fits_shape(content, file, one)
                })
            }
            (Shape::Either(good, bad), Value::Object(object)) if object.len() == 1 => {
                match object.iter().next() {
                    Some((name, one)) if name == "Ok" => self.fits_shape(good, file, one),
                    Some((name, one)) if name == "Err" => self.fits_shape(bad, file, one),
                    Some(_) | None => wrong(),
                }
            }
            _ => wrong(),
        }
    }
}

fn plain(name: &str, value: &Value) -> bool {
    match name {
        "any" => true,
        "boolean" => value.is_boolean(),
        "mono" => value.is_u64(),
        "number" | "wall" => value.is_u64() || value.is_i64(),
        "digest" => text(value).parse::<Sha256>().is_ok(),
        "event" => text(value).parse::<EventId>().is_ok(),
        "blob" => value["length"].is_u64() && plain("digest", &value["sha256"]),
        _ => value.is_string(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The names of the declared types that a form is made of.
fn names(form: &Form) -> Vec<&str> {
    fn of<'a>(shape: &'a Shape, found: &mut Vec<&'a str>) {
        match shape {
            Shape::Named(name) => found.push(name),
            Shape::List(inner) | Shape::Optional(inner) => of(inner, found),
            Shape::Either(one, other) | Shape::Map(one, other) | Shape::Pairs(one, other) => {
                of(one, found);
                of(other, found);
            }
            Shape::Tuple(parts) => parts.iter().for_each(|part| of(part, found)),
            Shape::Plain(_) => {}
        }
    }
    let mut found = Vec::new();
    match form {
        Form::Object(all) => all.iter().for_each(|member| of(&member.shape, &mut found)),
        Form::Choice(variants) => {
            for variant in variants {
                match &variant.content {
                    Content::Members(all) => {
                        all.iter().for_each(|member| of(&member.shape, &mut found));
                    }
                    Content::Nothing => {}
                    Content::Value(shape) => of(shape, &mut found),
                }
            }
        }
    }
    found
}
