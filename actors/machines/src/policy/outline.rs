//! What a `spec` comes to, for whoever feeds the policy cache or tells a policy's author.

use std::collections::BTreeSet;

use super::spec;

/// What has to be known of an understood policy besides its own text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Names of the Secrets that hold its signers' keys. They stand in the policy's own namespace,
    /// or in the operator's if it has none.
    pub signer_secrets: BTreeSet<String>,
}

/// Why a policy is not obeyed, so that every image is denied wherever it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it is understood, but asks for what there is not (`simple`, `vulnerability`).
    pub unsupported: bool,
    /// A sentence for its author.
    pub why: String,
}

/// Reads the JSON text of a `spec` as the policy cache does.
///
/// # Errors
/// [`Refusal`] if the policy cache would not obey it.
pub fn outline(text: &str) -> Result<Outline, Refusal> {
    let rules =
        spec::parse(text).map_err(|why| Refusal { unsupported: is_unsupported(&why), why })?;
    let trust = rules.into_iter().filter_map(|rule| rule.trust);
    Ok(Outline { signer_secrets: trust.flat_map(|trust| trust.signer_secrets).collect() })
}

/// Whether the reason why a policy is invalid is that it asks for what there is not.
#[must_use]
pub fn is_unsupported(why: &str) -> bool {
    why.ends_with(spec::UNSUPPORTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: &str) -> Option<Refusal> {
        let text = format!(r#"{{"repositories":[{{"name":"*","policy":{policy}}}]}}"#);
        outline(&text).err()
    }

    #[test]
    fn what_is_not_supported_is_told_from_what_is_wrong() {
        for policy in [
            r#"{"simple":{"requirements":[{"type":"signedBy"}]}}"#,
            r#"{"vulnerability":{"ICCRVA":{"enabled":true}}}"#,
            r#"{"va":{"enabled":true}}"#,
        ] {
            let refusal = refusal(policy);
            assert!(refusal.as_ref().is_some_and(|it| it.unsupported), "{policy}: {refusal:?}");
        }
        for policy in [r#"{"trust":5}"#, r#"{"is not supported":1}"#, r#"{"mode":"x"}"#] {
            let refusal = refusal(policy);
            assert!(refusal.as_ref().is_some_and(|it| !it.unsupported), "{policy}: {refusal:?}");
        }
        for policy in [r#"{"simple":{"requirements":[]}}"#, r#"{"va":{"enabled":false}}"#] {
            assert_eq!(refusal(policy), None, "{policy}");
        }
    }

    #[test]
    fn secrets_are_named_by_rules_that_ask_for_trust_alone() {
        let text = r#"{"repositories":[
            {"name":"a","policy":{"trust":{"enabled":true,"signerSecrets":[{"name":"x"}]}}},
            {"name":"b","policy":{"trust":{"enabled":true,"signerSecrets":[{"name":"x"}]}}},
            {"name":"c","policy":{"trust":{"enabled":false,"signerSecrets":[{"name":"y"}]}}}]}"#;
        let names = outline(text).map(|outline| outline.signer_secrets);
        assert_eq!(names, Ok(BTreeSet::from(["x".to_owned()])));
    }
}
