//! What must hold when an incarnation begins.

use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::{NodeId, ProtocolError, Sha256, codec};

/// What is known of the incarnations before.
pub(crate) struct Before {
    pub(crate) incarnation: u32,
    /// Digest of what they left; `None` if that cannot be known, as behind a gap.
    pub(crate) left: Option<Sha256>,
    pub(crate) node: NodeId,
}

/// Digest of what one incarnation leaves to the next.
pub(crate) fn digest(restored: &Restored) -> Result<Sha256, ProtocolError> {
    codec::digest(restored)
}

/// Holds the opening of an incarnation against what was before it; a sentence if it does not fit.
pub(crate) fn fault(
    started: &Started,
    before: Option<&Before>,
    removed: bool,
) -> Result<Option<String>, ProtocolError> {
    let settings = codec::digest(&started.settings)?;
    if settings != started.settings_digest {
        return Ok(Some(format!(
            "the settings hash to {settings}, not to the {} stated",
            started.settings_digest
        )));
    }
    let Some(before) = before else {
        let Restored { bundle, trust, .. } = &started.restored;
        let knows = bundle.is_some() || !trust.is_empty();
        return Ok((!removed && knows).then(|| {
            "the first incarnation begins with trust that no record justifies".to_owned()
        }));
    };
    if started.node != before.node || started.incarnation != before.incarnation.wrapping_add(1) {
        return Ok(Some(format!(
            "incarnation {} of {} follows incarnation {} of {}",
            started.incarnation,
            started.node.as_str(),
            before.incarnation,
            before.node.as_str()
        )));
    }
    let restored = digest(&started.restored)?;
    Ok(before.left.filter(|left| *left != restored).map(|left| {
        format!(
            "the incarnation begins with trust of digest {restored}, but the records before it \
             leave trust of digest {left}"
        )
    }))
}
