//! Why something is refused: the closed table of stable codes.

use serde::{Deserialize, Serialize};

/// What kind of trouble a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DenyClass {
    /// Portreeve itself failed.
    Internal,
    /// The policy, or the workload as written, does not allow it.
    Policy,
    /// The signed data does not allow it.
    Trust,
    /// The signed data could not be had.
    Unavailable,
}

impl DenyClass {
    /// The word used in answers, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Policy => "policy",
            Self::Trust => "trust",
            Self::Unavailable => "unavailable",
        }
    }
}

macro_rules! deny_codes {
    ($($variant:ident $class:ident $code:literal $meaning:literal $advice:literal;)*) => {
        /// A stable code for each way to be refused; the text of a code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum DenyCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $variant,)*
        }

        impl DenyCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as it stands in answers, journals and metrics.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What kind of trouble it is.
            #[must_use]
            pub const fn class(self) -> DenyClass {
                match self { $(Self::$variant => DenyClass::$class),* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What the reader should do, in one sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),* }
            }
        }
    };
}

deny_codes! {
    NoPolicy Policy "no-policy" "No ImagePolicy in the namespace and no ClusterImagePolicy has a rule for the image." "Add a rule for the image to a policy, or use an image that a rule covers.";
    PolicyInvalid Policy "policy-invalid" "A policy that may cover the image cannot be understood." "Correct the policy named in the message.";
    PoliciesNotLoaded Policy "policies-not-loaded" "The policies have not been read yet." "Try again in a moment.";
    SignerKeyMissing Policy "signer-key-missing" "The policy names a signer Secret that does not exist." "Create the Secret with `name` and `publicKey`, or remove it from the policy.";
    SignerKeyInvalid Policy "signer-key-invalid" "A signer Secret of the policy holds no usable name or public key." "Put a delegation name in `name` and a PEM public key or certificate in `publicKey`.";
    ReferenceInvalid Policy "reference-invalid" "The image reference cannot be understood." "Write the image as [registry/]repository[:tag][@sha256:digest].";
    DigestUnsupported Policy "digest-unsupported" "The image is named by a digest that is not SHA-256." "Name the image by tag or by its sha256 digest.";
    ImageMissing Policy "image-missing" "A container names no image." "Give every container an image.";
    UnknownKind Policy "unknown-kind" "Objects of this kind are not known, so images in them cannot be judged." "Send only kinds that Portreeve knows to this webhook.";
    ReviewMalformed Policy "review-malformed" "The object under review is not a well-formed workload." "Correct the object; the message names the member.";
    TooManyImages Policy "too-many-images" "The workload names more images than one review may." "Split the workload.";
    NoTrustServer Policy "no-trust-server" "Trust is required but no trust server is known for the registry." "Set `trustServer` in the policy.";
    TrustServerRefused Policy "trust-server-refused" "The policy's trust server is not one that may be asked." "Use an https URL of a public address, or have the operator approve the server; where the trust bundle names another one, take `trustServer` out of the policy or have the bundle name it.";
    ClientUnauthenticated Policy "client-unauthenticated" "The caller showed no certificate of the client CA, so its reviews are not judged." "Have the API server show a client certificate, or correct `clientCa`.";
    NotSigned Trust "not-signed" "The trust server holds no signed data for the repository." "Sign the image, for example with `docker trust sign`.";
    TagNotSigned Trust "tag-not-signed" "The repository is signed, but not this tag." "Sign this tag, for example with `docker trust sign`.";
    NotReleased Trust "not-released" "The tag is signed only by delegations that do not release images." "Sign the tag into `targets/releases` or `targets`.";
    BadEntry Trust "bad-entry" "The signed entry of the tag holds no usable SHA-256 digest and length." "Sign the tag again.";
    DigestMismatch Trust "digest-mismatch" "The image is named by another digest than the signed one." "Use the signed digest, or sign the image you mean.";
    SignerMissing Trust "signer-missing" "A required signer has not signed the tag." "Have the signer named in the message sign the tag.";
    SignerKeyMismatch Trust "signer-key-mismatch" "A required signer's entry is not signed with the key the policy pins." "Have the signer sign with the pinned key, or correct the key where it is named: in the Secret, in the policy, or at the trust bundle's signer.";
    SignersDisagree Trust "signers-disagree" "A required signer signed another digest than the released one." "Have all signers sign the same image.";
    RootUnpinned Trust "root-unpinned" "No pin covers the repository's root and first use is forbidden." "Pin the root of the repository.";
    RootUntrusted Trust "root-untrusted" "The root of the repository's trust is not acceptable." "Check the certificates and signatures of root.json at the trust server.";
    RootChanged Trust "root-changed" "The root served is not the one trusted so far and no rotation leads to it." "Find out why the root changed; only then forget the old root.";
    RootRotation Trust "root-rotation" "A newer root is not signed by the root before it." "Check the root rotation at the trust server.";
    RootPinMismatch Trust "root-pin-mismatch" "The root is not signed by the keys the policy pins." "Check whether the root is genuine; only then correct the pin.";
    Signature Trust "signature" "Trust data does not carry the signatures its role needs." "Sign the repository again; if you did not change keys, suspect the trust server.";
    KeyId Trust "key-id" "A key in the trust data is listed under an id that is not its own." "Suspect the trust server; publish the repository again.";
    Expired Trust "expired" "Trust data has expired." "Publish the repository again to renew its signatures.";
    Rollback Trust "rollback" "Trust data is older than data already seen." "Suspect the trust server; look at its backups and caches.";
    Equivocation Trust "equivocation" "Trust data differs from data of the same version already seen." "Suspect the trust server; look for a second publisher.";
    Checksum Trust "checksum" "A document is not the one its parent names." "Try again; if it stays, suspect the trust server.";
    Oversize Trust "oversize" "A document is larger than allowed or has another length than its parent names." "Try again; if it stays, suspect the trust server.";
    MissingDocument Trust "missing-document" "The trust server lacks a document that its signed data names." "Publish the repository again, or repair the trust server.";
    Malformed Trust "malformed" "A document is not well-formed JSON." "Publish the repository again, or repair the trust server.";
    InvalidMetadata Trust "invalid-metadata" "A document does not have the structure of its role." "Publish the repository again, or repair the trust server.";
    Certificate Trust "certificate" "A certificate in the trust data is not acceptable." "Replace the certificate named in the message.";
    UnsupportedForm Trust "unsupported-form" "The trust data uses a form that this build refuses to judge." "Publish with the notary client's default key types.";
    RoleWithdrawn Trust "role-withdrawn" "A delegation that releases images was there before and is gone." "Find out who removed targets/releases; publish it again.";
    StateSpoilt Trust "state-spoilt" "The trust state kept from earlier cannot be used." "Find out what happened to the directory; only then remove it, or forget the repository's trust.";
    Unreachable Unavailable "trust-server-unreachable" "The trust server could not be reached." "Check that the trust server is up and can be reached from here.";
    ServerError Unavailable "trust-server-error" "The trust server answered with an error." "Look at the trust server's own log.";
    Unauthorized Unavailable "trust-server-unauthorized" "The trust server wants credentials that are not at hand." "Give the workload a pull secret that may read the repository.";
    ApiServer Unavailable "api-server" "The API server could not be asked for an object that the decision needs." "Check that the API server is up, and the rights of Portreeve's service account.";
    BundleUnavailable Unavailable "bundle-unavailable" "A trust bundle is configured, but none could be loaded yet, so nothing that requires trust is judged." "Mend what keeps the trust bundle from being loaded, as the message says; `portreeve bundle verify` tries it from anywhere.";
    BundleExpired Unavailable "bundle-expired" "The trust bundle has expired, and the settings ask that nothing be judged by it then." "Renew the trust bundle with `portreeve bundle publish`, or with `portreeve bundle rotate` if its root has expired.";
    Deadline Unavailable "deadline" "The decision could not be made in time." "Try again; the data asked for may be there by then.";
    Overloaded Unavailable "overloaded" "Too many reviews are being decided." "Try again in a moment.";
    Capacity Unavailable "capacity" "A bound on state is reached." "Raise the limit, or reduce the number of servers or repositories in use.";
    Draining Unavailable "draining" "This replica is shutting down." "Try again; another replica will answer.";
    ClockSteppedBack Internal "clock-stepped-back" "The wall clock went back by more than five minutes, so no expiry date can be judged." "Correct the node's clock; if it is right now, run `portreeve trust clock --reason TEXT`.";
    JournalUnavailable Internal "journal-unavailable" "The decision could not be written to the journal, and what is not recorded is not allowed." "Check the journal's disk.";
    Internal Internal "internal" "Portreeve failed while deciding." "Report the event id in the message.";
}

