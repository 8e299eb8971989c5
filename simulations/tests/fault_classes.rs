//! Rules of the classes of faults: what each draws, when it ends, and what it does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::messages::notary::{DocumentName, FetchRequest};
use portreeve_protocol::{CredentialRef, Denial, DenyCode, Mono};
use portreeve_simulations::fault::{
    Act, BitFlip, BundleLook, CLASSES, Class as _, ClockDrift, ClockSkew, ClockStep, Clogging,
    CrashLoop, Delay, Duplication, EndlessBody, Fault, FullMailbox, Ground, HostileContent,
    Impostor, Influence, Link, Loss, OneWayPartition, Partition, Passage, Place, Reordering,
    RollingUpgrade, ServerErrors, ServerHangs, Service, SlowSync, Spot, SyncError, Syncing,
    TokenServerDown, Traffic, Unauthorized,
};
use portreeve_simulations::hostile::{Mark, Nature};
use portreeve_simulations::rng::{Rng, Streams};

const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const HEAL: u64 = 60_000_000;
const MINUTE: u64 = 60_000_000;
const NOTARY: &str = "https://notary.example";
const OTHER: &str = "https://other.example:4443";
const RATES: [u64; 3] = [1, 30, 1_000];
const REPLICAS: usize = 3;
const TRAFFIC: [Traffic; 8] = [
    Traffic::Answer,
    Traffic::Fetch,
    Traffic::Document,
    Traffic::Hop,
    Traffic::Look,
    Traffic::Owner,
    Traffic::Review,
    Traffic::Watch,
];

fn ground() -> Ground {
    let collection = |(server, gun): (&str, &str)| (server.to_owned(), gun.to_owned());
    let collections =
        [(NOTARY, "registry.example/web"), (NOTARY, "registry.example/db"), (OTHER, "o.example/a")];
    Ground {
        collections: collections.map(collection).into(),
        heal: HEAL,
        pinned: vec![collection((NOTARY, "registry.example/db"))],
        replicas: REPLICAS,
        servers: [NOTARY, OTHER].map(str::to_owned).into(),
    }
}

fn rng(seed: u64) -> Rng {
    Streams::new(seed).stream("faults")
}

/// The faults of every class, rate and many seeds, each with the rate.
fn drawn() -> Vec<(u64, Fault)> {
    let mut all = Vec::new();
    for (_, draw) in CLASSES {
        for rate in RATES {
            for seed in 0..15 {
                let faults = draw(&ground(), rate, &mut rng(seed));
                all.extend(faults.into_iter().map(|fault| (rate, fault)));
            }
        }
    }
    all
}

/// Where each kind of traffic goes, for a replica and a trust server.
fn link(traffic: Traffic, replica: usize, server: &str) -> Link<'_> {
    let (from, to) = match traffic {
        Traffic::Answer | Traffic::Look => (Place::Replica(replica), Place::ApiServer),
        Traffic::Fetch => (Place::Replica(replica), Place::TrustServer(server)),
        Traffic::Document => (Place::TrustServer(server), Place::Replica(replica)),
        Traffic::Hop => (Place::Replica(replica), Place::Replica(replica)),
        Traffic::Owner | Traffic::Review | Traffic::Watch => {
            (Place::ApiServer, Place::Replica(replica))
        }
    };
    Link { from, to, traffic }
}

fn links() -> Vec<Link<'static>> {
    let mut links = Vec::new();
    for traffic in TRAFFIC {
        for replica in 0..REPLICAS {
            links.extend([NOTARY, OTHER].map(|server| link(traffic, replica, server)));
        }
    }
    links
}

fn request(server: &str) -> FetchRequest {
    FetchRequest {
        credentials: Vec::new(),
        document: DocumentName::Timestamp,
        flight: 1,
        gun: "registry.example/web".to_owned(),
        limit: 1_000,
        server: server.to_owned(),
        timeout: 5_000_000,
    }
}

const PASSAGE: Passage = Passage { copies: 1, delay: 700 };

fn passed(fault: &dyn Influence, at: u64, link: &Link<'_>, seed: u64) -> Passage {
    let mut passage = PASSAGE;
    fault.pass(Mono(at), link, &mut rng(seed), &mut passage);
    passage
}

