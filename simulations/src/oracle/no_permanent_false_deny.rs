//! `no-permanent-false-deny`: what must be allowed is allowed in the end.
//!
//! Of each question that each replica is asked after the heal, the last answer counts. It must be
//! an allow if, from a minute before it was asked until it was answered,
//!
//! * the policies that the API server holds are those that the replica was told, and they cover
//!   every image by rules none of which asks for more than this:
//! * the trust server served the newest edition and was within reach; that edition has not expired;
//!   it has the tag signed by all who are asked for, with the digest that the request names if it
//!   names one, under a root with a pinned key where there are pins;
//! * the replica's root is one that leads to it: since an operator last had the replica forget what
//!   it trusts, the collection was not begun anew, the replica was not taken in by an impostor, and
//!   no bad content was served that lasts in a replica which believes it;
//! * no clock is wrong in the scenario, or the denial is not about time.
//!
//! Where a trust bundle is configured, nothing must be allowed by this oracle.

use std::collections::BTreeMap;

use portreeve_protocol::limits::{FETCH_TIMEOUT, FLIGHT_TIMEOUT, SMALL_DOCUMENT_BYTES};
use portreeve_protocol::messages::admission::{GroupKind, ReviewFacts};
use portreeve_protocol::messages::notary::{DocumentName, FetchRequest};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::workload::{Carrier, carrier};
use portreeve_protocol::{Denial, DenyCode, Mono, Sha256};

use super::bind::{demands, tag};
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::fault::Service;
use crate::hostile::{Hostile, Mark};
use crate::rng::Streams;
use crate::truth::policies::{Catalogue, Demand, InForce, pins};
use crate::truth::{Edition, Served, Shelf, Signing};

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "no-permanent-false-deny",
    rule: "what truth and policies say must be allowed is allowed after the heal",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    if run.scenario.bundle.is_some() {
        return;
    }
    let last = Catalogue::of(run.scenario).last(run.scenario, run.outcome.took);
    let mut ends: BTreeMap<(usize, String, Vec<String>), Option<Violation>> = BTreeMap::new();
    each(run, |case| {
        if !case.probe {
            return;
        }
        let images = case.facts.images.iter().map(|image| image.image.to_string()).collect();
        let key = (case.replica, case.facts.namespace.clone(), images);
        let denial = case.answered.denial().filter(|denial| must_allow(run, case, &last, denial));
        let wrong = denial.map(|denial| {
            let Denial { code, detail } = denial;
            let what = format!("it must be allowed and is denied {}: {detail}", code.code());
            case.violation(ORACLE.id, &what)
        });
        ends.insert(key, wrong);
    });
    found.extend(ends.into_values().flatten());
}

fn must_allow(run: &Run<'_>, case: &Case<'_>, last: &InForce, denial: &Denial) -> bool {
    let faults = &run.scenario.faults;
    let clocks = faults.iter().any(|fault| fault.class().starts_with("clock"));
    let of_time = matches!(denial.code, DenyCode::ClockSteppedBack | DenyCode::Expired);
    let told = case.policies.iter().all(|policies| *policies == last);
    let GroupKind { group, kind, .. } = &case.facts.kind;
    let known = carrier(group, kind, case.facts.sub_resource.as_deref()) != Carrier::Unknown;
    told && known
        && !(clocks && of_time)
        && !run.scenario.settings.client_required
        && case.facts.images.iter().all(|image| admissible(run, case, last, &image.image))
}

fn admissible(run: &Run<'_>, case: &Case<'_>, policies: &InForce, image: &str) -> bool {
    if image.trim().is_empty() {
        return true;
    }
    let Ok(image) = image.parse::<ImageReference>() else { return false };
    let ReviewFacts { namespace, .. } = case.facts;
    let Ok(asked) = demands(&run.scenario.settings, policies, namespace, &image) else {
        return false;
    };
    let mut digest = image.digest;
    let enforcing = asked.iter().filter(|demand| demand.rule.mode == Mode::Enforce);
    for demand in enforcing {
        match released(run, case, demand, &image) {
            Some(found) if digest.is_none_or(|digest| digest == found) => digest = Some(found),
            Some(_) | None => return false,
        }
    }
    true
}

/// The digest that the replica must find, if it must find one.
fn released(
    run: &Run<'_>,
    case: &Case<'_>,
    demand: &Demand<'_>,
    image: &ImageReference,
) -> Option<Sha256> {
    let (server, gun) = (demand.server.as_ref()?, image.gun());
    let settings = &run.scenario.settings;
    let pinned = settings.root_pins(&gun);
    let operator = pinned.keyids;
    let told = settings.pin_cas.is_empty() && (!settings.require_pins || !operator.is_empty());
    let truth = &run.outcome.truth;
    let shelf = truth.collections.get(&(server.clone(), gun.clone()))?;
    let honest = truth.honest(server, &gun, case.received.minus(2 * FLIGHT_TIMEOUT), case.at);
    let since = case.roots.since(server, &gun);
    let known = !case.roots.impostor(server, &gun) || bad(shelf, since).next().is_none();
    let reached = reached(run, case, server, &gun);
    if !(told && honest && known && reached && plain(shelf, since)) {
        return None;
    }
    let edition: &Edition = shelf.last_by(case.at)?;
    let tag = tag(image);
    let digest = edition.tags.get(tag)?.digest;
    let clocks = crate::truth::clocks::Clocks::of(run.scenario, case.replica);
    let signing = Signing {
        digest,
        gun: &gun,
        impostor: false,
        pins: &pins(demand.trust, &operator),
        server,
        signers: demand.signers.as_ref()?,
        strict: demand.trust.strict_roles,
        tag,
        unexpired: Some(clocks.right(case.at)),
    };
    edition.holds(&signing).then_some(digest)
}

