//! Rules of the command: what it prints, and with what status it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portreeve_simulations::Scenario;
use portreeve_simulations::shrink::Case;
use portreeve_simulations::swarm::draw;
use serde_json::Value;

fn simulations(words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_simulations");
    Command::new(program).args(words).current_dir(scratch()).output().unwrap()
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

fn ends(words: &[&str], status: i32) -> (String, String) {
    let output = simulations(words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{words:?}\n{out}\n{error}");
    (out, error)
}

/// A file with a scenario of few reviews.
fn written(name: &str, change: impl Fn(&mut Case)) -> String {
    let mut scenario = draw(1);
    scenario.reviews.truncate(3);
    scenario.faults.clear();
    let mut case = Case::new("A rule.", scenario, 1);
    change(&mut case);
    let path = scratch().join(name);
    std::fs::write(&path, serde_json::to_string(&case).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_run_prints_its_answers_and_what_was_in_it_without_colours() {
    let (out, _) = ends(&["run", "--seed", "2"], 0);
    assert!(out.contains("seed 2: ") && out.contains("oracles find no fault"), "{out}");
    assert!(!out.contains('\x1b'));
}

#[test]
fn a_run_prints_each_event_when_asked() {
    let (out, _) = ends(&["run", "--scripted", "--trace"], 0);
    assert!(out.lines().count() > 100, "{out}");
}

#[test]
fn what_a_run_shows_can_be_replayed() {
    let (out, _) = ends(&["run", "--seed", "3", "--show", "--trace"], 0);
    let end = out.find("\n}\n").unwrap() + 2;
    let case: Case = serde_json::from_str(&out[..end]).unwrap();
    assert_eq!(case.scenario, draw(3));
    let path = scratch().join("shown.json");
    std::fs::write(&path, &out[..end]).unwrap();
    let (again, _) = ends(&["replay", path.to_str().unwrap(), "--trace"], 0);
    assert_eq!(again.split_once('\n').unwrap().1, &out[end + 1..]);
}

#[test]
fn a_swarm_sums_up_many_runs_for_people_and_for_programs() {
    let (out, _) = ends(&["swarm", "--runs", "2", "--seed", "1", "--jobs", "2"], 0);
    for word in ["runs", "simulated", "events", "deliveries", "decisions", "no oracle found fault"]
    {
        assert!(out.contains(word), "{word}\n{out}");
    }
    let (out, _) = ends(&["swarm", "--runs", "2", "--json"], 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["outcome"], "held");
    assert_eq!(report["tally"]["runs"], 2);
}

#[test]
fn the_sum_of_a_swarm_does_not_depend_on_how_many_threads_there_are() {
    let tally = |jobs| {
        let (out, _) = ends(&["swarm", "--runs", "2", "--json", "--jobs", jobs], 0);
        serde_json::from_str::<Value>(&out).unwrap()["tally"].clone()
    };
    assert_eq!(tally("1"), tally("3"));
}

#[test]
fn a_swarm_begins_no_runs_when_its_minutes_are_over() {
    let (out, _) = ends(&["swarm", "--runs", "1000000", "--minutes", "0", "--json"], 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["tally"]["runs"], 0);
}

#[test]
fn speed_is_told_for_people_and_for_programs_and_every_oracle_judges() {
    let (out, _) = ends(&["speed", "--seconds", "1", "--audited"], 0);
    for word in ["deliveries", "to journal gates", "judging", "1 audited", "no oracle found fault"]
    {
        assert!(out.contains(word), "{word}\n{out}");
    }
    let (out, _) = ends(&["speed", "--seconds", "1", "--seed", "2", "--json"], 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap();
    assert_eq!((&report["outcome"], &report["first_seed"]), (&"held".into(), &2.into()));
    let rate = number("deliveries_a_second");
    let deliveries = report["tally"]["deliveries"].as_f64().unwrap();
    assert!((rate * number("running_seconds") - deliveries).abs() < 1.0, "{out}");
    assert!(number("deliveries_per_review") <= 20.0, "one in twenty at least: {out}");
}

#[test]
fn what_few_runs_do_not_cover_is_named_and_has_a_status_of_its_own() {
    let (out, _) = ends(&["coverage", "--runs", "1"], 4);
    assert!(out.contains("missing in 1 runs: "), "{out}");
    let (out, _) = ends(&["coverage", "--runs", "1", "--json"], 4);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(!report["missing_codes"].as_array().unwrap().is_empty());
}

#[test]
fn wrong_usage_ends_with_status_two_and_help_has_examples() {
    for words in [&["dance"][..], &["shrink"], &["run", "--seed", "many"]] {
        ends(words, 2);
    }
    for subcommand in ["run", "speed", "swarm", "shrink"] {
        let (out, _) = ends(&[subcommand, "--help"], 0);
        assert!(out.contains("Examples:"), "{out}");
    }
}

#[test]
fn a_file_that_is_not_there_or_holds_no_scenario_is_named() {
    let (_, error) = ends(&["replay", "not-there.json"], 2);
    assert!(error.contains("cannot read not-there.json"), "{error}");
    let path = scratch().join("broken.json");
    std::fs::write(&path, "{}").unwrap();
    let (_, error) = ends(&["replay", path.to_str().unwrap()], 2);
    assert!(error.contains("holds no scenario"), "{error}");
}

#[test]
fn a_scenario_that_cannot_be_run_is_named_by_its_seed() {
    let path = written("endless.json", |case| {
        case.scenario = Scenario { most_events: 2, ..case.scenario.clone() };
    });
    let (_, error) = ends(&["replay", &path], 2);
    assert!(error.contains("seed 1: 2 events happened"), "{error}");
}

#[test]
fn an_answer_other_than_the_file_asks_for_is_named() {
    let path = written("other-answer.json", |case| {
        case.answers.insert("r0".to_owned(), "no-such-code".to_owned());
    });
    let (out, _) = ends(&["replay", &path], 1);
    assert!(out.contains("the answer to r0 is ") && out.contains("no-such-code"), "{out}");
}

#[test]
fn a_scenario_that_breaks_no_rule_is_not_made_smaller() {
    let path = written("good.json", |_| {});
    let (_, error) = ends(&["shrink", &path], 2);
    assert!(error.contains("nothing to make smaller"), "{error}");
}

#[cfg(not(feature = "planted-bugs"))]
#[test]
fn without_planted_bugs_it_is_said_how_to_build_them() {
    let (_, error) = ends(&["planted"], 2);
    assert!(error.contains("--features planted-bugs"), "{error}");
    assert!(Path::new(env!("CARGO_BIN_EXE_simulations")).exists());
}
