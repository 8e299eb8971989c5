//! `no-secret`: what is planted where nothing may be repeated from ([`canary`]) turns up nowhere.
//!
//! Looked through are the decisions that left, what is told in their place, the lines of the trace,
//! and in audited runs the lines of the journals. Documents themselves are kept beside the journal,
//! by digest, and are not looked through.

use portreeve_protocol::{Decision, Denial, Mono, Verdict};

use super::{Oracle, Run, Violation};
use crate::history::Sight;
use crate::truth::canary;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "no-secret",
    rule: "no token, pull secret, document or error text of a server is repeated in anything said \
           or written",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut say = |at: Mono, replica: Option<usize>, place: &str, text: &str| {
        if let Some(canary) = canary::in_text(text) {
            let what = format!("{place} says {canary}");
            found.push(Violation { at, oracle: ORACLE.id, replica, what });
        }
    };
    for seen in &run.outcome.history {
        if let Sight::Answered(answered) = &seen.what {
            let replica = Some(seen.replica);
            let mut say = |text: &str| say(seen.at, replica, "an answer", text);
            texts(&answered.decision, &mut say);
            answered.instead.iter().for_each(|instead| say(&instead.detail));
        }
    }
    for line in run.outcome.trace.lines() {
        say(run.outcome.took, None, "the trace", line);
    }
    for (replica, left) in run.outcome.replicas.iter().enumerate() {
        for journal in left.given_up.iter().chain([&left.journal]) {
            for (name, lines) in journal.lines() {
                let text = String::from_utf8_lossy(lines);
                say(run.outcome.took, Some(replica), &name, &text);
            }
        }
    }
}

/// All words of a decision.
fn texts(decision: &Decision, say: &mut dyn FnMut(&str)) {
    let Decision { audit, denial, message, verdicts, warnings, .. } = decision;
    let patch = decision.patch();
    let denied = verdicts.iter().filter_map(|one| match &one.verdict {
        Verdict::Denied(denial) => Some(denial),
        Verdict::Allowed(_) => None,
    });
    let details = denial.iter().chain(denied).map(|Denial { detail, .. }| detail);
    let words = audit.values().chain([message]).chain(&patch).chain(warnings).chain(details);
    words.for_each(|words| say(words));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::Entry;
    use portreeve_protocol::entry::Gap;

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};
    use crate::trace::Trace;

    const AT: u64 = 5_000_000;

    fn saying(change: impl FnOnce(&mut Decision)) -> Story {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let mut decision = sample::decision(&event, &facts, verified(digest()));
        change(&mut decision);
        story.leave(AT + 1, AT, Arc::new(decision));
        story
    }

    #[test]
    fn a_decision_in_our_own_words_keeps_no_secret() {
        saying(|decision| decision.message = "in our own words".to_owned()).keeps(check);
    }

    #[test]
    fn a_canary_in_any_word_of_a_decision_breaks_no_secret() {
        let word = || format!("the server says {}", canary::DOCUMENT);
        saying(|decision| decision.message = word()).breaks(check, canary::DOCUMENT);
        saying(|decision| decision.warnings.push(word())).breaks(check, canary::DOCUMENT);
        saying(|decision| drop(decision.audit.insert("seal".to_owned(), word())))
            .breaks(check, canary::DOCUMENT);
    }

    #[test]
    fn a_canary_in_the_trace_breaks_no_secret() {
        let mut story = Story::new();
        story.outcome.trace = Trace::new(true);
        story.outcome.trace.note(Mono(1), '!', None, &[], || canary::MESSAGE.to_owned());
        story.breaks(check, "the trace");
    }

    #[test]
    fn a_canary_in_a_journal_breaks_no_secret() {
        let mut story = Story::new();
        for left in &mut story.outcome.replicas {
            let why = canary::DOCUMENT.to_owned();
            left.journal.write(Entry::Gap(Gap { denied: 0, exempt: 0, lost: 0, why }));
            assert!(left.journal.seal().is_ok());
        }
        story.breaks(check, canary::DOCUMENT);
    }
}
