//! Members of known objects. Go matches member names without regard to case; a document that plays
//! on it would read differently here, so a name that differs from a known one only by case is
//! refused.

use crate::error::TrustError;
use crate::json::{Object, Value};

/// An object with known members; others may stand beside them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    document: &'a str,
    members: &'a Object,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// Takes `value`, which is `what` in `document`, as an object with these members.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is no object, `UnsupportedForm` for names that differ by case.
    pub(crate) fn of(
        document: &'a str,
        what: &'static str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, TrustError> {
        let Value::Object(members) = value else {
            return Err(invalid(document, format!("{what} is not an object")));
        };
        for name in members.keys() {
            if known.iter().any(|known| name != known && folds_to(name, known)) {
                return Err(TrustError::UnsupportedForm {
                    document: document.to_owned(),
                    why: format!("{what} has a member that differs from a known one only by case"),
                });
            }
        }
        Ok(Self { document, members, what })
    }

    /// The document these members stand in.
    pub(crate) const fn document(&self) -> &'a str {
        self.document
    }

    /// The error that a member breaks a rule.
    pub(crate) fn invalid(&self, member: &str, rule: &str) -> TrustError {
        invalid(self.document, format!("`{member}` of {} {rule}", self.what))
    }

    /// A member; `null` counts as absent, as it does for Go.
    pub(crate) fn get(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| **value != Value::Null)
    }

    /// A string that must be there.
    pub(crate) fn text(&self, member: &str) -> Result<&'a str, TrustError> {
        match self.get(member) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.invalid(member, "must be a string")),
        }
    }

    /// An integer; 0 if it is absent, as Go reads it.
    pub(crate) fn integer(&self, member: &str) -> Result<i64, TrustError> {
        match self.get(member) {
            Some(Value::Integer(number)) => Ok(*number),
            None => Ok(0),
            Some(_) => Err(self.invalid(member, "must be an integer")),
        }
    }

    /// An array; empty if it is absent.
    pub(crate) fn list(&self, member: &str) -> Result<&'a [Value], TrustError> {
        match self.get(member) {
            Some(Value::List(values)) => Ok(values),
            None => Ok(&[]),
            Some(_) => Err(self.invalid(member, "must be an array")),
        }
    }

    /// The members of an object; none if it is absent.
    pub(crate) fn map(
        &self,
        member: &str,
    ) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + use<'a>, TrustError> {
        match self.get(member) {
            Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
            None => Ok(None.into_iter().flatten()),
            Some(_) => Err(self.invalid(member, "must be an object")),
        }
    }
}

/// The error that a document breaks a rule of its role.
pub(crate) fn invalid(document: &str, why: String) -> TrustError {
    TrustError::InvalidMetadata { document: document.to_owned(), why }
}

/// Whether Go's `encoding/json` takes `name` for `known`, which is ASCII. Two letters beyond ASCII
/// fold into it: the long s and the Kelvin sign.
fn folds_to(name: &str, known: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(known.chars().map(fold))
}
