//! Short names of inputs and effects, for causal paths.

use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::journal::JournalInput;
use portreeve_protocol::messages::notary::NotaryInput;
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{Effect, Input};

/// What kind of input this is, in two or three words: the actor and the message.
#[must_use]
pub const fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Admission(input) => match input {
            AdmissionInput::AcknowledgeClock(_) => "admission acknowledge clock",
            AdmissionInput::BundleFailed(_) => "admission bundle failed",
            AdmissionInput::BundleLoaded(_) => "admission bundle loaded",
            AdmissionInput::Drain => "admission drain",
            AdmissionInput::Forgotten(_) => "admission forgotten",
            AdmissionInput::HopRefused(_) => "admission hop refused",
            AdmissionInput::OwnerFound(_) => "admission owner found",
            AdmissionInput::Policies(_) => "admission policies",
            AdmissionInput::Resolution(_) => "admission resolution",
            AdmissionInput::Review(_) => "admission review",
            AdmissionInput::RevokeSeal(_) => "admission revoke seal",
            AdmissionInput::Timer(_) => "admission timer",
        },
        Input::Journal(input) => match input {
            JournalInput::Appended(_) => "journal appended",
            JournalInput::Synced => "journal synced",
            JournalInput::WriteFailed(_) => "journal write failed",
            JournalInput::WriteRestored => "journal write restored",
        },
        Input::Notary(input) => match input {
            NotaryInput::Fetched(_) => "notary fetched",
            NotaryInput::Forget(_) => "notary forget",
            NotaryInput::Resolve(_) => "notary resolve",
            NotaryInput::Timer(_) => "notary timer",
            NotaryInput::Verification(_) => "notary verification",
            NotaryInput::VerifierRefused(_) => "notary verifier refused",
        },
        Input::Policy(input) => match input {
            PolicyInput::Applied(_) => "policy applied",
            PolicyInput::Deleted(_) => "policy deleted",
            PolicyInput::Relisted(_) => "policy relisted",
            PolicyInput::WatchLost(_) => "policy watch lost",
            PolicyInput::WatchRestored => "policy watch restored",
        },
        Input::Verify(VerifyInput::Verify(_)) => "verify request",
    }
}

/// An effect in a few words, without its content.
pub(crate) fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Answer(decision) => {
            let word = if decision.allowed { "allow" } else { "deny" };
            format!("answer {word} to {}", decision.review)
        }
        Effect::Arm { at, .. } => format!("arm a timer at {} us", at.0),
        Effect::Disarm { .. } => "disarm a timer".to_owned(),
        Effect::Fetch(request) => format!("fetch {} of {}", request.document, request.gun),
        Effect::LookUpOwner(query) => format!("look at {} {}", query.kind, query.name),
        Effect::Note(fact) => format!("note {}", fact.name()),
        Effect::RecordGap(_) => "record a gap".to_owned(),
        Effect::Release(release) => format!("release {}", release.review),
        Effect::Send { message, to } => format!("send {} to {to}", input_name(message)),
    }
}