fn served(fault: &dyn Influence, at: u64, request: &FetchRequest) -> Service {
    let mut service = Service::Documents;
    fault.serve(Mono(at), request, &mut rng(at), &mut service);
    service
}

fn synced(fault: &dyn Influence, at: u64, replica: usize) -> Syncing {
    let mut syncing = Syncing { error: None, micros: 400 };
    fault.sync(Mono(at), replica, &mut rng(at), &mut syncing);
    syncing
}

fn wrong_by(fault: &dyn Influence, at: u64, replica: usize) -> i64 {
    let mut wall = 0;
    fault.clock(Mono(at), replica, &mut wall);
    wall
}

fn looked(fault: &dyn Influence, at: u64, replica: usize) -> BundleLook {
    let mut look = BundleLook::Finds { behind: 0 };
    fault.bundle(Mono(at), replica, &mut rng(at), &mut look);
    look
}

/// Whether the fault bends anything at an instant.
fn bends(fault: &dyn Influence, at: u64) -> bool {
    let bundle = |replica| looked(fault, at, replica) != BundleLook::Finds { behind: 0 };
    let disk = |replica| synced(fault, at, replica) != Syncing { error: None, micros: 400 };
    links().iter().any(|link| passed(fault, at, link, at) != PASSAGE)
        || [NOTARY, OTHER].iter().any(|it| served(fault, at, &request(it)) != Service::Documents)
        || (0..REPLICAS)
            .any(|replica| disk(replica) || bundle(replica) || wrong_by(fault, at, replica) != 0)
}

#[test]
fn ids_are_unique_and_written_in_kebab_case() {
    let ids: BTreeSet<&str> = CLASSES.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), CLASSES.len());
    for id in ids {
        let letters = id.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        assert!(
            letters && !id.starts_with('-') && !id.ends_with('-') && !id.contains("--"),
            "{id}"
        );
    }
}

#[test]
fn every_class_stands_in_the_architecture() {
    let section = ARCHITECTURE.split("\n## ").find(|it| it.starts_with("7.")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let described: BTreeMap<&str, &str> = rows.collect();
    for (id, _) in CLASSES {
        assert!(described.get(id).is_some_and(|text| text.len() > 10), "no row for `{id}`");
    }
}

#[test]
fn the_worst_rate_gives_a_fault_of_each_class() {
    for (id, draw) in CLASSES {
        for seed in 0..60 {
            let faults = draw(&ground(), 1_000, &mut rng(seed));
            assert!(!faults.is_empty(), "{id} with seed {seed}");
            assert!(faults.iter().all(|fault| fault.class() == *id), "{id}");
        }
    }
}

#[test]
fn a_higher_rate_gives_more_faults_or_worse_ones() {
    for (id, draw) in CLASSES {
        let many = |rate| (0..60).map(|seed| draw(&ground(), rate, &mut rng(seed)).len()).sum();
        let (few, more): (usize, usize) = (many(1), many(1_000));
        assert!(few < more, "{id}: {few} and {more}");
    }
}

#[test]
fn the_same_draws_give_the_same_faults() {
    for (id, draw) in CLASSES {
        for rate in RATES {
            let draw = |seed| draw(&ground(), rate, &mut rng(seed));
            assert_eq!(draw(1), draw(1), "{id}");
            let some = (0..9).map(draw).collect::<Vec<_>>();
            assert!(some.iter().any(|faults| *faults != some[0]), "{id} hangs on no draw");
        }
    }
}

#[test]
fn a_fault_is_data_that_survives_json() {
    for (_, fault) in drawn() {
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault, "{text}");
    }
}

#[test]
fn no_fault_lasts_beyond_the_heal() {
    for (_, fault) in drawn() {
        let influence = fault.influence();
        assert!(influence.acts().iter().all(|(at, _)| *at <= HEAL), "{fault:?}");
        for at in [HEAL, HEAL + 1, HEAL + 10_000_000, 100 * HEAL] {
            assert!(!bends(influence, at), "{fault:?}");
        }
    }
}

#[test]
fn nothing_is_put_off_beyond_the_heal() {
    for (_, fault) in drawn() {
        for at in (0..HEAL).step_by(6_000_000).chain([HEAL - 1]) {
            for link in links() {
                let passage = passed(fault.influence(), at, &link, at);
                assert!(at + passage.delay <= HEAL + PASSAGE.delay, "{fault:?}");
            }
            for replica in 0..REPLICAS {
                assert!(at + synced(fault.influence(), at, replica).micros <= HEAL + 400);
            }
        }
    }
}

