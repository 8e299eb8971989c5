//! Codes that many classes share.

use portreeve_protocol::DenyCode;
use portreeve_protocol::DenyCode::{
    Expired, MissingDocument, NotReleased, NotSigned, RoleWithdrawn, Rollback, RootChanged,
    RootPinMismatch, RootRotation, RootUnpinned, RootUntrusted, Signature, SignerKeyMismatch,
    SignersDisagree, TagNotSigned,
};

/// Nothing is denied.
pub(super) const NONE: &[DenyCode] = &[];
/// Nobody whom a replica believes names the tag, or nobody who may release it.
pub(super) const UNRELEASED: &[DenyCode] = &[TagNotSigned, NotReleased, RoleWithdrawn];
/// As `UNRELEASED`, for want of signatures, which a policy of strict roles is told.
pub(super) const UNBELIEVED: &[DenyCode] = &[TagNotSigned, NotReleased, RoleWithdrawn, Signature];
/// As `UNRELEASED`, for expiry, which a policy of strict roles is told.
pub(super) const OUTDATED: &[DenyCode] = &[TagNotSigned, NotReleased, RoleWithdrawn, Expired];
/// A root that was served does not carry itself, or does not follow.
pub(super) const ROOT: &[DenyCode] = &[RootUntrusted, RootRotation];
/// The root is another one than is known or pinned, or a signer is.
pub(super) const STRANGE: &[DenyCode] =
    &[RootChanged, RootRotation, Signature, RootPinMismatch, RootUnpinned, SignerKeyMismatch];
/// Nothing is there, for whom nothing was, or what is named is not.
pub(super) const GONE: &[DenyCode] = &[NotSigned, MissingDocument];
/// What is served is older than what is known, by keys that were replaced, or says less.
pub(super) const OLD: &[DenyCode] =
    &[Rollback, RootChanged, Signature, Expired, TagNotSigned, NotReleased];
/// As `OLD`, for one role that the others do not go with.
pub(super) const ODD: &[DenyCode] =
    &[Rollback, Signature, Expired, TagNotSigned, NotReleased, SignersDisagree];
