//! What the table of classes stands for.

/// Makes the enum of classes from their table.
macro_rules! classes {
    ($($variant:ident $id:literal $nature:ident $mark:ident $codes:expr,
        $group:ident::$make:ident($($argument:expr),*), $meaning:literal;)*) => {
        /// A class of bad content, or of content that only looks bad.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum Hostile {
            $(#[doc = $meaning] #[serde(rename = $id)] $variant,)*
        }

        impl Hostile {
            /// Every class, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name of the class in files and traces: small letters, digits and dashes.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// What is served, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What a replica may make of it.
            #[must_use]
            pub const fn nature(self) -> crate::hostile::Nature {
                match self { $(Self::$variant => crate::hostile::Nature::$nature),* }
            }

            /// What is left of it at a replica.
            #[must_use]
            pub const fn mark(self) -> crate::hostile::Mark {
                match self { $(Self::$variant => crate::hostile::Mark::$mark),* }
            }

            /// The codes that a denial may carry that comes of this content. Empty for what denies
            /// nothing.
            #[must_use]
            pub const fn codes(self) -> &'static [DenyCode] {
                match self { $(Self::$variant => $codes),* }
            }

            pub(super) fn make(self, material: &crate::hostile::Material<'_>)
            -> Result<portreeve_lab::Documents, portreeve_lab::LabError> {
                match self {
                    $(Self::$variant => $group::$make(material $(, $argument)*)),*
                }
            }
        }
    };
}