#[test]
fn no_class_is_idle() {
    for (id, draw) in CLASSES {
        let faults = (0..60).flat_map(|seed| draw(&ground(), 1_000, &mut rng(seed)));
        let works = |fault: &Fault| {
            let influence = fault.influence();
            let (acts, now) = (influence.acts(), |at| bends(influence, at));
            let drifts = (0..REPLICAS).any(|replica| influence.drift(replica) != 0);
            !acts.is_empty() || drifts || (0..HEAL).step_by(500_000).any(now)
        };
        assert!(faults.into_iter().any(|fault| works(&fault)), "{id}");
    }
}

#[test]
fn nothing_at_all_to_happen_to_is_no_fault() {
    let ground = Ground {
        collections: Vec::new(),
        heal: 0,
        pinned: Vec::new(),
        replicas: 0,
        servers: Vec::new(),
    };
    for (id, draw) in CLASSES {
        for fault in draw(&ground, 1_000, &mut rng(1)) {
            assert!(!bends(fault.influence(), 0), "{id}");
        }
    }
}

#[test]
fn a_moved_trust_server_keeps_its_faults() {
    for (_, mut fault) in drawn() {
        let before = serde_json::to_string(&fault).unwrap();
        fault.influence_mut().moved(NOTARY, "http://127.0.0.1:1");
        let after = serde_json::to_string(&fault).unwrap();
        assert_eq!(after, before.replace(NOTARY, "http://127.0.0.1:1"));
    }
}

#[test]
fn a_partition_cuts_both_ways_and_leaves_each_side_alone() {
    let side = vec![Spot::Replica(0), Spot::TrustServer(NOTARY.to_owned())];
    let fault = Partition { from: 10, side, until: 1_000 };
    for traffic in [Traffic::Fetch, Traffic::Document] {
        assert_eq!(passed(&fault, 10, &link(traffic, 0, OTHER), 0).copies, 0);
        assert_eq!(passed(&fault, 10, &link(traffic, 1, NOTARY), 0).copies, 0);
        assert_eq!(passed(&fault, 10, &link(traffic, 0, NOTARY), 0), PASSAGE);
        assert_eq!(passed(&fault, 10, &link(traffic, 1, OTHER), 0), PASSAGE);
        assert_eq!(passed(&fault, 9, &link(traffic, 0, OTHER), 0), PASSAGE);
        assert_eq!(passed(&fault, 1_000, &link(traffic, 0, OTHER), 0), PASSAGE);
    }
    assert_eq!(passed(&fault, 10, &link(Traffic::Hop, 0, NOTARY), 0), PASSAGE);
}

#[test]
fn what_a_watch_says_during_a_partition_comes_after_it() {
    let fault = Partition { from: 10, side: vec![Spot::ApiServer], until: 9_000 };
    let passage = passed(&fault, 2_000, &link(Traffic::Watch, 0, NOTARY), 0);
    assert_eq!(passage, Passage { copies: 1, delay: 7_000 });
    assert_eq!(passed(&fault, 2_000, &link(Traffic::Review, 0, NOTARY), 0).copies, 0);
}

#[test]
fn a_one_way_partition_cuts_one_way() {
    let cut = |inward, traffic| {
        let side = vec![Spot::Replica(1)];
        let fault = OneWayPartition { from: 0, inward, side, until: 1_000 };
        passed(&fault, 5, &link(traffic, 1, NOTARY), 0).copies == 0
    };
    let (to, from) = ([Traffic::Document, Traffic::Review], [Traffic::Fetch, Traffic::Answer]);
    assert!(to.iter().all(|traffic| cut(true, *traffic) && !cut(false, *traffic)));
    assert!(from.iter().all(|traffic| cut(false, *traffic) && !cut(true, *traffic)));
}

#[test]
fn a_side_is_neither_nobody_nor_everybody() {
    let sides: Vec<_> = (0..300).map(|seed| ground().side(&mut rng(seed))).collect();
    let sizes: BTreeSet<usize> = sides.iter().map(Vec::len).collect();
    assert!(sizes.contains(&1) && sizes.contains(&3), "{sizes:?}");
    assert!(sizes.iter().all(|size| (1..6).contains(size)), "{sizes:?}");
}

