//! The settings of the trust bundle.

use std::path::PathBuf;

use portreeve_protocol::limits;
use portreeve_protocol::settings::{BundleExpired, BundleSettings};
use portreeve_protocol::time::SECOND;

use super::{duration, setting};
use crate::HostError;
use crate::bundle::{BundleConfig, BundlePlace};

/// How long after one look the next is taken, unless the file says otherwise.
const REFRESH: u64 = 60 * SECOND;
/// The shortest time that may be asked for.
const SHORTEST: u64 = SECOND;

/// What the file and the flags say.
pub(super) struct Words {
    pub(super) ca: Vec<PathBuf>,
    pub(super) expired: Option<String>,
    pub(super) place: Option<String>,
    pub(super) refresh: Option<String>,
    pub(super) root: Option<PathBuf>,
}

/// The trust bundle, if one is named, and what machines obey of it.
///
/// # Errors
/// `Setting` for what cannot be obeyed, `File` if the root cannot be read.
pub(super) fn read(words: Words) -> Result<Option<(BundleConfig, BundleSettings)>, HostError> {
    let Words { ca, expired, place, refresh, root } = words;
    let expired = match expired.as_deref() {
        None | Some("keep") => BundleExpired::Keep,
        Some("deny") => BundleExpired::Deny,
        Some(other) => {
            return Err(setting("bundleExpired", format!("`{other}` is not keep or deny")));
        }
    };
    let refresh = match refresh.as_deref() {
        None => REFRESH,
        Some(text) => duration::parse(text)
            .filter(|span| (SHORTEST..=limits::LONGEST_SPAN).contains(span))
            .ok_or_else(|| {
                let why = format!("`{text}` is not a duration such as 1m, from 1s to 720h");
                setting("bundleRefresh", why)
            })?,
    };
    let (place, root) = match (place, root) {
        (Some(place), Some(root)) => (place, root),
        (None, None) => return Ok(None),
        (Some(_), None) => {
            let why = "it is not set, and the bundle is verified from it; pass --bundle-root FILE";
            return Err(setting("bundleRoot", why));
        }
        (None, Some(_)) => {
            return Err(setting("bundle", "it is not set; pass --bundle URL or DIR"));
        }
    };
    let place =
        BundlePlace::parse(&place).map_err(|why| setting("bundle", format!("`{place}`: {why}")))?;
    let bundle = BundleConfig::read(place, &root, ca, refresh)?;
    let settings = bundle.settings(expired);
    Ok(Some((bundle, settings)))
}
