//! What can go wrong in the lab.

/// Why the lab could not sign or serve something.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A value that canonical JSON does not have.
    #[error("canonical JSON holds whole numbers only, not {number}: write it as an integer")]
    NotCanonical {
        /// The number.
        number: String,
    },
    /// The key cannot be made or used.
    #[error("{what} failed for a key of kind {kind:?}: {why}")]
    Key {
        /// What was tried.
        what: &'static str,
        /// The kind of key.
        kind: crate::KeyKind,
        /// What the library reported.
        why: String,
    },
    /// Keys of that kind cannot sign the same bytes twice.
    #[error("signatures of kind {kind:?} are random: plan Ed25519 or RSA PKCS#1 v1.5 with a seed")]
    NotDeterministic {
        /// The kind asked for.
        kind: crate::KeyKind,
    },
    /// Notary lists no certificates of that kind of key.
    #[error("Notary has no certificate form for keys of kind {kind:?}: list the key bare")]
    NoCertificateForm {
        /// The kind asked for.
        kind: crate::KeyKind,
    },
    /// Text that is not the PEM block expected.
    #[error("no PEM block `{label}` found: the text must hold one, with its BEGIN and END lines")]
    Pem {
        /// The label of the block looked for.
        label: &'static str,
    },
    /// A signer that the collection does not have.
    #[error("the collection {gun} has no signer `{signer}`: call add_signer first")]
    UnknownSigner {
        /// The collection.
        gun: String,
        /// The signer asked for.
        signer: String,
    },
    /// A name that no delegation may have.
    #[error("`{signer}` is not a signer's name: 1 to 200 of a-z, 0-9, `-` and `_`, not `releases`")]
    SignerName {
        /// The name as given.
        signer: String,
    },
    /// A tag signed by nobody.
    #[error("no signer was named for tag `{tag}`: name one, or use sign_base")]
    NoSigner {
        /// The tag.
        tag: String,
    },
    /// A time that the formats of certificates or metadata cannot express.
    #[error(
        "{micros} microseconds since 1970 is not a time that can be written: use a year to 9999"
    )]
    Time {
        /// The time.
        micros: i64,
    },
    /// A certificate could not be made.
    #[error("the certificate for {subject} could not be made: {why}")]
    Certificate {
        /// Common name of the certificate.
        subject: String,
        /// What the library reported.
        why: String,
    },
    /// TLS could not be set up.
    #[error("TLS of the lab's server could not be set up: {why}")]
    Tls {
        /// What the library reported.
        why: String,
    },
    /// The server could not listen.
    #[error("the lab's server cannot listen on a loopback port: {why}")]
    Listen {
        /// What the operating system reported.
        why: String,
    },
    /// A document that should have been published is not there, or is not one.
    #[error("the collection {gun} has no document `{document}` to start from: {why}")]
    Unpublished {
        /// The collection.
        gun: String,
        /// The document.
        document: String,
        /// What is wrong with it.
        why: String,
    },
}
