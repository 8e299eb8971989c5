//! `floors-never-fall`: of what a replica verified, no version is ever lower than before.
//!
//! Within an incarnation: of two answers about a collection, the one by the later timestamp holds
//! no
//! lower version of any role. Across incarnations: what is restored, and all that follows, is not
//! below what an answered decision rested on (such decisions are durable; what was verified and not
//! decided by may be lost with the process), or what was restored before. Only then may they fall:
//! an operator has the trust reset; the disk is replaced; a pinned root takes the place of one that
//! was trusted at first use; and, for roles that a newer root gives other keys, that root's coming.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::evidence::{Evidence, Floors};
use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome};
use portreeve_protocol::{Admitted, Mono, Sha256, Verdict};

use super::{Oracle, Run, Violation};
use crate::history::{Answered, Sight};

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "floors-never-fall",
    rule: "no role of a collection is verified or restored at a lower version than a replica had",
};

/// Trust server and GUN.
type Collection = (String, String);

/// What a replica knows of a collection.
#[derive(Debug, Clone, Default)]
struct Known {
    /// By which timestamp it was last told; `None` if it was restored.
    checked_at: Option<Mono>,
    /// Whether the root was trusted at first use.
    first_use: bool,
    /// Role to its version and the keys that signed it.
    roles: BTreeMap<String, (u64, BTreeSet<Sha256>)>,
}

#[derive(Debug, Default)]
struct Replica {
    /// What must outlive the process.
    durable: BTreeMap<Collection, Known>,
    /// What the process knows.
    known: BTreeMap<Collection, Known>,
}

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut replicas: BTreeMap<usize, Replica> = BTreeMap::new();
    for seen in &run.outcome.history {
        let replica = replicas.entry(seen.replica).or_default();
        let faults = match &seen.what {
            Sight::Answered(answered) => {
                replica.answered(answered);
                Vec::new()
            }
            Sight::Resolved(resolution) => replica.resolved(resolution).into_iter().collect(),
            Sight::Started(started) => {
                replica.known.clear();
                let mut faults = Vec::new();
                for one in &started.restored.trust {
                    let key = (one.server.clone(), one.gun.clone());
                    let next = Known::restored(&one.floors, one.first_use);
                    faults.extend(replica.restored(key, next));
                }
                faults.extend(replica.lost());
                faults
            }
            Sight::TrustReset { gun, server } => {
                let key = (server.clone(), gun.clone());
                replica.durable.remove(&key);
                replica.known.remove(&key);
                Vec::new()
            }
            Sight::Wiped { .. } => {
                *replica = Replica::default();
                Vec::new()
            }
            Sight::Bundle(_)
            | Sight::ClockAcknowledged { .. }
            | Sight::Crashed
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Policies(_)
            | Sight::Reached { .. }
            | Sight::Received { .. }
            | Sight::Stopped => Vec::new(),
        };
        found.extend(faults.into_iter().map(|what| Violation {
            at: seen.at,
            oracle: ORACLE.id,
            replica: Some(seen.replica),
            what,
        }));
    }
}

impl Known {
    fn of(evidence: &Evidence, checked_at: Mono) -> Self {
        let role = |(name, role): (&String, &portreeve_protocol::evidence::RoleEvidence)| {
            let keys = role.signed_by.iter().map(|key| key.keyid).collect();
            (name.clone(), (role.version, keys))
        };
        Self {
            checked_at: Some(checked_at),
            first_use: evidence.first_use,
            roles: evidence.roles.iter().map(role).collect(),
        }
    }

    fn restored(floors: &Floors, first_use: bool) -> Self {
        let role = |(name, floor): (&String, &portreeve_protocol::evidence::Floor)| {
            (name.clone(), (floor.version, floor.keys.iter().copied().collect()))
        };
        Self { checked_at: None, first_use, roles: floors.iter().map(role).collect() }
    }

    fn version(&self, role: &str) -> Option<u64> {
        self.roles.get(role).map(|(version, _)| *version)
    }

    /// The first role that is lower than before, without a reason.
    fn falls_below(&self, before: &Self) -> Option<String> {
        // A pinned root was put in the place of one of first use.
        if before.first_use && !self.first_use {
            return None;
        }
        let newer = self.version("root") > before.version("root");
        let rekeyed = |role: &str| {
            let keys = |known: &Self| known.roles.get(role).map(|(_, keys)| keys.clone());
            keys(self) != keys(before)
        };
        self.roles.iter().find_map(|(role, (version, _))| {
            let floor = before.version(role).filter(|floor| version < floor)?;
            // Delegations go with `targets`, which gives them their keys.
            let other = rekeyed(role) || (role.starts_with("targets/") && rekeyed("targets"));
            let excused = role != "root" && newer && other;
            (!excused).then(|| format!("{role} has version {version}, and had {floor}"))
        })
    }

    /// Takes over what is newer; a role that is not named keeps its floor.
    fn rise(&mut self, next: Self) {
        let mut roles = std::mem::take(&mut self.roles);
        roles.extend(next.roles.clone());
        *self = Self { roles, ..next };
    }
}

impl Replica {
    fn resolved(&mut self, resolution: &Resolution) -> Option<String> {
        let Resolution { checked_at, gun, server, tentative, .. } = resolution;
        let ResolutionOutcome::Verified(tag) = &resolution.outcome else { return None };
        if *tentative {
            return None;
        }
        let key = (server.clone(), gun.clone());
        let next = Known::of(&tag.evidence, *checked_at);
        let before = self.known.get(&key).or_else(|| self.durable.get(&key));
        if before.is_some_and(|before| {
            before.checked_at > Some(*checked_at) && self.known.contains_key(&key)
        }) {
            return None;
        }
        let fault = before.and_then(|before| next.falls_below(before));
        self.known.entry(key).or_default().rise(next);
        fault.map(|fault| format!("{gun} at {server}: {fault}"))
    }