#[test]
fn a_clogged_link_delivers_all_at_its_end() {
    let (sender, to) = (Spot::TrustServer(NOTARY.to_owned()), Spot::Replica(2));
    let fault = Clogging { from: 100_000, sender, to, until: 900_000 };
    for at in [100_000, 300_000, 899_000] {
        let passage = passed(&fault, at, &link(Traffic::Document, 2, NOTARY), 0);
        assert_eq!((passage.copies, at + passage.delay), (1, 900_000));
    }
    assert_eq!(passed(&fault, 899_900, &link(Traffic::Document, 2, NOTARY), 0), PASSAGE);
    assert_eq!(passed(&fault, 300_000, &link(Traffic::Fetch, 2, NOTARY), 0), PASSAGE);
    assert_eq!(passed(&fault, 300_000, &link(Traffic::Document, 1, NOTARY), 0), PASSAGE);
}

#[test]
fn loss_loses_its_share_and_nothing_of_a_watch_or_within_a_replica() {
    let lost = |share, traffic| {
        let fault = Loss { from: 0, share, until: 1_000_000_000 };
        let passage = |seed| passed(&fault, 5, &link(traffic, 0, NOTARY), seed);
        (0..1_000).filter(|seed| passage(*seed).copies == 0).count()
    };
    assert_eq!(lost(1_000, Traffic::Fetch), 1_000);
    assert!((200..400).contains(&lost(300, Traffic::Answer)));
    assert_eq!((lost(1_000, Traffic::Watch), lost(1_000, Traffic::Hop)), (0, 0));
    let fault = Loss { from: 0, share: 1_000, until: 1_000_000_000 };
    let late = passed(&fault, 5, &link(Traffic::Watch, 0, NOTARY), 1).delay;
    assert!((200_000..=5_000_000).contains(&late), "{late}");
}

#[test]
fn delays_are_mostly_short_and_sometimes_long() {
    let fault = Delay { from: 0, most: 10_000_000, until: 1_000_000_000 };
    let delay = |seed| passed(&fault, 5, &link(Traffic::Review, 0, NOTARY), seed).delay;
    let delays: Vec<u64> = (0..1_000).map(delay).collect();
    let short = delays.iter().filter(|delay| **delay < 1_000_000).count();
    assert!((600..900).contains(&short), "{short}");
    assert!(delays.iter().any(|delay| *delay > 5_000_000));
}

#[test]
fn reordering_leaves_a_watch_in_order() {
    let fault = Reordering { from: 0, most: 50_000, share: 500, until: 1_000_000 };
    let late = |traffic| {
        let delay = |seed| passed(&fault, 5, &link(traffic, 0, NOTARY), seed).delay;
        (0..1_000).filter(|seed| delay(*seed) > PASSAGE.delay).count()
    };
    assert!((400..600).contains(&late(Traffic::Document)));
    assert_eq!((late(Traffic::Watch), late(Traffic::Hop)), (0, 0));
}

#[test]
fn what_is_lost_is_not_doubled() {
    let fault = Duplication { from: 0, share: 1_000, until: 1_000 };
    let copies = |traffic, copies| {
        let mut passage = Passage { copies, ..PASSAGE };
        fault.pass(Mono(5), &link(traffic, 0, NOTARY), &mut rng(1), &mut passage);
        passage.copies
    };
    assert_eq!((copies(Traffic::Review, 1), copies(Traffic::Watch, 1)), (2, 2));
    assert_eq!((copies(Traffic::Review, 0), copies(Traffic::Answer, 1)), (0, 1));
}

#[test]
fn a_full_mailbox_refuses_hops_of_its_replica_only() {
    let fault = FullMailbox { from: 0, replica: 1, share: 1_000, until: 1_000 };
    for link in links() {
        let refused = passed(&fault, 5, &link, 0).copies == 0;
        assert_eq!(refused, link == self::link(Traffic::Hop, 1, NOTARY));
    }
}

#[test]
fn a_disk_with_an_error_is_told_when_it_works_again() {
    let fault = SyncError { from: 5, replica: 1, until: 10 };
    assert_eq!(synced(&fault, 5, 1).error, Some("input/output error"));
    assert_eq!((synced(&fault, 5, 0).error, synced(&fault, 10, 1).error), (None, None));
    assert_eq!(fault.acts(), [(10, Act::DiskRestored(1))]);
    let slow = SlowSync { from: 0, most: 2_000_000, replica: 1, until: 1_000_000_000 };
    let syncing = synced(&slow, 5, 1);
    assert!(syncing.error.is_none() && syncing.micros >= 1_400);
}

