//! What a trust bundle has a say in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, BundleFailed, BundleLoaded, BundleVersions, OwnerOutcome,
    Resolution, ResolutionOutcome,
};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::policy::{Mode, TrustRequirement};
use portreeve_protocol::settings::{BundleExpired, BundleSettings};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Blob, Denial, DenyCode, Fact, Settings, Wall};
use serde_json::{Value, json};

use crate::seals::{child, found, workload};
use crate::world::{
    SERVER, World, answer, code, codes, digest, policy, policy_in, questions, resolution, rule,
    signed, trust, verified,
};

const GUN: &str = "registry.example/app";
const EXPIRES: Wall = Wall(1_900_000_500_000_000);

const ALICE: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

fn settings(expired: BundleExpired) -> Settings {
    let bundle = BundleSettings { expired, root: digest("root.json") };
    Settings { bundle: Some(bundle), ..Settings::default() }
}

fn loaded(version: u64, anchors: &Value) -> BundleLoaded {
    let text = json!({"format": 1, "anchors": anchors}).to_string();
    of(version, &text)
}

fn of(version: u64, text: &str) -> BundleLoaded {
    BundleLoaded {
        anchors: Blob::new(text.as_bytes()),
        expires: EXPIRES,
        origin: digest("root.json"),
        root: Blob::new(&b"root 1"[..]),
        versions: BundleVersions {
            root: 1,
            snapshot: version,
            targets: version,
            timestamp: version,
        },
    }
}

impl World {
    fn load(&mut self, bundle: BundleLoaded) -> Vec<AdmissionEffect> {
        self.deliver(&AdmissionInput::BundleLoaded(Box::new(bundle)))
    }

    /// A machine under one rule for everything, and a bundle of version 3 that says this.
    fn anchored(trust: Option<TrustRequirement>, anchors: &Value) -> Self {
        let mut world = Self::new(settings(BundleExpired::Keep));
        world.load(loaded(3, anchors));
        world.policies(vec![policy("default", vec![rule("*", trust)])]);
        world
    }

