//! Fuzz functions: each takes any bytes, and panics if a rule does not hold of what the product
//! makes of them. The tests call them with the committed inputs of `tests/fuzz/corpus`, and the
//! targets in `tests/fuzz` with inputs that are looked for: see `docs/fuzzing.md`.

mod certificate;
mod challenge;
mod collection;
mod forge;
mod json;
mod policy;
mod reference;
mod signed;
mod spelling;

use portreeve_host::notary_client::challenge as parser;

pub use certificate::certificate;
pub use challenge::challenge;
pub use collection::collection;
pub use json::json;
pub use policy::policy;
pub use reference::reference;
pub use signed::signed;

/// A name, as of a directory of inputs, and what is called with each of them.
pub type Target = (&'static str, fn(&[u8]));

/// Every fuzz function.
pub const TARGETS: &[Target] = &[
    ("certificate", certificate),
    ("challenge", challenge),
    ("collection", collection),
    ("json", json),
    ("policy", policy),
    ("reference", reference),
    ("signed", signed),
];
