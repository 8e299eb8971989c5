//! What can be wrong with something that claims to be written in this language.

use crate::Sha256;

/// Why a piece of text or a record could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("`{text}` is not a SHA-256 digest: 64 lower-case hexadecimal digits are needed")]
    Digest {
        /// The text as found, cut to 80 characters.
        text: String,
    },
    /// Not an event id.
    #[error("`{text}` is not an event id: it has the form node/incarnation/actor/sequence")]
    EventId {
        /// The text as found.
        text: String,
    },
    /// Not an actor id.
    #[error(
        "`{text}` is not an actor id, such as `admission` or `notary=https://notary.docker.io`"
    )]
    ActorId {
        /// The text as found.
        text: String,
    },
    /// Not a node name.
    #[error("`{text}` is not a node name: 1 to 63 of a-z, 0-9, `.` and `-`")]
    NodeId {
        /// The text as found.
        text: String,
    },
    /// An image reference that cannot be understood.
    #[error("image reference `{text}`: {why}")]
    Reference {
        /// The reference as found, cut to 256 characters.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An image reference whose digest is of an algorithm other than SHA-256.
    #[error("image reference `{text}`: its digest is {algorithm}, only sha256 is supported")]
    ReferenceDigest {
        /// The algorithm as written, cut to 64 characters.
        algorithm: String,
        /// The reference as found, cut to 256 characters.
        text: String,
    },
    /// A journal line that is not canonical JSON of a known entry.
    #[error("not a journal record: {why}")]
    Record {
        /// What the decoder found.
        why: String,
    },
    /// A journal line whose own hash does not fit its content.
    #[error("the record was altered: it hashes to {found}, not to the {stated} it states")]
    RecordHash {
        /// The hash in the line.
        stated: Sha256,
        /// The hash of the line's record.
        found: Sha256,
    },
    /// A journal of a schema this build does not know.
    #[error("journal schema version {version} is not known to this build (it reads up to {known})")]
    Schema {
        /// The version found.
        version: u32,
        /// The newest version this build reads.
        known: u32,
    },
    /// A record names a blob that is not beside it.
    #[error("blob {digest} is missing beside the journal")]
    BlobMissing {
        /// The digest the record names.
        digest: Sha256,
    },
    /// A blob does not have the content its name promises.
    #[error("blob {digest} was altered: its bytes hash to {found}")]
    BlobAltered {
        /// The digest the record names.
        digest: Sha256,
        /// The digest of the bytes found.
        found: Sha256,
    },
    /// A blob could not be read.
    #[error("blob {digest} cannot be read: {why}")]
    BlobUnreadable {
        /// The digest the record names.
        digest: Sha256,
        /// What the reader reported.
        why: String,
    },
    /// An input was handed to a machine of another kind.
    #[error("an input for {expected} was delivered to {actor}")]
    WrongActor {
        /// The kind the input is for.
        expected: &'static str,
        /// The actor that received it.
        actor: String,
    },
}
