//! `simulations coverage`: whether every code of denial and every class of faults comes up.

use portreeve_simulations::fault::CLASSES;
use portreeve_simulations::swarm::{HOST_ONLY, Tally, reachable};
use serde_json::json;

use super::args::CoverageArgs;
use super::error::CommandError;
use super::terminal::{Bar, Style, grouped, line, styled};
use super::{Status, pool};

/// Runs seeds and tells what did not come up.
pub(crate) fn coverage(args: &CoverageArgs) -> Result<Status, CommandError> {
    let mut tally = Tally::default();
    let mut bar = Bar::new(args.seeds.runs);
    let mut done = 0;
    pool::each(args.seeds, |examined| {
        done += 1;
        tally.add(&examined.tally);
        let (codes, marks) = missing(&tally);
        bar.show(done, &format!("{} codes and {} faults missing", codes.len(), marks.len()));
        true
    });
    drop(bar);
    let (codes, marks) = missing(&tally);
    if args.json {
        let report = json!({
            "missing_codes": codes, "missing_faults": marks, "runs": tally.runs, "tally": tally,
        });
        line(&report.to_string());
    } else {
        show(&tally, &codes, &marks);
    }
    let whole = codes.is_empty() && marks.is_empty();
    Ok(if whole { Status::Held } else { Status::NotCovered })
}

/// The codes of denial and the classes of faults that did not come up.
fn missing(tally: &Tally) -> (Vec<&'static str>, Vec<&'static str>) {
    let codes = reachable().map(|code| code.code()).filter(|code| !tally.gave(code));
    let marks = CLASSES.iter().map(|(id, _)| *id).filter(|id| !tally.marks.contains_key(id));
    (codes.collect(), marks.collect())
}

fn show(tally: &Tally, codes: &[&str], marks: &[&str]) {
    styled(Style::Heading, "codes of denial: reviews, and images of reviews");
    for code in reachable().map(|code| code.code()) {
        let count = |counts: &std::collections::BTreeMap<&str, u64>| {
            grouped(counts.get(code).copied().unwrap_or_default())
        };
        let text =
            format!("  {code:<28}{:>12}{:>12}", count(&tally.denied), count(&tally.verdicts));
        styled(if codes.contains(&code) { Style::Bad } else { Style::Good }, &text);
    }
    for (code, why) in HOST_ONLY {
        styled(Style::Quiet, &format!("  {:<28}{why}", code.code()));
    }
    styled(Style::Heading, "classes of faults");
    for (id, _) in CLASSES {
        let count = grouped(tally.marks.get(id).copied().unwrap_or_default());
        let style = if marks.contains(id) { Style::Bad } else { Style::Good };
        styled(style, &format!("  {id:<28}{count:>12}"));
    }
    styled(Style::Heading, "facts");
    for (name, count) in &tally.facts {
        line(&format!("  {name:<28}{:>12}", grouped(*count)));
    }
    match codes.len() + marks.len() {
        0 => styled(Style::Good, &format!("all came up in {} runs", grouped(tally.runs))),
        _ => {
            let missing = [codes, marks].concat().join(", ");
            let text = format!("missing in {} runs: {missing}", grouped(tally.runs));
            styled(Style::Bad, &text);
        }
    }
}
