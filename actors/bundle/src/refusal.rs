//! What `tough` says, as a stable code and a sentence of our own. What a server sent is not quoted.

use portreeve_protocol::bundle_reason::BundleCode;
use tough::TransportErrorKind;
use tough::error::Error;
use tough::schema::RoleType;

use crate::error::BundleError;

/// Why a load failed.
pub(crate) fn of(error: &Error) -> BundleError {
    let (code, detail) = told(error);
    BundleError::not_taken(code, detail)
}

fn told(error: &Error) -> (BundleCode, String) {
    let role = role(error);
    let of =
        |role: Option<RoleType>| role.map_or_else(|| "metadata".to_owned(), |it| it.to_string());
    let root = role == Some(RoleType::Root);
    if matches!(error, Error::ParseTrustedMetadata { .. }) {
        (BundleCode::GivenRoot, "the root to start from is no root of TUF 1.0".to_owned())
    } else if matches!(error, Error::VerifyTrustedMetadata { .. }) {
        let why = "the root to start from is not signed by enough of its own keys";
        (BundleCode::GivenRoot, why.to_owned())
    } else if matches!(error, Error::ParseMetadata { .. }) {
        (BundleCode::Malformed, format!("its {} is cut off, or no metadata of TUF 1.0", of(role)))
    } else if matches!(error, Error::VerifyMetadata { .. } | Error::VerifyRoleMetadata { .. })
        && root
    {
        let why =
            "its newer root is not signed by enough keys of the root before it and of its own";
        (BundleCode::RootRotation, why.to_owned())
    } else if matches!(error, Error::VerifyMetadata { .. } | Error::VerifyRoleMetadata { .. }) {
        (
            BundleCode::Signature,
            format!("its {} is not signed by enough keys of the role", of(role)),
        )
    } else if matches!(error, Error::OlderMetadata { .. }) && root {
        let why = "its newer root has not the version that follows";
        (BundleCode::RootRotation, why.to_owned())
    } else if matches!(error, Error::OlderMetadata { .. } | Error::SnapshotRoleRollback { .. }) {
        (BundleCode::Rollback, format!("its {} is older than what it replaces", of(role)))
    } else if matches!(error, Error::VersionMismatch { .. }) {
        (BundleCode::Mixed, format!("its {} has another version than was announced", of(role)))
    } else if matches!(error, Error::MaxUpdatesExceeded { .. }) {
        let most = portreeve_protocol::limits::ROOT_CHAIN;
        (BundleCode::TooManyRoots, format!("it offers {most} newer roots, or more"))
    } else if has(error, |it| matches!(it, Error::HashMismatch { .. })) {
        (BundleCode::Checksum, "a file has another digest than signed metadata names".to_owned())
    } else if has(error, |it| matches!(it, Error::MaxSizeExceeded { .. })) {
        (BundleCode::Checksum, "a file is longer than signed metadata says".to_owned())
    } else if let Error::Transport { source, .. } = error
        && source.kind() == TransportErrorKind::FileNotFound
    {
        let name = source.url().rsplit('/').next().unwrap_or_default();
        (BundleCode::Absent, format!("{name} is not there"))
    } else if is_of_the_store(error) {
        let why = "the directory that tough works in cannot be used";
        (BundleCode::Store, why.to_owned())
    } else {
        (BundleCode::Malformed, "its metadata is not what TUF 1.0 asks for".to_owned())
    }
}

/// The role that an error is about.
const fn role(error: &Error) -> Option<RoleType> {
    if let Error::ParseMetadata { role, .. }
    | Error::VerifyMetadata { role, .. }
    | Error::OlderMetadata { role, .. }
    | Error::VersionMismatch { role, .. } = error
    {
        return Some(*role);
    }
    None
}

/// Whether the error, or one that it came of, is such.
fn has(error: &Error, such: impl Fn(&Error) -> bool) -> bool {
    let mut next = Some(error as &(dyn std::error::Error + 'static));
    while let Some(one) = next {
        if one.downcast_ref::<Error>().is_some_and(&such) {
            return true;
        }
        next = one.source();
    }
    false
}

fn is_of_the_store(error: &Error) -> bool {
    matches!(
        error,
        Error::DatastoreInit { .. }
            | Error::DatastoreCreate { .. }
            | Error::DatastoreOpen { .. }
            | Error::DatastoreRemove { .. }
            | Error::DatastoreSerialize { .. }
            | Error::SystemTimeSteppedBackward { .. }
    )
}
