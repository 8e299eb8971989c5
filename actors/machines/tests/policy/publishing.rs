//! When a snapshot is published, and what else is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::limits;
use portreeve_protocol::messages::policy::{ObjectRef, PolicyInput, WatchLost};
use portreeve_protocol::policy::{PolicyGroup, PolicyState};

use crate::world::{World, facts, id, policy, snapshot, snapshots};

const OPEN: &str = r#"{"repositories":[{"name":"*"}]}"#;

fn lost() -> PolicyInput {
    PolicyInput::WatchLost(WatchLost { why: "connection closed".to_owned() })
}

#[test]
pub fn nothing_is_published_before_the_first_whole_list() {
    let mut world = World::new();
    assert!(world.apply(policy("p", None, OPEN)).is_empty());
    assert!(snapshots(&world.deliver(&lost())).is_empty());
    let effects = world.relist(vec![policy("p", None, OPEN)]);
    let found = snapshot(&effects);
    assert_eq!((found.revision, found.watched, found.cluster.len()), (1, true, 1));
    assert_eq!(facts(&effects), ["policies-published"]);
}

#[test]
fn an_empty_list_is_published_too() {
    let (_, effects) = World::listed(Vec::new());
    assert!(snapshot(&effects).cluster.is_empty());
}

#[test]
pub fn a_revision_counts_changes_of_content_only() {
    let (mut world, _) = World::listed(vec![policy("p", None, OPEN)]);
    assert!(world.apply(policy("p", None, OPEN)).is_empty());
    assert!(world.relist(vec![policy("p", None, OPEN)]).is_empty());
    assert!(world.delete(ObjectRef::Policy(id("other", None))).is_empty());
    assert_eq!(snapshot(&world.apply(policy("q", None, OPEN))).revision, 2);
    let effects = world.delete(ObjectRef::Policy(id("q", None)));
    assert_eq!(snapshot(&effects).revision, 3);
    assert_eq!(snapshot(&effects).cluster.len(), 1);
}

#[test]
pub fn what_a_new_list_lacks_is_gone() {
    let (mut world, _) = World::listed(vec![policy("p", None, OPEN), policy("n", Some("a"), OPEN)]);
    let found = snapshot(&world.relist(vec![policy("q", None, OPEN)]));
    assert_eq!(found.cluster[0].id, id("q", None));
    assert!(found.namespaces.is_empty());
}

#[test]
pub fn a_lost_watch_keeps_the_policies_and_flags_them_until_it_is_restored_or_listed_anew() {
    for restore in [false, true] {
        let (mut world, _) = World::listed(vec![policy("p", None, OPEN)]);
        let effects = world.deliver(&lost());
        let found = snapshot(&effects);
        assert_eq!((found.revision, found.watched, found.cluster.len()), (2, false, 1));
        assert_eq!(facts(&effects), ["watch-lost", "policies-published"]);
        assert!(world.deliver(&lost()).is_empty(), "once lost is lost");
        let effects = if restore {
            world.deliver(&PolicyInput::WatchRestored)
        } else {
            world.relist(vec![policy("p", None, OPEN)])
        };
        assert!(snapshot(&effects).watched);
        assert_eq!(snapshot(&effects).revision, 3);
        assert_eq!(facts(&effects), ["watch-restored", "policies-published"]);
        assert!(world.deliver(&PolicyInput::WatchRestored).is_empty());
    }
}

#[test]
pub fn one_policy_that_is_not_understood_is_told_once_and_hides_no_other() {
    let objects = vec![policy("good", None, OPEN), policy("bad", None, "{")];
    let (mut world, effects) = World::listed(objects);
    let found = snapshot(&effects);
    assert!(matches!(found.cluster[0].rules, PolicyState::Invalid(_)), "in order of name");
    assert!(matches!(found.cluster[1].rules, PolicyState::Valid(_)));
    assert_eq!(facts(&effects), ["policy-invalid", "policies-published"]);
    let effects = world.apply(policy("third", None, OPEN));
    assert_eq!(facts(&effects), ["policies-published"]);
    let effects = world.apply(policy("bad", None, "["));
    assert_eq!(facts(&effects), ["policy-invalid", "policies-published"], "for another reason");
}

#[test]
fn policies_of_both_groups_count_together() {
    let mut seed = policy("p", None, OPEN);
    if let portreeve_protocol::messages::policy::SourceObject::Policy(object) = &mut seed {
        object.id.group = PolicyGroup::SecurityEnforcement;
    }
    let (_, effects) = World::listed(vec![seed, policy("p", None, OPEN)]);
    let groups: Vec<_> = snapshot(&effects).cluster.iter().map(|it| it.id.group).collect();
    assert_eq!(groups, [PolicyGroup::Portieris, PolicyGroup::SecurityEnforcement]);
}

#[test]
fn more_policies_than_can_be_held_deny_instead_of_being_left_out() {
    let objects =
        (0..=limits::OBJECTS).map(|index| policy(&format!("p{index}"), None, OPEN)).collect();
    let (mut world, effects) = World::listed(objects);
    let invalid = |rules: &PolicyState| matches!(rules, PolicyState::Invalid(_));
    assert!(snapshot(&effects).cluster.iter().all(|policy| invalid(&policy.rules)));
    world.delete(ObjectRef::Policy(id("p0", None)));
    let found = snapshot(&world.relist(vec![policy("p", None, OPEN)]));
    assert!(!invalid(&found.cluster[0].rules));
}