    /// What an answered decision rested on is durable.
    fn answered(&mut self, answered: &Answered) {
        if !answered.allowed() {
            return;
        }
        for verdict in &answered.decision.verdicts {
            let Verdict::Allowed(Admitted::Verified(verified)) = &verdict.verdict else {
                continue;
            };
            let key = (verified.server.to_string(), verified.evidence.gun.clone());
            // Evidence that was not kept by the fetcher is known to nobody.
            let Some(known) = self.known.get(&key) else { continue };
            let next = Known::of(&verified.evidence, Mono(0));
            if next.falls_below(known).is_none() && known.falls_below(&next).is_none() {
                self.durable.entry(key).or_default().rise(next);
            }
        }
    }

    fn restored(&mut self, key: Collection, next: Known) -> Option<String> {
        let before = self.durable.get(&key);
        let fault = before.and_then(|before| next.falls_below(before));
        let told = fault.map(|fault| format!("{} at {}, restored: {fault}", key.1, key.0));
        self.known.insert(key.clone(), next.clone());
        self.durable.insert(key, next);
        told
    }

    /// Collections that were durable and are not restored.
    fn lost(&self) -> Vec<String> {
        let missing = self.durable.keys().filter(|key| !self.known.contains_key(key));
        missing.map(|(server, gun)| format!("{gun} at {server} was not restored")).collect()
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::Blob;
    use portreeve_protocol::evidence::{Floor, TrustedCollection};
    use portreeve_protocol::messages::admission::VerifiedTag;

    use super::*;
    use crate::oracle::sample::{self, GUN, SERVER, Story, digest, verified};

    fn told(story: &mut Story, at: u64, change: impl Fn(&mut Evidence)) {
        let mut resolution = sample::resolution(Mono(at));
        let mut evidence = sample::evidence(5);
        change(&mut evidence);
        let view = match &resolution.outcome {
            ResolutionOutcome::Verified(tag) => tag.view.clone(),
            ResolutionOutcome::Absent
            | ResolutionOutcome::Refused(_)
            | ResolutionOutcome::Unavailable(_) => return,
        };
        let tag = VerifiedTag { evidence: evidence.into(), view };
        resolution.outcome = ResolutionOutcome::Verified(Box::new(tag));
        story.see(at + 1, Sight::Resolved(resolution.into()));
    }

    fn version(role: &'static str, version: u64) -> impl Fn(&mut Evidence) {
        move |evidence| {
            if let Some(role) = evidence.roles.get_mut(role) {
                role.version = version;
            }
        }
    }

    fn restart(story: &mut Story, at: u64, timestamp: Option<u64>) {
        let floor = |version| Floor { keys: Vec::new(), sha256: Sha256::ZERO, version };
        let mut started = sample::started(2);
        started.restored.trust.extend(timestamp.map(|version| {
            TrustedCollection {
                documents: Vec::new(),
                first_use: true,
                floors: [("root", 1), ("snapshot", 1), ("timestamp", version)]
                    .map(|(role, version)| (role.to_owned(), floor(version)))
                    .into(),
                gun: GUN.to_owned(),
                namespace: String::new(),
                root: Blob::new(Vec::new()),
                server: SERVER.to_owned(),
                timestamp: None,
            }
        }));
        story.see(at, Sight::Started(started.into()));
    }

    #[test]
    fn versions_that_rise_keep_floors_never_fall() {
        let mut story = Story::new();
        told(&mut story, 10, |_| {});
        told(&mut story, 20, version("timestamp", 6));
        story.keeps(check);
    }

    #[test]
    fn a_version_that_falls_breaks_floors_never_fall() {
        let mut story = Story::new();
        told(&mut story, 10, |_| {});
        told(&mut story, 20, version("timestamp", 4));
        story.breaks(check, "timestamp has version 4, and had 5");
    }

    #[test]
    fn an_answer_by_an_earlier_timestamp_may_come_late() {
        let mut story = Story::new();
        told(&mut story, 20, |_| {});
        told(&mut story, 10, version("timestamp", 4));
        story.keeps(check);
    }

    #[test]
    fn a_newer_root_with_other_keys_or_a_reset_lets_floors_fall() {
        let mut story = Story::new();
        told(&mut story, 10, |_| {});
        told(&mut story, 20, |evidence| {
            version("timestamp", 1)(evidence);
            version("root", 2)(evidence);
        });
        assert_eq!(story.found(check).len(), 1, "the keys are the same");
        let mut story = Story::new();
        told(&mut story, 10, |_| {});
        let (gun, server) = (GUN.to_owned(), SERVER.to_owned());
        story.see(15, Sight::TrustReset { gun, server });
        told(&mut story, 20, version("timestamp", 1));
        story.keeps(check);
    }

    #[test]
    fn what_answers_rest_on_outlives_the_process_and_other_things_need_not() {
        let mut story = Story::new();
        told(&mut story, 10, version("timestamp", 1));
        restart(&mut story, 50, None);
        story.keeps(check);
        let mut story = Story::new();
        story.decided(10_000, verified(digest()));
        restart(&mut story, 50_000, None);
        story.breaks(check, "was not restored");
        let mut story = Story::new();
        story.decided(10_000, verified(digest()));
        restart(&mut story, 50_000, Some(0));
        story.breaks(check, "restored: timestamp has version 0, and had 1");
    }

    #[test]
    fn an_empty_disk_has_no_floors() {
        let mut story = Story::new();
        story.decided(10_000, verified(digest()));
        story.see(40_000, Sight::Wiped { why: "test".to_owned() });
        restart(&mut story, 50_000, None);
        story.keeps(check);
    }
}
