//! `heal-converges`: once nothing goes wrong any more, all replicas run, answer what they are
//! asked,
//! and obey the policies that the API server holds, unless their policy actor panicked on one.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::Input;

use super::{Oracle, Run, Violation};
use crate::history::Sight;
use crate::truth::policies::{Catalogue, InForce};

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "heal-converges",
    rule: "after the heal every replica runs, answers, and obeys the policies there are",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    if run.scenario.heal.is_none() {
        return;
    }
    let mut say = |replica: Option<usize>, what: String| {
        found.push(Violation { at: run.outcome.took, oracle: ORACLE.id, replica, what });
    };
    if let Some(why) = &run.outcome.stuck {
        say(None, why.clone());
    }
    let catalogue = Catalogue::of(run.scenario);
    let last = catalogue.last(run.scenario, run.outcome.took);
    let mut told: BTreeMap<usize, InForce> = BTreeMap::new();
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let mut probes = BTreeSet::new();
    for seen in &run.outcome.history {
        match &seen.what {
            Sight::Answered(answer) if probes.contains(&answer.event) => {
                answered.insert(seen.replica);
            }
            Sight::Policies(input) => {
                if let Input::Policy(input) = &**input {
                    let before = told.entry(seen.replica).or_default();
                    *before = before.after(&catalogue, input);
                }
            }
            Sight::Received { event, probe: true, .. } => {
                asked.insert(seen.replica);
                probes.insert(event);
            }
            Sight::Started(_) => drop(told.remove(&seen.replica)),
            Sight::Answered(_)
            | Sight::Bundle(_)
            | Sight::Crashed
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Reached { .. }
            | Sight::Received { .. }
            | Sight::Resolved(_)
            | Sight::Stopped
            | Sight::TrustReset { .. }
            | Sight::Wiped { .. } => {}
        }
    }
    for (replica, name) in run.scenario.replicas.iter().enumerate() {
        if told.get(&replica) != Some(&last) {
            say(Some(replica), format!("{name} obeys other policies than there are"));
        }
        if !asked.is_empty() && !answered.contains(&replica) {
            say(Some(replica), format!("{name} answered no question after the heal"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::messages::policy::{Deleted, ObjectRef, PolicyInput};

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, policy, verified};

    const AT: u64 = 5_000_000;

    fn healed() -> Story {
        Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() })
    }

    fn probed(story: &mut Story) -> portreeve_protocol::EventId {
        story.asked(AT, &facts("probe", IMAGE), true)
    }

    #[test]
    fn a_replica_that_answers_by_the_right_policies_keeps_heal_converges() {
        let mut story = healed();
        let event = probed(&mut story);
        let decision = sample::decision(&event, &facts("probe", IMAGE), verified(digest()));
        story.leave(AT + 1, AT, Arc::new(decision));
        story.keeps(check);
    }

    #[test]
    fn a_cluster_that_is_stuck_breaks_heal_converges() {
        let mut story = healed();
        story.outcome.stuck = Some("sim-0 does not run".to_owned());
        story.breaks(check, "does not run");
    }

    #[test]
    fn a_replica_that_answers_nothing_breaks_heal_converges() {
        let mut story = healed();
        probed(&mut story);
        story.breaks(check, "answered no question");
    }

    #[test]
    fn a_replica_with_other_policies_breaks_heal_converges() {
        let mut story = healed();
        let object = ObjectRef::Policy(policy().id());
        let told = PolicyInput::Deleted(Deleted { object });
        story.see(AT, Sight::Policies(Arc::new(told.into())));
        story.breaks(check, "other policies");
    }
}
