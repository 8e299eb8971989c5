//! What is published during a run.

use super::estate::{Estate, OTHER_KEYS, Repository, digest, some_of};
use super::mix::{Mix, Odd};
use crate::rng::{Rng, Streams};
use crate::scenario::{Change, CollectionPlan, Publication, SignedTag};

/// What is published during a run, in order.
pub(super) fn draw(streams: &Streams, mix: &Mix, estate: &Estate) -> Vec<Change> {
    let mut changes = Vec::new();
    for repository in &estate.repositories {
        // A stream each: what happens to one repository does not change the others.
        let rng = &mut streams.stream(&format!("swarm/news/{}", repository.gun));
        let drawer = Drawer { estate, mix, repository };
        drawer.draw(rng, &mut changes);
    }
    changes.sort_by_key(|change| change.at);
    changes
}

struct Drawer<'a> {
    estate: &'a Estate,
    mix: &'a Mix,
    repository: &'a Repository,
}

impl Drawer<'_> {
    fn draw(&self, rng: &mut Rng, changes: &mut Vec<Change>) {
        let lasts = self.estate.lasts;
        let server = &self.estate.servers[self.repository.server];
        let mut push = |at, what| changes.push(Change { at, server: server.url.clone(), what });
        let gun = self.repository.gun.clone();
        let mut begins = 0;
        let here = server.collections.iter().find(|plan| plan.gun == gun);
        let plan = match (&self.repository.late, here) {
            (Some(late), _) => {
                begins = rng.below(lasts);
                push(begins, Publication::Publish(late.clone()));
                late
            }
            (None, Some(plan)) => plan,
            (None, None) => return,
        };
        // Most repositories are quiet.
        let most = if rng.chance(550) { rng.log_between(1, 6) } else { 0 };
        for edition in 0..most {
            let at = rng.between(begins, lasts);
            let what = self.publication(plan, edition + 1, rng);
            if matches!(what, Publication::Withdraw { .. }) {
                // It comes back as it was.
                let back = rng.between(at, lasts);
                push(back + 1, Publication::Rollback { gun: gun.clone() });
            }
            push(at, what);
        }
        if self.mix.now(Odd::FreshRoot, rng) {
            let (keys, at) = (OTHER_KEYS, rng.between(begins, lasts));
            push(at, Publication::Publish(CollectionPlan { keys, ..plan.clone() }));
        }
        if self.mix.now(Odd::GoBack, rng) {
            push(rng.between(begins, lasts), Publication::Rollback { gun });
        }
    }

    fn publication(&self, plan: &CollectionPlan, edition: u64, rng: &mut Rng) -> Publication {
        let gun = plan.gun.clone();
        let tag = rng.pick(&self.repository.tags).cloned().unwrap_or_else(|| "1.0".to_owned());
        match rng.below(10) {
            0..=4 => {
                let mut signers = some_of(&plan.signers, rng);
                if signers.is_empty() {
                    // What was signed into `targets/releases` would go before it.
                    signers.extend(plan.signers.first().cloned());
                }
                let digest = digest(&gun, &tag, edition);
                let length = rng.between(500, 5_000);
                Publication::Sign { gun, tag: SignedTag { digest, length, signers, tag } }
            }
            5 => Publication::Remove { gun, tag },
            6 | 7 => Publication::RotateTimestamp { gun },
            8 => Publication::RotateRoot { gun },
            _ => Publication::Withdraw { gun },
        }
    }
}
