//! Why a journal could not be worked through at all. What is wrong *in* a journal is a
//! [`Finding`](crate::Finding), not an error.

use portreeve_protocol::ProtocolError;

/// Why a journal could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A blob that a record needs is missing or altered.
    #[error(
        "{segment} line {line}: {source}; restore the blobs of this journal from a backup, or run \
         `portreeve replay verify` to see what depends on it"
    )]
    Blob {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with the blob.
        source: ProtocolError,
    },
    /// A blob that a record needs is there, perhaps, but cannot be read.
    #[error("{segment} line {line}: {source}; see to it that this process may read all blobs")]
    BlobUnread {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// What the operating system said of the blob.
        source: ProtocolError,
    },
    /// A record is broken and records behind it are not, so this is no torn tail; or a checkpoint
    /// contradicts itself.
    #[error(
        "{segment} line {line}: {why}; no crash did this, for the record itself, or what is behind \
         it, is whole: keep the journal as evidence, and restore it from a backup or start with an \
         empty directory"
    )]
    Damaged {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A newer build went on with the journal: the record is whole, and of a newer schema.
    #[error(
        "{segment} line {line}: {why}; use the build that wrote it, or a newer one: for this one, \
         begin an empty directory and keep the journal"
    )]
    NewerSchema {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// Which schema it is.
        why: String,
    },
    /// Lines could not be had; raised by whoever hands in the lines.
    #[error("cannot read {segment}: {why}; check that the journal is complete and readable")]
    Read {
        /// The segment.
        segment: String,
        /// What the operating system said.
        why: String,
    },
    /// More is outstanding than any node may have.
    #[error(
        "{segment} line {line}: more than {limit} effects are outstanding, which no node of this \
         build allows; the journal cannot be verified in bounded memory"
    )]
    TooMuch {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// The bound.
        limit: usize,
    },
    /// A line is not the next record, so what follows cannot be explained.
    #[error(
        "{segment} line {line}: {why}; run `portreeve replay verify` on this journal first, what \
         it tells behind this line cannot be believed"
    )]
    Unreadable {
        /// The segment.
        segment: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}
