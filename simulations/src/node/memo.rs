//! Verdicts on bytes, remembered: verifying the same documents again gives the same, and most of a
//! run's time would go into it.
//!
//! A verdict also hangs on the wall clock, but only through dates before or after which something
//! holds. What comes out the same at two instants comes out the same between them: each check that
//! holds at both holds in between, and the first that fails at both fails in between. So a verdict
//! that is wanted again is asked for at a later instant, and holds until then if it is the same.
//!
//! Whether a signature is one of a message by a key hangs on these three alone. Requests about one
//! collection differ in what else they ask, and have nearly all their signatures in common.

use std::cell::RefCell;
use std::collections::BTreeMap;

use portreeve_machines::verify::{Claim, Judge};
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Sha256, Wall, planted};

/// How far behind its instant a verdict is asked for once more, in microseconds.
const AHEAD: i64 = 600_000_000;
/// Claims remembered at most; then all are forgotten.
const MOST_CLAIMS: usize = 1 << 16;
/// Requests remembered of one timestamp at most; then they are forgotten.
const MOST: usize = 256;

/// Timestamps remembered at most; then all are forgotten.
const MOST_TIMESTAMPS: usize = 4_096;

thread_local! {
    static KEPT: RefCell<Memo> = RefCell::new(Memo::default());
}

/// Verdicts on bytes.
#[derive(Debug, Default)]
pub struct Memo {
    claims: Claims,
    /// Digest of the timestamp to what was asked about it.
    known: BTreeMap<Sha256, Vec<Verdict>>,
}

/// Which signatures are valid, by the digest of all that this hangs on.
#[derive(Debug, Default)]
struct Claims(RefCell<BTreeMap<Sha256, bool>>);

impl Claims {
    fn judge(&self, claim: &Claim<'_>) -> bool {
        let digest = claim.digest();
        if let Some(holds) = self.0.borrow().get(&digest) {
            return *holds;
        }
        let holds = claim.holds();
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST_CLAIMS {
            known.clear();
        }
        known.insert(digest, holds);
        holds
    }
}

#[derive(Debug)]
struct Verdict {
    from: Wall,
    outcome: VerifyOutcome,
    request: VerifyRequest,
    until: Wall,
}

impl Memo {
    /// What earlier runs of this thread leave: verdicts hang on bytes and dates alone. With planted
    /// bugs they hang on the bug, too, so that nothing is left.
    #[must_use]
    pub fn kept() -> Self {
        if planted::COMPILED { Self::default() } else { KEPT.take() }
    }

    /// Leaves the verdicts to later runs.
    pub fn keep(self) {
        if self.known.len() < MOST_TIMESTAMPS {
            KEPT.set(self);
        }
    }

    /// The verdict on a request at an instant; `verify` finds it out where it is not remembered.
    pub(super) fn verdict(
        &mut self,
        request: &VerifyRequest,
        wall: Wall,
        verify: impl Fn(Wall, Judge<'_>) -> VerifyOutcome,
    ) -> VerifyOutcome {
        let Self { claims, known } = self;
        let verify = |wall| verify(wall, &|claim: &Claim<'_>| claims.judge(claim));
        let known = known.entry(request.timestamp.digest()).or_default();
        for one in known.iter_mut().filter(|one| same(&one.request, request)) {
            if one.from <= wall && wall <= one.until {
                return one.outcome.clone();
            }
            let ahead = Wall(wall.0.saturating_add(AHEAD));
            if one.from <= wall && verify(ahead) == one.outcome {
                one.until = ahead;
                return one.outcome.clone();
            }
        }
        let outcome = verify(wall);
        if known.len() >= MOST {
            known.clear();
        }
        let request = request.clone();
        known.push(Verdict { from: wall, outcome: outcome.clone(), request, until: wall });
        outcome
    }
}

/// Whether two requests ask the same, whoever asks.
fn same(one: &VerifyRequest, other: &VerifyRequest) -> bool {
    let VerifyRequest {
        documents,
        first_use,
        flight: _,
        floors,
        gun,
        pins,
        roots,
        server: _,
        tags,
        timestamp,
        trusted_root,
    } = one;
    (first_use, trusted_root, timestamp.digest())
        == (&other.first_use, &other.trusted_root, other.timestamp.digest())
        && *gun == other.gun
        && *tags == other.tags
        && alike(roots, &other.roots)
        && alike(documents, &other.documents)
        && *pins == other.pins
        && *floors == other.floors
}

fn alike(some: &[Blob], others: &[Blob]) -> bool {
    some.iter().map(Blob::digest).eq(others.iter().map(Blob::digest))
}