#[test]
fn a_flipped_bit_is_found_at_the_start_after_a_crash() {
    let acts = BitFlip { at: 7, back: 0, replica: 2 }.acts();
    assert_eq!(acts, [(7, Act::FlipBit(2)), (8, Act::Crash(2)), (9, Act::Start(2))]);
}

#[test]
fn a_skewed_clock_is_wrong_by_a_constant_that_is_believed() {
    let fault = ClockSkew { by: -5, from: 10, replica: 1, until: 20 };
    let wrong = [9, 10, 19, 20].map(|at| wrong_by(&fault, at, 1));
    assert_eq!((wrong, wrong_by(&fault, 10, 0)), ([0, -5, -5, 0], 0));
    for skew in (0..200).flat_map(|seed| ClockSkew::draw(&ground(), 1_000, &mut rng(seed))) {
        assert!(skew.by.unsigned_abs() <= 4 * MINUTE, "{skew:?}");
    }
}

#[test]
fn a_drifting_clock_is_that_of_one_replica() {
    let fault = ClockDrift { ppm: -500, replica: 1 };
    assert_eq!((fault.drift(1), fault.drift(0)), (-500, 0));
}

#[test]
fn a_replica_has_one_skew_and_one_quartz() {
    for (id, draw) in CLASSES.iter().filter(|(id, _)| ["clock-skew", "clock-drift"].contains(id)) {
        for seed in 0..60 {
            let faults = draw(&ground(), 1_000, &mut rng(seed));
            assert_eq!(faults.len(), REPLICAS, "{id}");
            for replica in 0..REPLICAS {
                let own = |fault: &&Fault| {
                    fault.influence().drift(replica) != 0
                        || (0..HEAL)
                            .step_by(1_000)
                            .any(|at| wrong_by(fault.influence(), at, replica) != 0)
                };
                assert!(faults.iter().filter(own).count() <= 1, "{id}");
            }
        }
    }
}

#[test]
fn an_operator_acknowledges_a_clock_that_was_ahead_and_is_not_any_more() {
    let (mut ahead, mut wrongly) = (0, 0);
    for (_, fault) in drawn() {
        let Fault::ClockStep(ClockStep { acknowledged, by, from, until, .. }) = fault else {
            continue;
        };
        if by > 0 {
            ahead += 1;
            assert!(acknowledged.is_some_and(|at| at >= until));
        } else if let Some(at) = acknowledged {
            wrongly += 1;
            assert!((from..=until).contains(&at));
        }
        assert!(by.unsigned_abs() <= 120 * MINUTE);
    }
    assert!(ahead > 0 && wrongly > 0);
    let step = ClockStep { acknowledged: Some(30), by: -9, from: 10, replica: 1, until: 20 };
    assert_eq!([9, 10, 19, 20].map(|at| wrong_by(&step, at, 1)), [0, -9, -9, 0]);
    assert_eq!(step.acts(), [(30, Act::AcknowledgeClock(1))]);
}

fn failure(service: Service) -> (Denial, Option<u64>) {
    match service {
        Service::Fails(denial, wait) => (denial, wait),
        Service::Documents => panic!("documents were served"),
    }
}

#[test]
fn errors_of_a_trust_server_are_told_as_the_host_tells_them() {
    let errors = |retry_after| ServerErrors {
        from: 0,
        retry_after,
        server: NOTARY.to_owned(),
        share: 1_000,
        status: 503,
        until: 10,
    };
    let (denial, wait) = failure(served(&errors(Some(2)), 5, &request(NOTARY)));
    assert_eq!((denial.code, wait), (DenyCode::ServerError, Some(2_000_000)));
    let status = format!("trust server {NOTARY}: status 503 for timestamp.json");
    assert_eq!(denial.detail, format!("{status}; to be asked again in 2 s"));
    let (denial, wait) = failure(served(&errors(None), 5, &request(NOTARY)));
    assert_eq!((denial.detail, wait), (status, Some(0)));
    assert_eq!(served(&errors(None), 5, &request(OTHER)), Service::Documents);
    let endless = EndlessBody { from: 0, server: NOTARY.to_owned(), share: 1_000, until: 10 };
    let (denial, wait) = failure(served(&endless, 5, &request(NOTARY)));
    assert_eq!((denial.code, wait), (DenyCode::Oversize, None));
    assert!(denial.detail.ends_with("timestamp.json is longer than the 1000 bytes it may have"));
}

