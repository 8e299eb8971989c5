//! Somebody signs a collection that is not theirs.

use serde::{Deserialize, Serialize};

use super::hostile_content::LASTING;
use super::{Act, Class, Ground, HostileContent, Influence};
use crate::hostile::{Hostile, Nature};
use crate::rng::Rng;

/// A trust server serves a collection that somebody signed to whom it does not belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impostor(pub HostileContent);

impl Influence for Impostor {
    fn acts(&self) -> Vec<(u64, Act)> {
        self.0.acts()
    }

    fn moved(&mut self, from: &str, to: &str) {
        self.0.moved(from, to);
    }
}

impl Class for Impostor {
    const ID: &'static str = "impostor";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let all = Hostile::ALL.iter().copied();
        let classes: Vec<_> = all.filter(|it| it.nature() == Nature::Impostor).collect();
        let impostor = |_| {
            // Who comes too late for a first use has to hand over from the genuine root.
            let hands_over = rng.chance(300);
            let classes = if hands_over { &[Hostile::ImpostorRotation][..] } else { &classes };
            Some(Self(HostileContent::of(classes, ground, rate.max(LASTING), rng)?))
        };
        (0..1 + rate / 200).filter_map(impostor).collect()
    }
}
