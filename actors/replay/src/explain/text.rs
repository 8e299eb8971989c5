//! Inputs in a sentence.

use portreeve_protocol::messages::admission::{
    AdmissionInput, AdmissionTimer, Operation, OwnerOutcome, Resolution, ResolutionOutcome,
    ReviewFacts,
};
use portreeve_protocol::messages::notary::{
    FetchOutcome, Fetched, NotaryInput, NotaryTimer, Verification, VerifyOutcome,
};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{Denial, Input, SealFact};

use crate::input_name;

/// What was delivered, in a sentence without a full stop.
pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Admission(input) => admission(input),
        Input::Notary(input) => notary(input),
        Input::Verify(VerifyInput::Verify(request)) => {
            let documents = request.documents.len() + request.roots.len() + 1;
            format!("verify {} of {}", counted(documents, "document"), request.gun)
        }
        Input::Journal(_) | Input::Policy(_) => input_name(input).to_owned(),
    }
}

/// What is being done to which object.
pub(super) fn subject(facts: &ReviewFacts) -> String {
    let dry = if facts.dry_run { " (dry run)" } else { "" };
    let (operation, kind) = (operation(facts.operation), kind(facts));
    let (namespace, name) = (&facts.namespace, &facts.name);
    format!("{operation} {kind} {namespace}/{name} by {}{dry}", facts.user)
}

/// What is being done, in capitals as the API server writes it.
pub(super) const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Connect => "CONNECT",
        Operation::Create => "CREATE",
        Operation::Delete => "DELETE",
        Operation::Update => "UPDATE",
    }
}

/// The kind of the object, with the subresource if it is about one.
pub(super) fn kind(facts: &ReviewFacts) -> String {
    let below = facts.sub_resource.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
    format!("{}{below}", facts.kind.kind)
}

/// What came of a fetch, in a few words.
pub(super) fn fetch_outcome(outcome: &FetchOutcome) -> String {
    match outcome {
        FetchOutcome::Absent => "there is none".to_owned(),
        FetchOutcome::Document(blob) => format!("{} bytes", blob.length()),
        FetchOutcome::Failed(denial) => refusal(denial),
    }
}

/// A denial as code and detail.
pub(super) fn refusal(denial: &Denial) -> String {
    format!("{}: {}", denial.code.code(), denial.detail)
}

/// Microseconds as milliseconds.
pub(super) fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

/// A number with its noun.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn admission(input: &AdmissionInput) -> String {
    match input {
        AdmissionInput::AcknowledgeClock(acknowledge) => {
            format!("the clock is right: {}", acknowledge.reason)
        }
        AdmissionInput::BundleFailed(failed) => {
            format!("no newer trust bundle: {}: {}", failed.code.code(), failed.detail)
        }
        AdmissionInput::BundleLoaded(loaded) => {
            format!("trust bundle version {}", loaded.versions.targets)
        }
        AdmissionInput::Drain => "the node drains".to_owned(),
        AdmissionInput::Forgotten(forgotten) => {
            format!("what was resolved of {} is forgotten", forgotten.gun)
        }
        AdmissionInput::HopRefused(refused) => {
            format!("{} did not take the message: {}", refused.to, refusal(&refused.why))
        }
        AdmissionInput::OwnerFound(found) => {
            let outcome = match &found.outcome {
                OwnerOutcome::Absent => "there is none".to_owned(),
                OwnerOutcome::Found(owner) => match &owner.seal {
                    SealFact::Absent => "it carries no seal".to_owned(),
                    SealFact::Invalid(fault) => format!("its seal: {}", fault.name()),
                    SealFact::Valid(claims) => {
                        format!("it carries the seal of {} {}", claims.kind, claims.name)
                    }
                },
                OwnerOutcome::Unavailable(why) => refusal(why),
            };
            format!("looked at the controller in {}: {outcome}", millis(found.micros))
        }
        AdmissionInput::Policies(snapshot) => format!("policies of revision {}", snapshot.revision),
        AdmissionInput::Resolution(resolution) => resolved(resolution),
        AdmissionInput::Review(facts) => {
            format!("review with {}", counted(facts.images.len(), "image"))
        }
        AdmissionInput::RevokeSeal(revoke) => {
            format!(
                "{} of {} is ended in all seals: {}",
                revoke.digest.to_oci(),
                revoke.gun,
                revoke.reason
            )
        }
        AdmissionInput::Timer(AdmissionTimer::Deadline(review)) => {
            format!("the deadline of {review} is here")
        }
    }
}

fn resolved(resolution: &Resolution) -> String {
    let Resolution { gun, outcome, tag, .. } = resolution;
    let outcome = match outcome {
        ResolutionOutcome::Absent => "there is no signed data".to_owned(),
        ResolutionOutcome::Refused(denial) => format!("refused, {}", refusal(denial)),
        ResolutionOutcome::Unavailable(denial) => format!("unavailable, {}", refusal(denial)),
        ResolutionOutcome::Verified(verified) => {
            let roles: Vec<&str> = verified.view.entries.keys().map(String::as_str).collect();
            if roles.is_empty() {
                "verified, and no role names the tag".to_owned()
            } else {
                format!("verified, named by {}", roles.join(", "))
            }
        }
    };
    format!("tag {tag} of {gun}: {outcome}")
}

fn notary(input: &NotaryInput) -> String {
    match input {
        NotaryInput::Fetched(Fetched { document, gun, micros, outcome, .. }) => {
            format!(
                "fetched {document} of {gun} in {}: {}",
                millis(*micros),
                fetch_outcome(outcome)
            )
        }
        NotaryInput::Forget(forget) => {
            format!("trust in {} is forgotten: {}", forget.gun, forget.reason)
        }
        NotaryInput::Resolve(resolve) => format!("resolve tag {} of {}", resolve.tag, resolve.gun),
        NotaryInput::Timer(NotaryTimer::FlightDeadline { gun, .. }) => {
            format!("the fetches for {gun} must end")
        }
        NotaryInput::Timer(NotaryTimer::Retry { gun, .. }) => {
            format!("failed fetches for {gun} may be tried again")
        }
        NotaryInput::Verification(verification) => concluded(verification),
        NotaryInput::VerifierRefused(refused) => {
            format!("no verifier took {}: {}", refused.gun, refusal(&refused.why))
        }
    }
}

fn concluded(verification: &Verification) -> String {
    let gun = &verification.gun;
    match &verification.outcome {
        VerifyOutcome::Missing(wanted) => {
            let roles: Vec<&str> = wanted.iter().map(|wanted| wanted.role.as_str()).collect();
            format!("{gun} is well so far, still needed: {}", roles.join(", "))
        }
        VerifyOutcome::Refused(denial) => format!("{gun} is refused, {}", refusal(denial)),
        VerifyOutcome::Verified(verified) => {
            format!("{gun} is verified, {}", counted(verified.evidence.roles.len(), "role"))
        }
    }
}