    fn ask(&mut self) -> (String, Resolve) {
        let mut asked = questions(&self.pod(&[GUN]));
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    fn told(&mut self, asked: &Resolve, outcome: ResolutionOutcome) -> Vec<AdmissionEffect> {
        let told = resolution(GUN, "latest", self.now.mono, outcome);
        let anchor = asked.anchor.as_ref().map(|anchor| anchor.digest());
        self.resolution(Resolution { anchor, ..told })
    }
}

fn facts(effects: &[AdmissionEffect]) -> Vec<Fact> {
    let fact = |it: &AdmissionEffect| match it {
        AdmissionEffect::Note(fact) => Some(fact.clone()),
        AdmissionEffect::Answer(_)
        | AdmissionEffect::Arm(..)
        | AdmissionEffect::Disarm(_)
        | AdmissionEffect::LookUpOwner(_)
        | AdmissionEffect::Resolve { .. } => None,
    };
    effects.iter().filter_map(fact).collect()
}

fn good() -> ResolutionOutcome {
    verified(signed(GUN, "latest", digest("image"), &[]))
}

#[test]
pub fn before_any_bundle_was_loaded_whatever_requires_trust_is_denied() {
    let mut world = World::new(settings(BundleExpired::Keep));
    let rules = vec![rule("free.example/*", None), rule("*", trust(&[]))];
    world.policies(vec![policy("default", rules)]);
    let decision = world.decide(&[GUN, "free.example/x"]);
    assert_eq!(codes(&decision), [Some(DenyCode::BundleUnavailable), None]);
    assert_eq!(decision.bundle, None);
    let failed = BundleFailed { code: BundleCode::Unreachable, detail: "no route".to_owned() };
    let effects = world.deliver(&AdmissionInput::BundleFailed(failed));
    assert!(matches!(&facts(&effects)[..], [Fact::BundleFailed { .. }]));
    let decision = world.decide(&[GUN]);
    assert!(decision.message.contains("no route (unreachable)"), "{}", decision.message);
    // A bundle that comes takes effect at once.
    let effects = world.load(loaded(1, &json!([])));
    assert!(matches!(facts(&effects)[..], [Fact::BundleLoaded { version: 1, .. }]));
    world.ask();
}

#[test]
fn without_a_bundle_configured_nothing_is_said_of_one() {
    let mut world = World::with_rule("*", trust(&[]));
    let (_, asked) = world.ask();
    assert_eq!(asked.anchor, None);
    let decision = answer(&world.tell(GUN, "latest", good()));
    assert!(decision.allowed && decision.bundle.is_none());
    assert!(!decision.audit.contains_key("bundle"));
}

#[test]
fn the_fetcher_is_told_what_the_bundle_says_and_the_decision_names_it() {
    let pin = digest("the root key").to_hex();
    let anchors = json!([{"gun": GUN, "rootKeyIds": [pin], "floors": {"root": 2}}]);
    let mut world = World::anchored(trust(&[]), &anchors);
    let (_, asked) = world.ask();
    let anchor = asked.anchor.clone().unwrap();
    assert_eq!(anchor.keyids, [digest("the root key")].into());
    assert_eq!((anchor.first_use, anchor.floors["root"]), (false, 2));
    let decision = answer(&world.told(&asked, good()));
    assert!(decision.allowed, "{}", decision.message);
    let bundle = decision.bundle.unwrap();
    assert_eq!((bundle.version, bundle.expired), (3, false));
    assert!(decision.audit["bundle"].starts_with("version 3, sha256:"), "{:?}", decision.audit);
}

#[test]
fn a_replaced_trust_server_is_told_in_one_sentence() {
    let pin = digest("the root key").to_hex();
    let mut world = World::anchored(trust(&[]), &json!([{"gun": GUN, "rootKeyIds": [pin]}]));
    let (_, asked) = world.ask();
    let why = Denial::new(DenyCode::RootPinMismatch, "the pins admit no key of root version 1");
    let decision = answer(&world.told(&asked, ResolutionOutcome::Refused(why)));
    assert_eq!(code(&decision), Some(DenyCode::RootPinMismatch));
    let detail = decision.denial.unwrap().detail;
    for part in [SERVER, GUN, "trust bundle version 3 pins", "was replaced"] {
        assert!(detail.contains(part), "{detail}");
    }
    // Where the real one was seen before.
    world.pass(31 * SECOND);
    let (_, asked) = world.ask();
    let why = Denial::new(DenyCode::RootChanged, "another root is served");
    let detail =
        answer(&world.told(&asked, ResolutionOutcome::Refused(why))).denial.unwrap().detail;
    assert!(detail.contains("was replaced") && detail.contains("trust reset"), "{detail}");
}

#[test]
pub fn an_answer_given_under_other_anchors_is_no_answer() {
    let mut world = World::anchored(trust(&[]), &json!([]));
    let (_, before) = world.ask();
    assert!(answer(&world.told(&before, good())).allowed);
    assert!(world.decide(&[GUN]).allowed, "it is fresh");
    let pin = digest("another key").to_hex();
    world.load(loaded(4, &json!([{"gun": GUN, "rootKeyIds": [pin]}])));
    let (_, after) = world.ask();
    assert_ne!(before.anchor, after.anchor);
    assert!(world.told(&before, good()).is_empty(), "nobody waits for that any more");
    let why = Denial::new(DenyCode::RootPinMismatch, "another root");
    let decision = answer(&world.told(&after, ResolutionOutcome::Refused(why)));
    assert_eq!(decision.bundle.unwrap().version, 4);
}

#[test]
fn first_use_is_forbidden_unless_the_bundle_allows_it() {
    let first_use = || {
        let mut tag = signed(GUN, "latest", digest("image"), &[]);
        tag.evidence.first_use = true;
        verified(tag)
    };
    for (anchors, expected) in [
        (json!([]), Some(DenyCode::RootUnpinned)),
        (json!([{"gun": GUN}]), Some(DenyCode::RootUnpinned)),
        (json!([{"gun": GUN, "firstUse": true}]), None),
    ] {
        let mut world = World::anchored(trust(&[]), &anchors);
        let (_, asked) = world.ask();
        assert_eq!(code(&answer(&world.told(&asked, first_use()))), expected, "{anchors}");
    }
}

#[test]
fn a_seal_given_before_the_bundle_raised_a_floor_stands_for_nothing() {
    let anchors =
        |floor: u64| json!([{"gun": GUN, "firstUse": true, "floors": {"targets": floor}}]);
    let mut world = World::anchored(trust(&[]), &anchors(3));
    let mut asked = questions(&world.review(&workload("Deployment", &[GUN])));
    let sealed = answer(&world.told(&asked.remove(0).1, good())).claims().unwrap();
    let owner = || OwnerOutcome::Found(Box::new(found(&sealed)));
    let effects = world.with_owner(&child(&[GUN]), owner());
    assert!(answer(&effects).allowed && questions(&effects).is_empty());
    world.load(loaded(4, &anchors(4)));
    let effects = world.with_owner(&child(&[GUN]), owner());
    assert_eq!(questions(&effects).len(), 1, "its trust server is asked again");
}

#[test]
pub fn signers_of_the_bundle_are_asked_for_besides_those_of_the_policy() {
    let alice = json!([{"gun": GUN, "signers": [{"name": "alice", "publicKey": ALICE}]}]);
    let mut world = World::anchored(trust(&[("bob", digest("bob"))]), &alice);
    let (_, asked) = world.ask();
    let tag = signed(GUN, "latest", digest("image"), &[("bob", digest("bob"))]);
    let decision = answer(&world.told(&asked, verified(tag)));
    assert_eq!(code(&decision), Some(DenyCode::SignerMissing), "{}", decision.message);
    let mut world = World::anchored(trust(&[]), &alice);
    let (_, asked) = world.ask();
    let tag = signed(GUN, "latest", digest("image"), &[("alice", digest("mallory"))]);
    let decision = answer(&world.told(&asked, verified(tag)));
    assert_eq!(code(&decision), Some(DenyCode::SignerKeyMismatch));
    assert!(decision.message.contains("the trust bundle"), "{}", decision.message);
}

#[test]
pub fn the_bundles_trust_server_is_asked_and_no_rule_names_another_unless_it_may() {
    let server = "https://trust.example";
    let anchor = |more: &Value| {
        let mut anchor = json!({"gun": GUN, "trustServer": server});
        anchor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([anchor])
    };
    let named = |server: Option<&str>| {
        let mut requirement = trust(&[]).unwrap();
        requirement.server = server.map(str::to_owned);
        Some(requirement)
    };
    for same in [None, Some(server), Some("https://trust.example:443")] {
        let mut world = World::anchored(named(same), &anchor(&json!({})));
        assert_eq!(world.ask().0, server, "{same:?}");
    }
    let mut world = World::anchored(named(Some(SERVER)), &anchor(&json!({})));
    let decision = world.decide(&[GUN]);
    assert_eq!(code(&decision), Some(DenyCode::TrustServerRefused));
    assert!(decision.message.contains("trust bundle version 3"), "{}", decision.message);
    let loosened = anchor(&json!({"policyMayLoosen": true}));
    let mut world = World::anchored(named(Some(SERVER)), &loosened);
    assert_eq!(world.ask().0, SERVER);
    // Whoever may write policies in one namespace loosens nothing.
    let own = policy_in("apps", "own", vec![rule("*", named(Some(SERVER)))]);
    world.policies(vec![own]);
    assert_eq!(code(&world.decide(&[GUN])), Some(DenyCode::TrustServerRefused));
}

#[test]
fn a_policy_shortens_freshness_and_never_lengthens_it() {
    let floor = |bundle: Value, policy: Option<u64>| {
        let mut requirement = trust(&[]).unwrap();
        requirement.freshness = policy;
        let mut world = World::anchored(Some(requirement), &json!([bundle]));
        let now = world.now.mono;
        now.since(world.ask().1.not_before)
    };
    let minute = || json!({"gun": GUN, "freshness": "1m"});
    assert_eq!(floor(minute(), None), 60 * SECOND);
    assert_eq!(floor(minute(), Some(5 * SECOND)), 5 * SECOND);
    assert_eq!(floor(minute(), Some(300 * SECOND)), 60 * SECOND);
    let loose = json!({"gun": GUN, "freshness": "1m", "policyMayLoosen": true});
    assert_eq!(floor(loose, Some(300 * SECOND)), 300 * SECOND);
    assert_eq!(floor(json!({"gun": GUN}), None), 30 * SECOND);
}

#[test]
fn what_the_bundle_requires_is_enforced_whatever_a_policy_says() {
    let required = json!([{"gun": GUN, "required": true, "trustServer": SERVER}]);
    let mut world = World::anchored(None, &required);
    let (server, asked) = world.ask();
    assert_eq!(server, SERVER);
    let absent = answer(&world.told(&asked, ResolutionOutcome::Absent));
    assert_eq!(code(&absent), Some(DenyCode::NotSigned));
    let mut tolerant = rule("*", trust(&[]));
    tolerant.mode = Mode::Warn;
    world.policies(vec![policy("default", vec![tolerant])]);
    world.pass(31 * SECOND);
    let (_, asked) = world.ask();
    let absent = answer(&world.told(&asked, ResolutionOutcome::Absent));
    assert_eq!(code(&absent), Some(DenyCode::NotSigned), "the rule only warns");
    let mut world = World::anchored(None, &json!([{"gun": GUN}]));
    assert!(world.decide(&[GUN]).allowed, "an anchor by itself requires nothing");
}

#[test]
pub fn an_expired_bundle_stays_in_force_with_an_alarm_or_denies() {
    for expired in [BundleExpired::Keep, BundleExpired::Deny] {
        let mut world = World::new(settings(expired));
        world.load(loaded(3, &json!([])));
        world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
        let (_, asked) = world.ask();
        assert!(answer(&world.told(&asked, good())).allowed);
        world.pass(501 * SECOND);
        let effects = world.pod(&[GUN]);
        let news = facts(&effects);
        assert!(news.contains(&Fact::BundleExpired { version: 3 }), "{news:?}");
        if expired == BundleExpired::Deny {
            assert_eq!(code(&answer(&effects)), Some(DenyCode::BundleExpired));
        } else {
            let (_, asked) = questions(&effects).remove(0);
            let decision = answer(&world.told(&asked, good()));
            assert!(decision.allowed && decision.bundle.unwrap().expired);
            assert!(decision.warnings[0].contains("has expired"), "{:?}", decision.warnings);
        }
        assert!(!facts(&world.pod(&[GUN])).contains(&Fact::BundleExpired { version: 3 }), "once");
        let renewed = BundleLoaded { expires: Wall(EXPIRES.0 * 2), ..loaded(4, &json!([])) };
        world.load(renewed);
        world.pass(31 * SECOND);
        let (_, asked) = world.ask();
        let decision = answer(&world.told(&asked, good()));
        assert!(decision.allowed && !decision.bundle.unwrap().expired);
    }
}

#[test]
pub fn an_older_or_unintelligible_bundle_is_not_taken_and_the_one_before_stays() {
    let mut world = World::new(settings(BundleExpired::Keep));
    world.load(loaded(3, &json!([])));
    world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
    let anchors = json!([{"gun": GUN, "firstUse": true}]);
    let behind = |of: fn(&mut BundleVersions)| {
        let mut bundle = loaded(4, &anchors);
        of(&mut bundle.versions);
        bundle
    };
    for (bundle, expected) in [
        (loaded(2, &anchors), BundleCode::Rollback),
        (behind(|it| it.timestamp = 2), BundleCode::Rollback),
        (behind(|it| it.snapshot = 2), BundleCode::Rollback),
        (behind(|it| it.root = 0), BundleCode::Rollback),
        (loaded(3, &anchors), BundleCode::Equivocation),
        (of(4, "{}"), BundleCode::Anchors),
        (
            loaded(4, &json!([{"gun": GUN, "signers": [{"name": "a", "publicKey": "x"}]}])),
            BundleCode::Anchors,
        ),
    ] {
        for _ in 0..2 {
            let news = facts(&world.load(bundle.clone()));
            let found = news.iter().find_map(|fact| {
                if let Fact::BundleFailed { code, .. } = fact { Some(*code) } else { None }
            });
            assert_eq!(found, Some(expected), "{news:?}");
        }
        let (_, asked) = world.ask();
        assert!(!asked.anchor.unwrap().first_use, "the one before is in force");
    }
    // From another root that the operator gave, all begins anew.
    let other = BundleLoaded {
        origin: digest("another root.json"),
        root: Blob::new(&b"another root"[..]),
        ..loaded(1, &anchors)
    };
    assert!(matches!(facts(&world.load(other))[..], [Fact::BundleLoaded { version: 1, .. }]));
    assert_eq!(code(&world.decide(&[GUN])), Some(DenyCode::BundleUnavailable), "not this root's");
}

#[test]
fn the_bundle_left_stays_in_force_from_the_newest_root_it_was_verified_by_and_from_no_other() {
    let given = |root| {
        let bundle = BundleSettings { expired: BundleExpired::Keep, root };
        Settings { bundle: Some(bundle), ..Settings::default() }
    };
    let left = loaded(3, &json!([]));
    for (root, stays) in [
        (left.origin, true),
        (left.root.digest(), true),
        (digest("a root of somebody else"), false),
        (left.anchors.digest(), false),
    ] {
        let mut world = World::restored(given(root), left.clone());
        world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
        let failed = BundleFailed { code: BundleCode::Unreachable, detail: "gone".to_owned() };
        world.deliver(&AdmissionInput::BundleFailed(failed));
        if !stays {
            assert_eq!(code(&world.decide(&[GUN])), Some(DenyCode::BundleUnavailable));
            continue;
        }
        let (_, asked) = world.ask();
        let decision = answer(&world.told(&asked, good()));
        assert_eq!(decision.bundle.map(|it| it.version), Some(3), "{}", decision.message);
        // What is loaded from there has the floors of the bundle left, despite its newer root.
        let next = |version| BundleLoaded {
            origin: root,
            root: Blob::new(&b"root 2"[..]),
            ..loaded(version, &json!([]))
        };
        let news = facts(&world.load(next(2)));
        let behind =
            |it: &Fact| matches!(it, Fact::BundleFailed { code: BundleCode::Rollback, .. });
        assert!(news.iter().any(behind), "{news:?}");
        assert!(matches!(facts(&world.load(next(4)))[..], [Fact::BundleLoaded { .. }]));
    }
}

#[test]
fn the_same_bundle_again_is_no_news_unless_a_look_had_failed() {
    let mut world = World::new(settings(BundleExpired::Keep));
    assert_eq!(facts(&world.load(loaded(3, &json!([])))).len(), 1);
    assert!(facts(&world.load(loaded(3, &json!([])))).is_empty());
    let failed = BundleFailed { code: BundleCode::Absent, detail: "gone".to_owned() };
    world.deliver(&AdmissionInput::BundleFailed(failed));
    assert_eq!(facts(&world.load(loaded(3, &json!([])))).len(), 1);
}

#[test]
fn an_operators_own_pin_still_tightens_what_the_bundle_pins() {
    let root = digest("root");
    let pins = [(GUN.to_owned(), [digest("another key")].into())].into();
    let mut world = World::new(Settings { pins, ..settings(BundleExpired::Keep) });
    world.load(loaded(3, &json!([{"gun": GUN, "rootKeyIds": [root.to_hex()]}])));
    world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
    let (_, asked) = world.ask();
    assert_eq!(asked.anchor.as_ref().unwrap().keyids, [root].into());
    let decision = answer(&world.told(&asked, good()));
    assert_eq!(code(&decision), Some(DenyCode::RootPinMismatch), "{}", decision.message);
}
