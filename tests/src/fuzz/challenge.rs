//! Any bytes as the `WWW-Authenticate` header of a 401 answer.

use super::parser::{bearer, is_basic};

/// Reads `data` as a header value.
///
/// # Panics
/// If the realm or service read is not in the header, or is another one in the plainest header that
/// says the same.
pub fn challenge(data: &[u8]) {
    let Ok(header) = std::str::from_utf8(data) else { return };
    let basic = header.trim_start().get(..5).is_some_and(|it| it.eq_ignore_ascii_case("basic"));
    assert!(basic || !is_basic(header), "a password is asked for, it seems: {header:?}");
    let Some(found) = bearer(header) else { return };
    assert!(header.to_ascii_lowercase().contains("bearer"), "no such scheme in {header:?}");
    let said = |value: &str| follows(header, value);
    assert!(said(&found.realm), "a realm that is not in it: {found:?} in {header:?}");
    let service = found.service.as_deref();
    assert!(service.is_none_or(said), "a service that is not in it: {found:?} in {header:?}");
    assert_eq!(bearer(header).as_ref(), Some(&found), "the same header, read otherwise");

    let realm = quoted(&found.realm);
    let service = service.map(|service| format!(", service={}", quoted(service)));
    let service = service.unwrap_or_default();
    for plain in [
        format!("Bearer realm={realm}{service}"),
        format!("BEARER  realm = {realm} {service},scope=\"a b\""),
        format!("Basic realm=\"other\", Bearer realm={realm}{service}"),
        format!("Bearer realm={realm}{service}, Basic realm=\"other\""),
    ] {
        assert_eq!(is_basic(&plain), plain.starts_with("Basic"), "in {plain}");
        assert_eq!(bearer(&plain).as_ref(), Some(&found), "in {plain}");
    }
    let twice = format!("Bearer realm={realm}, realm={realm}{service}");
    assert_eq!(bearer(&twice), None, "two realms leave it open who is meant");
}

/// Whether the characters of `value` stand together in `header`, backslashes apart.
fn follows(header: &str, value: &str) -> bool {
    let starts = header.char_indices().map(|(at, _)| &header[at..]);
    starts.chain([""]).any(|rest| {
        let mut rest = rest.chars();
        value.chars().all(|wanted| match rest.next() {
            Some('\\') => rest.next() == Some(wanted),
            next => next == Some(wanted),
        })
    })
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
