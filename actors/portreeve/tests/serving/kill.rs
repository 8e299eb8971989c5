//! A server that is killed under load, again and again: no answered allow is missing afterwards.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use portreeve_host::journal::{Journal, layout};
use portreeve_protocol::{Admitted, Decision, Entry, Verdict, codec};
use portreeve_replay::{Outcome, verify};

use crate::client::Client;
use crate::process::{GUN, PATIENCE, Place};

const KILLS: usize = 20;
/// Reviews at once, and answers to await before a kill.
const CLIENTS: usize = 16;
const ANSWERS: usize = 40;
/// After every so many kills a record is left unfinished, as a write that was cut short leaves it.
const TORN: usize = 4;

/// Sends reviews until the server is killed; the uids of those that were allowed.
async fn load(mut client: Client, name: String, allowed: Arc<Mutex<Vec<String>>>) {
    for number in 0.. {
        // An unsigned tag now and then, so that trust servers are asked under load as well.
        let tag = if number % 7 == 3 { "unsigned" } else { "1" };
        let uid = format!("{name}-{number}");
        let Ok(answer) = client.admit(&uid, &format!("{GUN}:{tag}")).await else { return };
        assert_eq!(answer["uid"], uid.as_str());
        assert_eq!(answer["allowed"], tag == "1", "{answer}");
        if tag == "1" {
            assert!(answer["patch"].is_string(), "{answer}");
            allowed.lock().unwrap().push(uid);
        }
    }
}

fn last_segment(place: &Place) -> PathBuf {
    layout::list(&place.path("data/journal")).unwrap().pop().unwrap().1
}

/// Leaves half a record behind the last one, which may itself be cut short already.
fn tear(place: &Place) {
    let path = last_segment(place);
    let bytes = std::fs::read(&path).unwrap();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        return;
    }
    let line = bytes[..whole - 1].rsplit(|byte| *byte == b'\n').next().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&line[..line.len() / 2]).unwrap();
}

#[test]
fn no_answered_allow_is_missing_after_a_kill_under_load() {
    let place = Place::new();
    let mut all = Vec::new();
    let mut torn = 0;
    for kill in 0..KILLS {
        let mut server = place.start(&[], &[]);
        torn += usize::from(server.said("an unfinished end was cut off").is_some());
        let allowed = Arc::new(Mutex::new(Vec::new()));
        place.runtime.block_on(async {
            let mut loads = Vec::new();
            for client in 0..CLIENTS {
                let name = format!("k{kill}-c{client}");
                let client = place.client(&server).await;
                loads.push(tokio::spawn(load(client, name, Arc::clone(&allowed))));
            }
            let end = Instant::now() + PATIENCE;
            while allowed.lock().unwrap().len() < ANSWERS + kill {
                assert!(Instant::now() < end, "too few answers before kill {kill}");
                tokio::task::yield_now().await;
            }
            server.kill();
            for load in loads {
                load.await.unwrap();
            }
        });
        all.extend(allowed.lock().unwrap().drain(..));
        if kill % TORN == TORN - 1 {
            tear(&place);
        }
    }
    // One more start cuts off what the last kill left unfinished.
    let server = place.start(&[], &[]);
    torn += usize::from(server.said("an unfinished end was cut off").is_some());
    drop(server);
    assert!(torn >= KILLS / TORN, "{torn} torn tails");
    let aside = std::fs::read_dir(layout::aside(&place.path("data/journal"))).unwrap().count();
    assert_eq!(aside, torn, "what was cut off is kept");
    whole(&place, &all);
}

/// The journal verifies, and has every one of these allows, verified and pinned.
fn whole(place: &Place, allowed: &[String]) {
    let journal = Journal::open(&place.path("data")).unwrap();
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
    assert_eq!(report.outcome(), Outcome::Identical, "{report:#?}");
    assert_eq!((report.incarnations, report.unverified), (KILLS as u64 + 1, 0));
    let mut decided: BTreeMap<String, Arc<Decision>> = BTreeMap::new();
    for line in journal.lines() {
        let bytes = line.unwrap().bytes;
        // The last one may be that of a server which was ended while it wrote.
        let Some(body) = bytes.strip_suffix(b"\n") else { break };
        let (record, _) = codec::read_line(body).unwrap();
        let Entry::Delivered(delivered) = record.entry else { continue };
        for decision in delivered.decisions {
            decided.insert(decision.uid.clone(), decision);
        }
    }
    let pinned = Place::image().to_oci();
    let stands = |uid: &String| {
        let decision = decided.get(uid)?;
        let Verdict::Allowed(Admitted::Verified(_)) = decision.verdicts[0].verdict else {
            return None;
        };
        decision.patch().filter(|patch| patch.contains(&pinned))
    };
    let missing: Vec<_> = allowed.iter().filter(|uid| stands(uid).is_none()).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), allowed.len());
    assert!(allowed.len() >= KILLS * ANSWERS);
}
