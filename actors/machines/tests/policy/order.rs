//! The same objects give the same snapshot, whatever the order and way they came in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::policy::PolicySnapshot;
use proptest::prelude::*;

use crate::world::{ALICE, BOB, World, policy, secret, snapshots};

fn objects() -> Vec<SourceObject> {
    let signed = |secret: &str| {
        format!(
            r#"{{"repositories":[{{"name":"r.example/*","policy":{{"trust":{{"enabled":true,
            "signerSecrets":[{{"name":"{secret}"}}]}}}}}},{{"name":"*"}}]}}"#
        )
    };
    vec![
        policy("a", None, &signed("alice")),
        policy("b", None, "broken"),
        policy("c", None, "{}"),
        policy("a", Some("apps"), &signed("bob")),
        policy("b", Some("apps"), &signed("nobody")),
        policy("a", Some("other"), "null"),
        secret("portreeve", "alice", "alice", ALICE),
        secret("apps", "bob", "bob", BOB),
        secret("apps", "unused", "..", "no key"),
    ]
}

/// The last snapshot, its revision apart.
fn last(found: Vec<std::sync::Arc<PolicySnapshot>>) -> PolicySnapshot {
    let last = found.last().expect("something was published");
    PolicySnapshot { revision: 0, ..PolicySnapshot::clone(last) }
}

fn expected() -> PolicySnapshot {
    last(snapshots(&World::listed(objects()).1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_in_any_order_gives_the_same_snapshot(listed in Just(objects()).prop_shuffle()) {
        prop_assert_eq!(last(snapshots(&World::listed(listed).1)), expected());
    }

    #[test]
    fn objects_applied_one_by_one_in_any_order_give_the_same_snapshot(
        applied in Just(objects()).prop_shuffle(),
        before in 0_usize..9,
    ) {
        let mut world = World::new();
        let mut found = Vec::new();
        let (listed, later) = applied.split_at(before);
        found.extend(snapshots(&world.relist(listed.to_vec())));
        for object in later {
            found.extend(snapshots(&world.apply(object.clone())));
        }
        prop_assert_eq!(last(found), expected());
    }

    #[test]
    fn revisions_rise_by_one_with_every_snapshot(
        applied in Just(objects()).prop_shuffle(),
    ) {
        let (mut world, effects) = World::listed(Vec::new());
        let mut revisions: Vec<_> = snapshots(&effects).iter().map(|it| it.revision).collect();
        for object in applied {
            revisions.extend(snapshots(&world.apply(object)).iter().map(|it| it.revision));
        }
        let counted: Vec<_> = (1_u64..).take(revisions.len()).collect();
        prop_assert_eq!(revisions, counted);
    }
}
