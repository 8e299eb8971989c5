//! A trust server serves bad content.

use portreeve_protocol::DenyCode;
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Act, Class, Ground, Influence};
use crate::hostile::{Hostile, Mark};
use crate::rng::Rng;

/// A trust server serves bad content of any class instead of a collection. Where that may have left
/// something at those who believed it, an operator has them forget it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostileContent {
    /// What is bad about it.
    pub class: Hostile,
    /// When every replica is made to forget what it trusts of the collection; microseconds after
    /// the start. More than once, as one that does not run then hears nothing of it.
    pub forgotten: Vec<u64>,
    /// From when.
    pub from: u64,
    /// The collection.
    pub gun: String,
    /// How many replicas there are.
    pub replicas: usize,
    /// The trust server's URL.
    pub server: String,
    /// Until when.
    pub until: u64,
}

/// The rate by whose measure bad content lasts at least.
pub(super) const LASTING: u64 = 250;
/// For how many microseconds bad content is served at least, if the run lasts that long: what is
/// there for a moment only is hardly ever fetched.
const LEAST: u64 = 20_000_000;

/// Codes of who signed, and of what is older or other than before. What is denied for another code
/// is written wrongly, in one of very many ways.
const OF_TRUST: [DenyCode; 6] = [
    DenyCode::Equivocation,
    DenyCode::RoleWithdrawn,
    DenyCode::Rollback,
    DenyCode::RootRotation,
    DenyCode::RootUntrusted,
    DenyCode::Signature,
];

impl HostileContent {
    /// Draws what is bad from `classes`, and all else from the ground; `None` if there is none.
    pub(super) fn of(
        classes: &[Hostile],
        ground: &Ground,
        rate: u64,
        rng: &mut Rng,
    ) -> Option<Self> {
        let class = *rng.pick(classes)?;
        let (server, gun) = ground.busy_collection(rng)?;
        let (from, end) = ground.span(rate, rng);
        let end = end.max(from.saturating_add(LEAST)).min(ground.heal);
        // The server behaves before it is forgotten what it did, and not before it misbehaved.
        let (from, until) = (from.min(end.saturating_sub(2)), end.saturating_sub(1));
        let forgotten =
            if class.mark() != Mark::Passing { vec![end, ground.heal] } else { Vec::new() };
        let (gun, replicas, server) = (gun.to_owned(), ground.replicas, server.to_owned());
        Some(Self { class, forgotten, from, gun, replicas, server, until })
    }
}

/// A trust server serves bad content instead of a collection (server and GUN) for a while.
pub(super) fn misbehaving(
    class: Hostile,
    (server, gun): (&str, &str),
    from: u64,
    until: u64,
) -> Vec<(u64, Act)> {
    let (gun, server) = (gun.to_owned(), server.to_owned());
    let behave = Act::Behave { gun: gun.clone(), server: server.clone() };
    vec![(from, Act::Misbehave { class, gun, server }), (until, behave)]
}

impl Influence for HostileContent {
    fn acts(&self) -> Vec<(u64, Act)> {
        let Self { class, from, gun, server, until, .. } = self;
        let mut acts = misbehaving(*class, (server, gun), *from, *until);
        for at in &self.forgotten {
            for replica in 0..self.replicas {
                let (gun, server) = (self.gun.clone(), self.server.clone());
                acts.push((*at, Act::Reset { gun, replica, server }));
            }
        }
        acts
    }

    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }
}

impl Class for HostileContent {
    const ID: &'static str = "hostile-content";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let hostile = |_| {
            // There are many classes: half of the content is of a code that says whom to believe.
            let code = rng.pick(&OF_TRUST).copied().filter(|_| rng.chance(500));
            let of_code = |class: &&Hostile| code.is_none_or(|code| class.codes().contains(&code));
            let classes: Vec<Hostile> = Hostile::ALL.iter().filter(of_code).copied().collect();
            Self::of(&classes, ground, rate.max(LASTING), rng)
        };
        (0..6 + rate / 25).filter_map(hostile).collect()
    }
}
