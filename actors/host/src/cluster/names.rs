//! What may be a name in Kubernetes. Nothing else is ever put into a path, so that whoever writes
//! a workload cannot have another object asked for than one of the kind that is meant.

/// Whether an object may have this name (RFC 1123 subdomain).
pub(super) fn is_object_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a namespace may have this name (RFC 1123 label).
pub(super) fn is_namespace(name: &str) -> bool {
    name.len() <= 63 && is_label(name)
}

fn is_label(label: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [label.bytes().next(), label.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(letter))
        && label.bytes().all(|byte| letter(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_lead_a_path_elsewhere_is_a_name() {
        for name in ["web", "web-7d4b9", "a.b-c.d0", "0", &"a".repeat(253)] {
            assert!(is_object_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "a/b", "a%2fb", "a?b", "a#b", "A", "-a", "a-", "a..b", &long] {
            assert!(!is_object_name(name), "{name}");
        }
        assert!(is_namespace("kube-system") && !is_namespace("a.b") && !is_namespace(""));
        assert!(!is_namespace(&"a".repeat(64)));
    }
}
