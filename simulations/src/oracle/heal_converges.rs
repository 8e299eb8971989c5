//! `heal-converges`: once nothing goes wrong any more, all replicas run, answer what they are
//! asked, and obey the policies that the API server holds: those that their policy actors were
//! told, and those that their admission actors go by.

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
            | Sight::ClockAcknowledged { .. }
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
            say(Some(replica), format!("{name} was told of other policies than there are"));
        } else if let Some(why) = disobeys(run, &last, replica) {
            say(Some(replica), format!("{name} obeys other policies than there are: {why}"));
        }
        if !asked.is_empty() && !answered.contains(&replica) {
            say(Some(replica), format!("{name} answered no question after the heal"));
        }
    }
}

/// What is wrong with the policies that the admission actor of a replica goes by, if anything is.
fn disobeys(run: &Run<'_>, last: &InForce, replica: usize) -> Option<String> {
    let left = run.outcome.replicas.get(replica)?;
    let Some(obeyed) = &left.policies else { return Some("it knows none".to_owned()) };
    let unwatched = || (!obeyed.watched).then(|| "it takes them for unwatched".to_owned());
    last.differs(&run.scenario.settings, obeyed).or_else(unwatched)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::messages::policy::{Deleted, ObjectRef, PolicyInput};
    use portreeve_protocol::policy::PolicyState;

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, policy, verified};

    const AT: u64 = 5_000_000;

    fn healed() -> Story {
        Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() })
    }

    fn answered(story: &mut Story) {
        let event = probed(story);
        let decision = sample::decision(&event, &facts("probe", IMAGE), verified(digest()));
        story.leave(AT + 1, AT, Arc::new(decision));
    }

    fn probed(story: &mut Story) -> portreeve_protocol::EventId {
        story.asked(AT, &facts("probe", IMAGE), true)
    }

    #[test]
    fn a_replica_that_answers_by_the_right_policies_keeps_heal_converges() {
        let mut story = healed();
        answered(&mut story);
        story.keeps(check);
    }

    #[test]
    fn a_replica_that_obeys_what_is_not_there_any_more_breaks_heal_converges() {
        let mut story = healed();
        answered(&mut story);
        story.outcome.replicas[0].policies = None;
        story.breaks(check, "it knows none");
        let mut obeyed = sample::obeyed(&story.scenario);
        obeyed.cluster[0].id.name = "deleted".to_owned();
        story.outcome.replicas[0].policies = Some(Arc::new(obeyed));
        story.breaks(check, "deleted is not there any more");
        let mut obeyed = sample::obeyed(&story.scenario);
        obeyed.cluster[0].rules = PolicyState::Valid(Vec::new());
        story.outcome.replicas[0].policies = Some(Arc::new(obeyed));
        story.breaks(check, "is another by now");
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
        story.breaks(check, "was told of other policies");
    }
}
