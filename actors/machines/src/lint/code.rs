//! The closed table of what may be found about policies; `docs/lint.md` is written from it.

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what its author meant.
    Warning,
    /// It cannot do what it says: something is denied, or never looked at.
    Error,
}

impl Severity {
    /// All of them, the lightest first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Error];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Note => "note",
            Self::Warning => "warning",
        }
    }
}

macro_rules! table {
    ($($variant:ident $code:literal $severity:ident $meaning:literal $advice:literal;)*) => {
        /// What may be found. A code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum LintCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl LintCode {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// How much it weighs.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }
    };
}

table! {
    PolicyInvalid "policy-invalid" Error
        "The policy cannot be understood; every image is denied wherever it holds."
        "Correct the member that the message names.";
    NotSupported "not-supported" Error
        "The policy asks for simple signing or Vulnerability Advisor, which there is not; every \
        image is denied wherever it holds."
        "Remove `simple`, `vulnerability` or `va`, or ask for `trust` instead.";
    CoversNothing "covers-nothing" Error
        "No image that there can be fits the rule's name."
        "Write [host/]path[:tag] in lower case, with `*` for any text.";
    NeverWins "never-wins" Warning
        "Other rules fit more closely whatever this rule covers, so it never decides."
        "Remove the rule, or the one that shadows it.";
    Duplicate "duplicate" Warning
        "Another rule fits the same images equally closely and asks for the same."
        "Remove one of the two.";
    Conflict "conflict" Warning
        "Another rule fits some images equally closely and asks for something else; both must hold."
        "Make one of the two more specific, or have both ask for the same.";
    UnanchoredHost "unanchored-host" Warning
        "The host of the rule's name covers hosts of anybody."
        "Write the whole host, or `*.` before a domain of yours.";
    HostWithoutPath "host-without-path" Warning
        "The rule's name looks like a host, but covers a Docker Hub image of that name."
        "Write `host/*` for everything that a registry has.";
    SignerKeyInvalid "signer-key-invalid" Error
        "A signer's name or key is not usable; what the rule covers is denied."
        "Put a delegation name in `name` and a PEM public key or certificate in `publicKey`.";
    SignerSecretMissing "signer-secret-missing" Error
        "The Secret of a signer is not there; what the rule covers is denied."
        "Create the Secret with `name` and `publicKey` in the policy's namespace.";
    ClusterSignerNamespace "cluster-signer-namespace" Error
        "A ClusterImagePolicy names a Secret that is not in the operator's namespace. Portieris \
        looked for it in the namespace of the Pod, where whoever may write Secrets chose the key."
        "Copy the Secret into the operator's namespace, or put the key into `trust.signers`.";
    NoTrustServer "no-trust-server" Error
        "Trust is required, the rule names no trust server, and none is known for the registry."
        "Set `trustServer`, or give the registry a server in `trustServers` of the configuration.";
    ServerNotApproved "server-not-approved" Error
        "The rule names a trust server that the operator did not approve, and only approved ones \
        may be asked."
        "Name an approved server, or have the operator approve this one.";
    DockerHubNotary "docker-hub-notary" Warning
        "The rule relies on Docker Hub's Notary server, which Docker is retiring."
        "Sign the images you need into a registry with a trust server of your own.";
    NoPin "no-pin" Note
        "No pin covers the collection, so the root that is seen first is trusted."
        "Pin the root's key in `trust.pins`, or in `pins` of the configuration.";
    AllowsEverything "allows-everything" Note
        "The rule allows every image that no other rule covers, without trust."
        "Ask for trust, or name the registries that may be used.";
    NoRules "no-rules" Note
        "The policy has no rules: it allows nothing, and alone it denies everything."
        "Add rules, or remove the policy.";
    NoPolicies "no-policies" Warning
        "There is no policy at all, so every image is denied."
        "Create a ClusterImagePolicy.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_in_kebab_case() {
        let codes: BTreeSet<_> = LintCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), LintCode::ALL.len());
        let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(codes.iter().all(|code| code.bytes().all(kebab)));
    }
}
