//! What a pattern alone gives away.

use super::scope::Placed;
use super::{Finding, LintCode};

/// Looks at the name of one rule.
pub(super) fn look(rule: &Placed<'_>, findings: &mut Vec<Finding>) {
    let pattern = rule.id.pattern.as_str();
    if rule.witnesses.is_empty() {
        let message = format!("`{pattern}` {}", why_nothing(pattern));
        return findings.push(rule.finding(LintCode::CoversNothing, message));
    }
    if let Some(why) = unanchored(pattern) {
        findings.push(rule.finding(LintCode::UnanchoredHost, format!("`{pattern}` {why}")));
    }
    if looks_like_a_host(pattern) {
        let message = format!("`{pattern}` is docker.io/library/{pattern}, not a registry");
        findings.push(rule.finding(LintCode::HostWithoutPath, message));
    }
    if matches!(pattern, "*" | "*:*") && rule.rule.trust.is_none() {
        let message = format!("`{pattern}` asks for no trust");
        findings.push(rule.finding(LintCode::AllowsEverything, message));
    }
}

fn why_nothing(pattern: &str) -> &'static str {
    let path = pattern.split_once('/').map_or(pattern, |(_, path)| path);
    if pattern.contains("://") {
        "begins with a scheme, which image names do not have"
    } else if pattern.ends_with('/') {
        "ends with `/`; to cover what is below, end it with `/*`"
    } else if path.split([':', '@']).next().is_some_and(|it| it.contains(char::is_uppercase)) {
        "has upper case letters in its path, which image names do not have"
    } else {
        "is no name that an image can have"
    }
}

/// Why the host of a pattern covers hosts that are not one party's.
fn unanchored(pattern: &str) -> Option<&'static str> {
    if pattern.starts_with("*:") || pattern.starts_with("*@") {
        return Some("covers that tag or digest of any image of any registry")
            .filter(|_| pattern != "*:*");
    }
    let (host, _) = pattern.split_once('/')?;
    let (name, _) = portreeve_protocol::reference::split_port(host);
    if name == "*" {
        return Some("covers that path at any registry");
    }
    if name.ends_with('*') {
        return Some("covers hosts that go on with a domain of anybody");
    }
    let before_dot = name.strip_prefix("*.");
    if before_dot.is_none() && name.starts_with('*') {
        return Some("covers other domains that end in the same letters");
    }
    // `*.com` is a domain of everybody.
    let domain = before_dot.unwrap_or(name);
    if before_dot.is_some() && !domain.contains('.') {
        return Some("covers a whole top-level domain");
    }
    None
}

/// `registry.example`, `registry.example:5000`: no `/`, and a dot or a port.
fn looks_like_a_host(pattern: &str) -> bool {
    if pattern.contains(['/', '*', '@']) {
        return false;
    }
    let (name, tag) = pattern.split_once(':').map_or((pattern, ""), |(name, tag)| (name, tag));
    let port = !tag.is_empty() && tag.len() > 1 && tag.bytes().all(|byte| byte.is_ascii_digit());
    let domain = name.rsplit_once('.').is_some_and(|(_, last)| {
        last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_lowercase())
    });
    domain || (port && name == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_party_are_anchored_and_others_are_not() {
        for anchored in ["*", "*:*", "nginx", "a.example/*", "*.a.example/*", "eu.*.a.example/x"] {
            assert_eq!(unanchored(anchored), None, "{anchored}");
        }
        for open in ["*/x", "*:v1", "*a.example/x", "a.example*/x", "a.*/x", "*.com/x", "*:5000/x"]
        {
            assert!(unanchored(open).is_some(), "{open}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_host_is_told_from_an_image() {
        for host in ["registry.example", "icr.io", "registry.example:5000", "localhost:5000"] {
            assert!(looks_like_a_host(host), "{host}");
        }
        for image in ["nginx", "nginx:1.27", "nginx:8080", "a.example/x", "*.example", "redis:7"] {
            assert!(!looks_like_a_host(image), "{image}");
        }
    }
}
