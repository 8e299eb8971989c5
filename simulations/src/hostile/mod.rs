//! Every class of bad content that a trust server can serve, as a pure function of what it could
//! serve instead.
//!
//! Most classes are by somebody who holds all keys of the collection and has every tag name an
//! image that nobody signed; all is in order but for the one fault the class is named after.
//! Whoever looks away from that fault allows the image. With deterministic keys
//! ([`portreeve_lab::Keys`]) the same material always gives the same bytes.

#[macro_use]
mod registry;

mod certificates;
mod classes;
mod codes;
mod delegations;
mod draft;
mod entries;
mod harmless;
mod headers;
mod impostors;
mod keys;
mod naming;
mod roots;
mod signatures;
mod spelling;
mod stale;
mod thresholds;

use portreeve_lab::{Collection, Documents, LabError};
use portreeve_protocol::{Sha256, Wall};

pub use classes::Hostile;

/// What a replica may make of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// Nothing that needs it may be allowed by it.
    Refused,
    /// Means the same as the genuine content, and is allowed as that is.
    Harmless,
    /// Genuinely signed, but old, withheld, mixed, or said in two ways: whether it is believed
    /// hangs on what the replica knows and what the policy asks for, and the image it gives is
    /// always one that was genuinely signed.
    Genuine,
    /// Well signed by keys of nobody we know: only a replica at first contact can be taken in.
    Impostor,
}

/// What is left of a class at a replica that was served it. A collection that allows nothing can
/// still have been verified as a whole, and its versions then count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing: the genuine publication is believed as before.
    Passing,
    /// Versions may be used up: the genuine publication is refused as a rollback or equivocation
    /// until the publisher passes them ([`Collection::leap`] by [`LEAP`], then a publication).
    Versions,
    /// Another root may be held, and at first contact is: the genuine one is refused until an
    /// operator has the replica forget it. A replica that holds the genuine root refuses an
    /// impostor's, and nothing is left.
    Root,
}

/// By how many versions a publisher passes all that any class made of its publication uses up.
pub const LEAP: u64 = 2_000_000;

/// What a class is made from.
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// The genuine collection, with its keys.
    pub collection: &'a Collection,
    /// The digest of an image nobody signed, which most classes name for every tag.
    pub evil: Sha256,
    /// Earlier publications, oldest first.
    pub history: &'a [Documents],
    /// When it is served.
    pub now: Wall,
    /// What is genuinely served now.
    pub served: &'a Documents,
}

/// The documents served instead, beside those served before; `evil` is the digest of an image
/// nobody signed, which the class tries to have allowed for every tag.
///
/// # Errors
/// `Unpublished` if nothing complete is served nor was published last; `Key`, `Time` and
/// `Certificate` if the lab cannot sign it.
pub fn serve(class: Hostile, material: &Material<'_>) -> Result<Documents, LabError> {
    class.make(material)
}

/// The publication with which most classes begin: every tag names `evil`, and nothing is wrong with
/// it. No class serves it; it shows that all hangs on the fault a class adds.
///
/// # Errors
/// As [`serve`].
pub fn faultless(material: &Material<'_>) -> Result<Documents, LabError> {
    draft::Draft::tainted(material)?.finish()
}