/// The reasons that the corpus of Notary metadata (`tests/corpus/README.md`) sorts the real client's
/// words into.
pub const CORPUS_REASONS: [&str; 19] = [
    "bad_entry",
    "certificate",
    "checksum",
    "expired",
    "invalid_metadata",
    "key_id",
    "malformed",
    "missing_file",
    "no_trust_data",
    "not_found",
    "not_released",
    "rollback",
    "root_rotation",
    "root_untrusted",
    "signature",
    "signer_missing",
    "signers_disagree",
    "size",
    "unavailable",
];

impl DenyCode {
    /// Which of [`CORPUS_REASONS`] this code covers; none for what the real client does not know.
    #[must_use]
    pub const fn corpus_reasons(self) -> &'static [&'static str] {
        match self {
            Self::BadEntry => &["bad_entry"],
            Self::Certificate => &["certificate"],
            Self::Checksum => &["checksum"],
            Self::Expired => &["expired"],
            Self::InvalidMetadata => &["invalid_metadata", "malformed"],
            Self::KeyId => &["key_id"],
            Self::Malformed | Self::UnsupportedForm => &["malformed"],
            Self::MissingDocument => &["missing_file"],
            // Whether the tag is released is looked at before the signers.
            Self::TagNotSigned => &["no_trust_data", "signer_missing"],
            Self::NotReleased => &["no_trust_data", "not_released", "signer_missing"],
            Self::RoleWithdrawn => &["no_trust_data"],
            Self::NotSigned => &["not_found"],
            Self::Rollback => &["rollback"],
            Self::RootRotation => &["root_rotation"],
            Self::RootPinMismatch
            | Self::RootUnpinned
            | Self::RootUntrusted
            | Self::StateSpoilt => &["root_untrusted"],
            Self::Signature => &["signature"],
            Self::SignerMissing => &["signer_missing"],
            Self::SignersDisagree => &["signers_disagree"],
            Self::Oversize => &["size"],
            Self::ServerError | Self::Unauthorized | Self::Unreachable => &["unavailable"],
            Self::ApiServer
            | Self::BundleExpired
            | Self::BundleUnavailable
            | Self::Capacity
            | Self::ClientUnauthenticated
            | Self::ClockSteppedBack
            | Self::Deadline
            | Self::DigestMismatch
            | Self::DigestUnsupported
            | Self::Draining
            | Self::Equivocation
            | Self::ImageMissing
            | Self::Internal
            | Self::JournalUnavailable
            | Self::NoPolicy
            | Self::NoTrustServer
            | Self::Overloaded
            | Self::PoliciesNotLoaded
            | Self::PolicyInvalid
            | Self::ReferenceInvalid
            | Self::ReviewMalformed
            | Self::RootChanged
            | Self::SignerKeyInvalid
            | Self::SignerKeyMismatch
            | Self::SignerKeyMissing
            | Self::TooManyImages
            | Self::TrustServerRefused
            | Self::UnknownKind => &[],
        }
    }
}

/// A refusal: its code, and what exactly was found. The detail is written by Portreeve and never
/// quotes what a remote server sent beyond names already checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The stable code.
    pub code: DenyCode,
    /// The requirement that was not met, in a sentence without a final full stop.
    pub detail: String,
}

impl Denial {
    /// A refusal with its detail.
    #[must_use]
    pub fn new(code: DenyCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_in_kebab_case() {
        let codes: BTreeSet<_> = DenyCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), DenyCode::ALL.len());
        for code in codes {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        }
    }

    #[test]
    fn every_reason_of_the_corpus_is_covered_and_no_other_is_named() {
        let covered: BTreeSet<_> =
            DenyCode::ALL.iter().flat_map(|code| code.corpus_reasons()).copied().collect();
        assert_eq!(covered, CORPUS_REASONS.into());
    }

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        for code in DenyCode::ALL {
            assert!(code.meaning().ends_with('.') && code.advice().ends_with('.'), "{code:?}");
        }
    }
}
