//! What people are told about a decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portreeve_protocol::decision::{BundleRef, SealOf};
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::shown::{cut, listed, shown};
use portreeve_protocol::{Admitted, ContainerVerdict, Decision, Denial, SealFact, Verdict, limits};

use super::answer::denial_of;

/// The remark on every decision made while the policies are not watched.
pub(super) const NOT_WATCHED: &str =
    "the policies are not being watched at the moment; this was decided by the last ones read";

/// The remark on every decision made by an expired trust bundle.
pub(super) const BUNDLE_EXPIRED: &str =
    "the trust bundle has expired; what it says is followed until a newer one comes";

/// The remark on a workload whose images do not fit into a seal.
pub(super) const SEAL_TOO_LARGE: &str = "there are too many containers for a seal, so the \
    workload's Pods will each be verified anew, which needs the trust server";

/// Bytes kept back for saying how much was left out.
const LEFT_OUT_BYTES: usize = 40;

/// A review denied as a whole: what was found, the code, and what to do.
pub(super) fn of_review(denial: &Denial) -> String {
    let Denial { code, detail } = denial;
    cut(format!("{detail} ({code}). {}", code.advice(), code = code.code()), limits::MESSAGE_BYTES)
}

/// The denied images, the first with its rules and what to do; empty if none is denied.
pub(super) fn of_images(verdicts: &[ContainerVerdict]) -> String {
    let mut denied = verdicts.iter().filter_map(|it| denial_of(it).map(|denial| (it, denial)));
    let Some((first, denial)) = denied.next() else { return String::new() };
    let mut text = sentence(first, denial);
    if let Some(rule) = first.rules.first() {
        let _ = write!(text, ", by {}, rule `{}`", rule.policy, shown(&rule.pattern));
    }
    let _ = write!(text, ". {}", denial.code.advice());
    let room = limits::MESSAGE_BYTES - LEFT_OUT_BYTES;
    text = cut(text, room);
    let mut left_out = 0_usize;
    for (verdict, denial) in denied {
        let next = format!(" Also denied: {}.", sentence(verdict, denial));
        if left_out > 0 || text.len() + next.len() > room {
            left_out += 1;
        } else {
            text.push_str(&next);
        }
    }
    if left_out > 0 {
        let _ = write!(text, " {left_out} more are denied.");
    }
    text
}

fn sentence(verdict: &ContainerVerdict, denial: &Denial) -> String {
    let ContainerVerdict { container, image, pointer, .. } = verdict;
    let place = if container.is_empty() { pointer } else { container };
    let (place, image) = (shown(place), shown(image));
    let secret = if planted::is(Bug::SecretInMessage) { planted::CANARY } else { "" };
    let Denial { code, detail } = denial;
    let what = mounted_or_run(pointer);
    format!("{what} `{place}`, image `{image}`: {secret}{detail} ({})", code.code())
}

/// What an image is for: a container that runs it, or a volume that mounts it.
fn mounted_or_run(pointer: &str) -> &'static str {
    // As the host writes it for each entry of `volumes`; a container's ends with `/image`.
    if pointer.ends_with("/image/reference") { "volume" } else { "container" }
}

/// A remark on the image of one container or volume.
pub(super) fn remark(verdict: &ContainerVerdict, text: &str) -> String {
    let ContainerVerdict { container, pointer, .. } = verdict;
    [mounted_or_run(pointer), " `", &shown(container), "`: ", text].concat()
}

/// Remarks as far as they fit into the size of one message, equal ones once, and how many do not.
pub(super) fn bounded(remarks: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let mut kept: Vec<String> = Vec::new();
    let mut left_out = BTreeSet::new();
    for remark in remarks {
        // There is no room for many.
        if kept.contains(&remark) {
            continue;
        }
        bytes += remark.len();
        if bytes <= limits::MESSAGE_BYTES {
            kept.push(remark);
        } else {
            left_out.insert(remark);
        }
    }
    if left_out.is_empty() {
        return kept;
    }
    let room = limits::MESSAGE_BYTES - LEFT_OUT_BYTES;
    while kept.iter().map(String::len).sum::<usize>() > room {
        left_out.extend(kept.pop());
    }
    kept.push(format!("{} more did not fit here", left_out.len()));
    kept
}

/// The audit annotations that the verdicts alone do not say: the codes of denials. `would_deny` is
/// what rules would have denied that images were allowed in spite of.
pub(super) fn audit(
    verdicts: &[ContainerVerdict],
    mut would_deny: Vec<String>,
) -> BTreeMap<String, String> {
    let mut codes = Vec::new();
    for verdict in verdicts {
        match &verdict.verdict {
            Verdict::Allowed(Admitted::Tolerated(tolerated)) => {
                would_deny.push(coded(verdict, &tolerated.denial));
            }
            Verdict::Allowed(
                Admitted::Blank
                | Admitted::Sealed(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged
                | Admitted::Verified(_),
            ) => {}
            Verdict::Denied(denial) => codes.push(coded(verdict, denial)),
        }
    }
    [("codes", codes), ("would-deny", would_deny)]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name.to_owned(), listed(&list)))
        .collect()
}

/// A container and the code of what is said against its image.
pub(super) fn coded(verdict: &ContainerVerdict, denial: &Denial) -> String {
    format!("{}={}", shown(&verdict.container), denial.code.code())
}

/// The warning about an image that a rule only warns of.
pub(super) fn tolerated(verdict: &ContainerVerdict) -> Option<String> {
    let Verdict::Allowed(Admitted::Tolerated(tolerated)) = &verdict.verdict else { return None };
    let warns = tolerated.mode == Mode::Warn;
    warns.then(|| format!("would be denied: {}", sentence(verdict, &tolerated.denial)))
}

/// The audit annotation about seals: whose stood for images, and what became of those that did not.
pub(super) fn seals(
    facts: &ReviewFacts,
    unproven: Option<String>,
    decision: &Decision,
) -> Option<(String, String)> {
    let mut said: Vec<String> = unproven.into_iter().collect();
    for (what, seal) in [("seal", &facts.seal), ("old seal", &facts.old_seal)] {
        if let SealFact::Invalid(fault) = seal {
            said.push(format!("{what}: {}", fault.name()));
        }
    }
    let stands = decision.verdicts.iter().filter_map(|verdict| match &verdict.verdict {
        Verdict::Allowed(Admitted::Sealed(sealed)) => {
            Some(format!("{} by the seal of {}", shown(&verdict.container), of(&sealed.by)))
        }
        Verdict::Allowed(_) | Verdict::Denied(_) => None,
    });
    said.extend(stands);
    (!said.is_empty()).then(|| ("seal".to_owned(), listed(&said)))
}

fn of(by: &SealOf) -> String {
    match by {
        SealOf::Earlier => "an earlier generation".to_owned(),
        SealOf::Own => "the object".to_owned(),
        SealOf::Owner(kind, name) => format!("{kind} {}", shown(name)),
        SealOf::Running => "the running generation".to_owned(),
    }
}

/// The audit annotation that names the trust bundle.
pub(super) fn bundle(bundle: &BundleRef) -> String {
    let BundleRef { digest, expired, version } = bundle;
    let expired = if *expired { ", expired" } else { "" };
    format!("version {version}, {}{expired}", digest.to_oci())
}