/// Whether whoever followed the collection from an instant on can follow it still.
fn plain(shelf: &Shelf, since: Mono) -> bool {
    let known = shelf.editions.iter().any(|edition| edition.at <= since);
    let begun = shelf.editions.iter().filter(|edition| edition.fresh && edition.at > since).count();
    let lasts = bad(shelf, since).any(|class| class.mark() != Mark::Passing);
    usize::from(known) + begun == 1 && !lasts
}

/// The classes of bad content that were served after an instant.
fn bad(shelf: &Shelf, since: Mono) -> impl Iterator<Item = Hostile> {
    let ends = shelf.served.iter().skip(1).map(|next| next.from).chain([Mono(u64::MAX)]);
    shelf.served.iter().zip(ends).filter_map(move |(stand, end)| match &stand.what {
        Served::Bad { class, .. } if end > since => Some(*class),
        Served::Bad { .. } | Served::Edition(_) | Served::Nothing => None,
    })
}

/// Whether the trust server answers.
fn reached(run: &Run<'_>, case: &Case<'_>, server: &str, gun: &str) -> bool {
    let request = FetchRequest {
        credentials: Vec::new(),
        document: DocumentName::Timestamp,
        flight: 0,
        gun: gun.to_owned(),
        limit: SMALL_DOCUMENT_BYTES,
        server: server.to_owned(),
        timeout: FETCH_TIMEOUT,
    };
    let mut rng = Streams::new(run.seed).stream("oracle");
    let mut service = Service::Documents;
    for fault in &run.scenario.faults {
        fault.influence().serve(case.received, &request, &mut rng, &mut service);
    }
    service == Service::Documents
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fault::ServerDown;
    use crate::history::Sight;
    use crate::oracle::sample::{self, IMAGE, SERVER, Story, digest, verified};
    use crate::truth::Stand;

    const AT: u64 = 100_000_000;

    fn probed(story: &mut Story, at: u64, image: &str, verdict: portreeve_protocol::Verdict) {
        let facts = sample::facts("probe", image);
        let event = story.asked(at, &facts, true);
        story.resolved(at + 1, at);
        let decision = sample::decision(&event, &facts, verdict);
        story.leave(at + 2, at, Arc::new(decision));
    }

    fn denied() -> portreeve_protocol::Verdict {
        sample::denied(DenyCode::TagNotSigned)
    }

    #[test]
    fn a_denial_that_must_be_an_allow_breaks_no_permanent_false_deny() {
        let mut story = Story::new();
        probed(&mut story, AT, IMAGE, denied());
        story.breaks(check, "must be allowed and is denied tag-not-signed");
    }

    #[test]
    fn a_denial_that_passes_keeps_no_permanent_false_deny() {
        let mut story = Story::new();
        probed(&mut story, AT, IMAGE, denied());
        probed(&mut story, AT + 10, IMAGE, verified(digest()));
        story.keeps(check);
    }

    #[test]
    fn a_denial_of_what_is_not_signed_or_not_served_keeps_no_permanent_false_deny() {
        let mut story = Story::new();
        probed(&mut story, AT, "registry.example/shop/web:2.0", denied());
        probed(&mut story, AT, "registry.example/other:1.0", denied());
        let named = format!("{IMAGE}@{}", Sha256::of(b"other").to_oci());
        probed(&mut story, AT, &named, denied());
        story.keeps(check);
        let mut story = Story::new();
        for shelf in story.outcome.truth.collections.values_mut() {
            shelf.served.push(Stand { from: Mono(AT - 1), what: Served::Nothing });
        }
        probed(&mut story, AT, IMAGE, denied());
        story.keeps(check);
    }

    #[test]
    fn what_lasts_of_bad_content_excuses_a_denial_until_it_is_to_be_forgotten() {
        let lasting = |class: &&Hostile| class.mark() == Mark::Root;
        let class = Hostile::ALL.iter().find(lasting).copied();
        let besieged = || {
            let mut story = Story::new();
            for shelf in story.outcome.truth.collections.values_mut() {
                let bad = class.map(|class| Served::Bad { class, evil: digest() });
                let served = shelf.served.last().map(|stand| stand.what.clone());
                shelf.served.extend(bad.map(|what| Stand { from: Mono(10), what }));
                shelf.served.extend(served.map(|what| Stand { from: Mono(20), what }));
            }
            story
        };
        let mut story = besieged();
        probed(&mut story, AT, IMAGE, denied());
        story.keeps(check);
        let mut story = besieged();
        let (gun, server) = (sample::GUN.to_owned(), SERVER.to_owned());
        story.see(30, Sight::TrustReset { gun, server });
        probed(&mut story, AT, IMAGE, denied());
        story.breaks(check, "must be allowed and is denied");
    }

    #[test]
    fn a_denial_while_the_server_is_down_keeps_no_permanent_false_deny() {
        let mut scenario = sample::scenario();
        let down = ServerDown { from: 0, server: SERVER.to_owned(), until: None };
        scenario.faults.push(down.into());
        let mut story = Story::of(scenario);
        probed(&mut story, AT, IMAGE, sample::denied(DenyCode::Unreachable));
        story.keeps(check);
    }
}
