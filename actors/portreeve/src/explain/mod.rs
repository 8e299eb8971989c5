//! `portreeve explain`: says how past decisions came about.

pub(crate) mod args;
mod table;

use portreeve_host::journal::reader::Journal;
use portreeve_protocol::DenyCode;
use portreeve_replay::explain::{Explained, Found, Match, Selection, Tone};
use portreeve_replay::{Explanation, ReplayError, find};
use serde::Serialize;

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::replay::open;
use crate::terminal::{Style, Terminal};
use args::ExplainArgs;

/// The object of `--json`. With `explained`, each of the reviews is told in full.
#[derive(Serialize)]
struct Object<R> {
    found: u64,
    left_out: u64,
    explained: bool,
    reviews: Vec<R>,
    /// Why the journal could not be read to its end; what stands behind is not told.
    broken_off: Option<String>,
}

/// Tells or lists the reviews that are meant, as far as the journal can be read.
pub(crate) fn run(args: &ExplainArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let journal = open(&args.journal)?;
    let selection = args.selection(args::now())?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = find(journal.lines(), &selection, limit);
    // Two reviews of one uid are both what was asked for.
    let in_full = args.all || found.matches.len() == 1 || only_uid(&selection);
    let outcome = if found.matches.is_empty() { Outcome::Negative } else { Outcome::Good };
    let mut broken_off = found.broken_off.clone();
    if in_full && !found.matches.is_empty() {
        let told = explanations(&journal, &found);
        broken_off = told.broken_off;
        if args.json {
            let views = told.reviews.iter().map(Explanation::view).collect();
            terminal.line(&object(&found, true, views, broken_off.as_ref()));
        } else {
            left_out(&found, terminal);
            tell(&told.reviews, terminal);
        }
    } else if args.json {
        let views = found.matches.iter().map(Match::view).collect();
        terminal.line(&object(&found, in_full, views, broken_off.as_ref()));
    } else if !found.matches.is_empty() {
        left_out(&found, terminal);
        table::show(&found.matches, terminal);
        let text = "One is told in full by its uid: portreeve explain UID; `--all` tells each.";
        terminal.styled(Style::Quiet, text);
    } else if broken_off.is_none() {
        nothing(args, &selection, &found, terminal);
    }
    broken_off.map_or(Ok(outcome), |why| Err(why.into()))
}

/// Prints the explanations of all reviews of `uid`; returns how many there are.
pub(crate) fn explain(
    journal: &Journal,
    uid: &str,
    terminal: &Terminal,
) -> Result<usize, CommandError> {
    let selection = Selection { uid: Some(uid.to_owned()), ..Selection::default() };
    let found = find(journal.lines(), &selection, usize::MAX);
    let Explained { broken_off, reviews } = explanations(journal, &found);
    tell(&reviews, terminal);
    broken_off.map_or(Ok(reviews.len()), |why| Err(why.into()))
}

fn only_uid(selection: &Selection) -> bool {
    let others = Selection { uid: None, ..selection.clone() };
    selection.uid.is_some() && others == Selection::default()
}

/// What was found, in full, up to where one of both readings broke off.
fn explanations(journal: &Journal, found: &Found) -> Explained {
    let events = found.matches.iter().map(|it| it.event.clone()).collect();
    let told = portreeve_replay::explain(journal.lines(), &journal.blobs(), events);
    Explained { broken_off: found.broken_off.clone().or(told.broken_off), ..told }
}

fn object<R: Serialize>(
    found: &Found,
    explained: bool,
    reviews: Vec<R>,
    broken_off: Option<&ReplayError>,
) -> String {
    let count = reviews.len() as u64 + found.left_out;
    let broken_off = broken_off.map(ToString::to_string);
    let object = Object { found: count, left_out: found.left_out, explained, reviews, broken_off };
    // Its maps have strings for keys, so that it can always be written.
    serde_json::to_string(&object).unwrap_or_default()
}

fn tell(told: &[Explanation], terminal: &Terminal) {
    for (index, explanation) in told.iter().enumerate() {
        if index > 0 {
            terminal.line("");
        }
        for paragraph in explanation.paragraphs(terminal.width()) {
            let style = match paragraph.tone {
                Tone::Bad => Some(Style::Bad),
                Tone::Good => Some(Style::Good),
                Tone::Heading => Some(Style::Heading),
                Tone::Plain => None,
                Tone::Quiet => Some(Style::Quiet),
            };
            for line in paragraph.text.lines() {
                match style {
                    Some(style) => terminal.styled(style, line),
                    None => terminal.line(line),
                }
            }
        }
    }
}

fn left_out(found: &Found, terminal: &Terminal) {
    if found.left_out > 0 {
        let text = format!(
            "{} older reviews are left out; `--limit N` takes more, `--since` fewer",
            found.left_out
        );
        terminal.styled(Style::Quiet, &text);
    }
}

/// Says that there is no such review, and what was looked for where.
fn nothing(args: &ExplainArgs, selection: &Selection, found: &Found, terminal: &Terminal) {
    let Selection { allowed, code, image, since, uid, until, workload } = selection;
    let mut wanted = Vec::new();
    wanted.extend(uid.as_ref().map(|uid| format!("of uid {uid}")));
    wanted.extend(image.as_ref().and(args.image.as_ref()).map(|it| format!("of image {it}")));
    wanted.extend(workload.as_ref().and(args.workload.as_ref()).map(|it| format!("of {it}")));
    wanted.extend(since.map(|since| format!("since {since}")));
    wanted.extend(until.map(|until| format!("until {until}")));
    wanted.extend(code.map(DenyCode::code).map(|code| format!("with code {code}")));
    wanted.extend(allowed.map(|it| (if it { "allowed" } else { "denied" }).to_owned()));
    let journal = args.journal.display();
    let text = format!("the journal {journal} holds no review {}", wanted.join(", "));
    terminal.styled(Style::Bad, text.trim_end());
    let span = match found.span {
        Some((first, last)) => {
            format!("It holds {} reviews, received from {first} to {last}.", found.reviews)
        }
        None => "It holds no reviews at all.".to_owned(),
    };
    terminal.line(&span);
}
