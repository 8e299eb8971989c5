//! Why a trust bundle is not taken: the closed table of stable codes.

use serde::{Deserialize, Serialize};

macro_rules! bundle_codes {
    ($($variant:ident $code:literal $meaning:literal $advice:literal;)*) => {
        /// A stable code for each way in which a trust bundle is not taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum BundleCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $variant,)*
        }

        impl BundleCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as it stands in logs, journals and metrics.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
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

bundle_codes! {
    Unreachable "unreachable" "The bundle could not be fetched, or not to its end, in time." "Check that its server, or its directory, can be read from here.";
    Absent "absent" "A file that every bundle has, or that its metadata names, is not there." "Publish the bundle as a whole.";
    RootUnread "root-unread" "Whether there is a newer root could not be found out." "Repair the server: for a file that is not there it must answer 404.";
    Oversize "oversize" "A file, or all together, is larger than a bundle may be." "Suspect the server; else split what the bundle says.";
    NotAscii "not-ascii" "Metadata holds a byte that is not ASCII." "Sign the bundle anew, without such characters in names.";
    Malformed "malformed" "A file of metadata is cut off, or not what TUF 1.0 asks for." "Publish the bundle as a whole.";
    Signature "signature" "Metadata is not signed by enough keys of its role." "Suspect the server; else sign with the keys that the root names.";
    RootRotation "root-rotation" "A newer root is not signed by the root before it, or is not the next one." "Suspect the server; else have enough keys of the old root sign the new one.";
    TooManyRoots "too-many-roots" "More newer roots are offered than one load walks." "Give a newer root with --bundle-root.";
    Checksum "checksum" "A file is not the one that signed metadata names." "Publish the bundle as a whole; if it stays, suspect the server.";
    Mixed "mixed" "Files of different publications stand beside each other." "Publish the bundle as a whole; if it stays, suspect the server.";
    Rollback "rollback" "The bundle is older than one that was loaded before." "Suspect the server; look at its backups and caches.";
    Equivocation "equivocation" "The bundle differs from one of the same version that was loaded before." "Suspect the server; look for a second publisher.";
    Expired "expired" "The bundle has expired." "Renew the role that has expired: root by `portreeve bundle rotate`, targets by `portreeve bundle publish` with the targets key, snapshot and timestamp by `portreeve bundle publish` with the online key.";
    NoTarget "no-target" "The bundle holds no `trust.json`." "Make it with `portreeve bundle`, or add that target.";
    Anchors "anchors" "What `trust.json` says cannot be understood." "Correct it as docs/bundle-format.md says, and publish again.";
    GivenRoot "given-root" "The root that was given to start from cannot be used." "Give the root.json of the bundle, as its signers handed it out.";
    Store "store" "The directory in which the bundle is kept cannot be used." "Look at the data directory.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_in_kebab_case_and_says_what_to_do() {
        let codes: BTreeSet<_> = BundleCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), BundleCode::ALL.len());
        for code in BundleCode::ALL {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(code.code().bytes().all(plain), "{code:?}");
            assert!(code.meaning().ends_with('.') && code.advice().ends_with('.'), "{code:?}");
        }
    }
}
