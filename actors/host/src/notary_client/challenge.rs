//! The `WWW-Authenticate` header of a 401 answer (RFC 9110, section 11.6.1; Docker's token
//! authentication).

/// What a server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password (RFC 7617).
    Basic,
    /// A token.
    Bearer(Bearer),
}

/// Where a token is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Where tokens are handed out: a URL.
    pub realm: String,
    /// Whom the token is for, if the server says.
    pub service: Option<String>,
}

/// The first Bearer challenge in a header value that names a realm. `None` if there is none, or
/// the value is not well formed up to it.
#[must_use]
pub fn bearer(header: &str) -> Option<Bearer> {
    let mut rest = header.trim_start();
    let mut found: Option<(Option<String>, Option<String>)> = None;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        if let Some(value) = tail.trim_start().strip_prefix('=') {
            let (value, tail) = value_of(value.trim_start())?;
            if let Some((realm, service)) = &mut found {
                match word.to_ascii_lowercase().as_str() {
                    "realm" => put_once(realm, value)?,
                    "service" => put_once(service, value)?,
                    _ => {}
                }
            }
            rest = tail;
        } else {
            if matches!(found, Some((Some(_), _))) {
                break;
            }
            found = word.eq_ignore_ascii_case("bearer").then_some((None, None));
            rest = tail;
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    let (realm, service) = found?;
    Some(Bearer { realm: realm?, service })
}

/// Whether a header value begins with a Basic challenge; one behind others is passed over.
#[must_use]
pub fn is_basic(header: &str) -> bool {
    let rest = header.trim_start();
    let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
    rest[..end].eq_ignore_ascii_case("basic")
}

/// Two realms in one challenge leave it open who is meant.
fn put_once(slot: &mut Option<String>, value: String) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value);
    Some(())
}

/// A token or quoted string at the start of `text`, and what follows it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(header: &str) -> Option<(String, Option<String>)> {
        bearer(header).map(|bearer| (bearer.realm, bearer.service))
    }

    #[test]
    fn the_realm_and_service_of_a_bearer_challenge_are_read() {
        let expected = Some(("https://auth.docker.io/token".to_owned(), Some("n, 1".to_owned())));
        for header in [
            r#"Bearer realm="https://auth.docker.io/token",service="n, 1",scope="x:y""#,
            r#"bearer  service = "n, 1" , realm="https://auth.docker.io/token""#,
            r#"Basic realm="a", Bearer realm="https://auth.docker.io/token",service="n\, 1""#,
        ] {
            assert_eq!(both(header), expected, "{header}");
        }
        assert_eq!(both("Bearer realm=abc"), Some(("abc".to_owned(), None)));
    }

    #[test]
    fn a_basic_challenge_is_known_by_its_first_word() {
        assert!(is_basic("Basic realm=\"x\"") && is_basic("BASIC") && is_basic(" basic"));
        assert!(!is_basic("Basically") && !is_basic("Bearer realm=\"Basic\"") && !is_basic(""));
    }

    #[test]
    fn what_is_not_one_clear_bearer_challenge_is_none() {
        for header in [
            "",
            "Basic realm=\"x\"",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"x",
            "Bearer realm=\"x\",realm=\"y\"",
            "Bearer realm=",
            "=x",
        ] {
            assert_eq!(both(header), None, "{header}");
        }
    }
}
