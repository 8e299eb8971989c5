//! The trust bundle cannot be had, or an older one is handed out.

use portreeve_protocol::Mono;
use portreeve_protocol::bundle_reason::BundleCode;
use serde::{Deserialize, Serialize};

use super::hostile_content::LASTING;
use super::{BundleLook, Class, Ground, Influence};
use crate::rng::Rng;

/// A replica cannot have the trust bundle, or is handed an older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleWithheld {
    /// By how many publications what is handed out is older; `None` if the look fails.
    pub behind: Option<usize>,
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose looks.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for BundleWithheld {
    fn bundle(&self, at: Mono, replica: usize, rng: &mut Rng, look: &mut BundleLook) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            *look = match self.behind {
                Some(behind) => BundleLook::Finds { behind },
                None => {
                    let code = rng.pick(BundleCode::ALL).copied();
                    BundleLook::Fails(code.unwrap_or(BundleCode::Unreachable))
                }
            };
        }
    }
}

impl Class for BundleWithheld {
    const ID: &'static str = "bundle-withheld";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        if ground.pinned.is_empty() {
            return Vec::new();
        }
        let withheld = |_| {
            let (mut from, until) = ground.span(rate.max(LASTING), rng);
            if rng.chance(300) {
                from = 0;
            }
            let behind = if rng.chance(500) { Some(1) } else { None };
            Self { behind, from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 200).map(withheld).collect()
    }
}
