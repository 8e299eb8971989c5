//! The ground truth of a run: what publishers signed, and what trust servers served, and when. The
//! world writes it down where it makes it so; no machine is asked.

pub mod canary;
pub mod clocks;
pub mod pattern;
pub mod policies;
pub mod roots;
mod signed;

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::{Mono, Sha256, Wall};

pub use signed::Signing;

use crate::hostile::Hostile;
use crate::scenario::SignedTag;

/// The ground truth of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Trust server and GUN to what is true of the collection.
    pub collections: BTreeMap<(String, String), Shelf>,
}

/// What is true of a collection at a trust server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    /// What its publishers published, in order.
    pub editions: Vec<Edition>,
    /// What was served, each until the next; nothing before the first.
    pub served: Vec<Stand>,
}

/// A publication by those to whom the collection belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// When, by true time.
    pub at: Mono,
    /// When the first of its documents expires.
    pub expires: Wall,
    /// Whether it is a collection begun anew, under root keys that no rotation leads to.
    pub fresh: bool,
    /// Ids of the root keys: those that the root lists, and that of the bare key.
    pub root_keys: BTreeSet<Sha256>,
    /// The signers that it delegates to, with the seeds of their keys.
    pub signers: BTreeMap<String, u64>,
    /// What it says of each tag.
    pub tags: BTreeMap<String, SignedTag>,
}

/// What is served from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Since when, by true time.
    pub from: Mono,
    /// What.
    pub what: Served,
}

/// What a trust server serves of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// Bad content. `evil` is the digest, signed by nobody, that it tries to have allowed; the last
    /// edition before is the one it is made of.
    Bad {
        /// What is bad.
        class: Hostile,
        /// The digest.
        evil: Sha256,
    },
    /// An edition, by its place: the last one, or an earlier one after a roll back.
    Edition(usize),
    /// Nothing.
    Nothing,
}
