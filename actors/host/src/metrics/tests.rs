//! The metrics as text, and what may stand in them.

use portreeve_protocol::DenyCode;

use super::*;

fn denied() -> Result<Decision, portreeve_protocol::ProtocolError> {
    let why = portreeve_protocol::Denial::new(DenyCode::NotSigned, "no");
    let decision = crate::node::denial::local("n/1/admission/1".parse()?, "u", why);
    Ok(Decision::clone(&decision))
}

#[test]
fn what_warns_or_records_and_what_is_stale_is_counted_apart()
-> Result<(), portreeve_protocol::ProtocolError> {
    let verdict = |mode, code| portreeve_protocol::ContainerVerdict {
        container: "main".into(),
        image: "r.example/app:1".into(),
        pointer: "/spec/containers/0/image".into(),
        rules: Vec::new().into(),
        verdict: Verdict::Allowed(Admitted::Tolerated(Box::new(Tolerated {
            denial: portreeve_protocol::Denial::new(code, "no"),
            mode,
        }))),
    };
    let metrics = Metrics::new("1");
    let mut decision = Decision { allowed: true, denial: None, ..denied()? };
    decision.verdicts = vec![verdict(Mode::Audit, DenyCode::Expired)];
    metrics.reviewed(&decision, 1);
    decision.verdicts.push(verdict(Mode::Warn, DenyCode::NotSigned));
    metrics.reviewed(&decision, 1);
    decision.verdicts.clear();
    decision.audit.insert("stale".to_owned(), "https://n.example 7 s".to_owned());
    metrics.reviewed(&decision, 1);
    let text = metrics.encode();
    for line in [
        "portreeve_reviews_total{allowed=\"true\",code=\"expired\",mode=\"audit\"} 1",
        "portreeve_reviews_total{allowed=\"true\",code=\"not-signed\",mode=\"warn\"} 1",
        "portreeve_reviews_total{allowed=\"true\",code=\"\",mode=\"enforce\"} 1",
        "portreeve_stale_answers_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    Ok(())
}

#[test]
fn every_metric_is_served_with_its_value() -> Result<(), portreeve_protocol::ProtocolError> {
    let metrics = Metrics::new("1.2.3");
    metrics.fact(&Fact::WatchRestored);
    metrics.reviewed(&denied()?, 2_000);
    metrics.journal_written(3, 700);
    metrics.journal_writable(false);
    metrics.fetched("https://n.example:4443", &FetchOutcome::Absent, 1_500);
    let text = metrics.encode();
    for line in [
        "portreeve_build_info{version=\"1.2.3\",rules=\"11\"} 1",
        "portreeve_facts_total{fact=\"watch-restored\"} 1",
        "portreeve_reviews_total{allowed=\"false\",code=\"not-signed\",mode=\"enforce\"} 1",
        "portreeve_journal_records_total 3",
        "portreeve_journal_bytes_total 700",
        "portreeve_journal_degraded 1",
        "portreeve_fetches_total{result=\"absent\",server=\"n.example:4443\"} 1",
        "portreeve_fetch_seconds_count{server=\"n.example:4443\"} 1",
        "portreeve_review_seconds_sum 0.002",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    Ok(())
}

/// Everything that can happen, once.
fn everything(metrics: &Metrics) {
    let actor = ActorKind::Admission;
    metrics.api_asked("owner", "ok");
    metrics.bundle(3, Wall(1_795_435_200_000_000), &Clock::system());
    metrics.bundle_looked("loaded");
    metrics.events("written", 1);
    metrics.certificate(1_795_435_200);
    metrics.certificate_loaded(true);
    metrics.fact(&Fact::JournalRestored { denied: 2 });
    if let Ok(review) = "n/1/admission/1".parse() {
        let (allowed, code) = (true, None);
        let fact = Fact::ReviewDecided { allowed, code, images: 1, micros: 9, review, warm: true };
        metrics.fact(&fact);
    }
    metrics.fetched("https://n.example", &FetchOutcome::Absent, 1);
    metrics.handshake_failed("aborted");
    metrics.hop_lost(actor);
    metrics.hop_refused(actor);
    metrics.in_flight(1);
    metrics.journal_synced(1);
    metrics.journal_written(1, 1);
    metrics.panicked(actor);
    metrics.poisoned(actor);
    metrics.looked_up(&OwnerOutcome::Absent, 1);
    if let Ok(decision) = denied() {
        metrics.reviewed(&decision, 1);
    }
    metrics.unreadable(400);
    metrics.watch().listed("secrets");
    metrics.watch().changed("secrets");
    metrics.watch().failed("secrets");
    let ends = BTreeMap::from([("gun".to_owned(), Wall(7_000_000))]);
    let mut all = metrics.ends.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert("n.example".to_owned(), ends);
}

#[test]
fn an_expired_bundle_is_shown_by_the_next_scrape_though_nobody_looked_at_it_again() {
    let metrics = Metrics::new("1");
    let shows = |expired: u8| {
        let line = format!("portreeve_bundle_expired {expired}");
        metrics.encode().lines().any(|found| found == line)
    };
    assert!(shows(0), "there is none");
    let end = Wall(1_795_435_200_000_000);
    metrics.bundle(3, end, &Clock::showing(Wall(end.0 - 3_600_000_000)));
    assert!(shows(0), "it has an hour yet");
    let soon = Clock::showing(Wall(end.0 - 100_000));
    metrics.bundle(3, end, &soon);
    while soon.now().wall <= end {
        std::thread::yield_now();
    }
    assert!(shows(1));
    metrics.bundle(4, Wall(end.0 + 3_600_000_000), &soon);
    assert!(shows(0), "it was renewed");
}

/// The names of the labels of a line, without the bounds of histograms.
fn labels(line: &str) -> String {
    let Some((_, rest)) = line.split_once('{') else { return String::new() };
    let inside = rest.rsplit_once('}').map_or("", |(inside, _)| inside);
    let names = inside.split(',').filter_map(|pair| pair.split_once('='));
    let names: Vec<_> = names.map(|(name, _)| name).filter(|name| *name != "le").collect();
    names.join(", ")
}

#[test]
fn the_table_is_the_registry_with_every_type_unit_label_and_meaning() {
    let metrics = Metrics::new("1");
    everything(&metrics);
    let text = metrics.encode();
    let types = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(types, TABLE.len(), "each row is registered once, and nothing else is");
    for row in TABLE {
        let full = row.full_name();
        let family = full.trim_end_matches("_total").trim_end_matches("_info");
        let has = |wanted: &str| text.lines().any(|line| line == wanted);
        assert!(has(&format!("# TYPE {family} {}", row.shape)), "{row:?}");
        assert!(has(&format!("# HELP {family} {}.", row.meaning)), "{row:?}");
        assert!(row.unit.is_empty() || has(&format!("# UNIT {family} {}", row.unit)));
        let ending = if row.shape == "histogram" { "_count" } else { "" };
        let line = text.lines().find(|line| {
            let name = line.split([' ', '{']).next().unwrap_or_default();
            name == format!("{full}{ending}")
        });
        assert!(line.is_some(), "{full} has no line in:\n{text}");
        assert_eq!(labels(line.unwrap_or_default()), row.labels, "{row:?}");
    }
    assert!(TABLE.is_sorted_by_key(|row| row.name));
}

#[test]
fn no_label_names_what_a_client_chose() {
    let known = ["actor", "allowed", "cache", "code", "fact", "mode", "result", "rules", "server"];
    let known = known.into_iter().chain(["source", "status", "step", "version", "what", "why"]);
    let known: BTreeSet<_> = known.collect();
    for row in TABLE {
        let labels = row.labels.split(", ").filter(|label| !label.is_empty());
        assert!(labels.clone().all(|label| known.contains(label)), "{row:?}");
    }
}

#[test]
fn the_first_trust_data_of_a_server_to_end_is_shown_without_its_name() {
    let metrics = Metrics::new("1");
    everything(&metrics);
    let text = metrics.encode();
    let line = "portreeve_metadata_not_after_seconds{server=\"n.example\"} 7.0";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(!text.contains("gun"), "{text}");
}

#[test]
fn trust_servers_in_labels_are_bounded_and_show_no_user_information() {
    let metrics = Metrics::new("1");
    assert_eq!(metrics.server("https://user:word@n.example/path"), "n.example");
    for number in 0..limits::TRUST_SERVERS * 2 {
        metrics.fetched(&format!("https://n{number}.example"), &FetchOutcome::Absent, 1);
    }
    assert_eq!(metrics.server("https://late.example"), "other");
    assert_eq!(metrics.server("https://n.example"), "n.example");
}
