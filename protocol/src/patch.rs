//! The change of image references as a JSON patch (RFC 6902). It is made of the pins of a decision,
//! and of nothing else, so a record of the decision need not hold it.

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation};
use serde_json::Value;

use crate::{ContainerVerdict, Decision, codec};

impl Decision {
    /// The JSON patch as text: one `replace` for each pin, in the order of the verdicts. `None` if
    /// nothing is to be changed, as in what does not enter.
    #[must_use]
    pub fn patch(&self) -> Option<String> {
        let verdicts = self.verdicts.iter().filter(|_| self.allowed);
        let operations: Vec<_> = verdicts.filter_map(replace).collect();
        if operations.is_empty() {
            return None;
        }
        String::from_utf8(codec::canonical(&Patch(operations)).ok()?).ok()
    }

    /// Whether anything is to be changed in the object, besides its seal.
    #[must_use]
    pub fn patches(&self) -> bool {
        self.allowed && self.verdicts.iter().any(ContainerVerdict::is_pinned)
    }
}

fn replace(verdict: &ContainerVerdict) -> Option<PatchOperation> {
    let to = verdict.pin()?;
    // Pointers are made by whoever reads reviews, so that they always are some.
    let path = PointerBuf::parse(&*verdict.pointer).ok()?;
    let value = Value::String(to);
    Some(PatchOperation::Replace(ReplaceOperation { path, value }))
}