#[test]
fn a_token_server_that_refuses_is_not_one_that_is_down() {
    let refuses = Unauthorized { from: 0, server: NOTARY.to_owned(), until: 10 };
    let (denial, wait) = failure(served(&refuses, 5, &request(NOTARY)));
    assert_eq!((denial.code, wait), (DenyCode::Unauthorized, None));
    assert!(denial.detail.ends_with("no token is given without credentials"));
    let name =
        CredentialRef::PullSecret { name: "regcred".to_owned(), namespace: "shop".to_owned() };
    let with = FetchRequest { credentials: vec![name], ..request(NOTARY) };
    let (denial, _) = failure(served(&refuses, 5, &with));
    assert!(denial.detail.contains("regcred (the token server did not take it)"), "{denial:?}");
    let down = TokenServerDown { from: 0, server: NOTARY.to_owned(), until: 10 };
    let (denial, wait) = failure(served(&down, 5, &request(NOTARY)));
    assert_eq!((denial.code, wait), (DenyCode::Unreachable, Some(0)));
    assert!(denial.detail.starts_with("token server of trust server https://notary.example: "));
}

#[test]
fn a_server_that_hangs_is_asked_and_never_answers() {
    let fault = ServerHangs { from: 0, server: NOTARY.to_owned(), share: 1_000, until: 10 };
    for link in links() {
        let lost = passed(&fault, 5, &link, 0).copies == 0;
        assert_eq!(lost, link.from == Place::TrustServer(NOTARY), "{link:?}");
    }
    assert_eq!(served(&fault, 5, &request(NOTARY)), Service::Documents);
}

#[test]
fn bad_content_is_served_for_a_while_and_what_it_leaves_is_forgotten() {
    for (_, fault) in drawn() {
        let (Fault::HostileContent(bad) | Fault::Impostor(Impostor(bad))) = &fault else {
            continue;
        };
        let HostileContent { class, from, gun, server, until, .. } = bad;
        assert!(from < until && ground().collections.contains(&(server.clone(), gun.clone())));
        assert!(class.nature() == Nature::Impostor || !matches!(fault, Fault::Impostor(_)));
        let acts = fault.influence().acts();
        let (gun, server) = (gun.clone(), server.clone());
        let behave = Act::Behave { gun: gun.clone(), server: server.clone() };
        let misbehave = Act::Misbehave { class: *class, gun: gun.clone(), server: server.clone() };
        assert_eq!(acts[..2], [(*from, misbehave), (*until, behave)]);
        let lasting = class.mark() != Mark::Passing;
        assert_eq!(acts.len() > 2, lasting, "{acts:?}");
        let replicas: BTreeSet<usize> = acts[2..]
            .iter()
            .map(|(at, act)| {
                let Act::Reset { gun: of, replica, server: there } = act else { panic!("{act:?}") };
                assert!(at > until && *of == gun && *there == server);
                *replica
            })
            .collect();
        assert_eq!(replicas.len(), if lasting { REPLICAS } else { 0 });
    }
}

#[test]
fn a_crash_loop_ends_with_a_start() {
    let acts = CrashLoop { from: 10, period: 4, replica: 1, until: 19 }.acts();
    let times: Vec<u64> = acts.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [10, 12, 14, 16, 18, 19]);
    assert_eq!(acts.last().unwrap().1, Act::Start(1));
    let endless = CrashLoop { from: 0, period: 0, replica: 1, until: u64::MAX };
    assert_eq!(endless.acts().len(), 2_000);
}

#[test]
fn a_rolling_upgrade_takes_one_replica_away_at_a_time() {
    let acts = RollingUpgrade { from: 100, replicas: 2, until: 180 }.acts();
    let first = [(100, Act::Drain(0)), (120, Act::Stop(0)), (130, Act::Start(0))];
    let second = [(140, Act::Drain(1)), (160, Act::Stop(1)), (170, Act::Start(1))];
    assert_eq!(acts, [first, second].concat());
}
