//! Bearer tokens, kept until they expire and shown to nobody but the server they are for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use portreeve_protocol::limits;
use serde::Deserialize;

/// A bearer token. It has neither `Debug` nor `Serialize`, so that it cannot reach a log, a journal
/// or an error by accident.
#[derive(Clone)]
pub(super) struct Token(HeaderValue);

impl Token {
    /// The value of the `Authorization` header; it is marked sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Takes a token of the form b64token (RFC 6750, section 2.1).
    fn parse(text: &str) -> Option<Self> {
        let symbol = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if text.is_empty() || !text.bytes().all(symbol) {
            return None;
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// A token and for how long it is good.
pub(super) struct Grant {
    pub(super) token: Token,
    pub(super) lasts: Duration,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    token: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    access_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// How long a token lasts whose server does not say (Docker's token specification).
const DEFAULT_SECONDS: u64 = 60;
/// The longest a token is kept, whatever its server says.
const LONGEST_SECONDS: u64 = 3_600;

/// Reads what a token server answered. `None` if there is no usable token in it.
pub(super) fn read_grant(body: &[u8]) -> Option<Grant> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let text = answer.token.filter(|text| !text.is_empty()).or(answer.access_token)?;
    let seconds = answer.expires_in.unwrap_or(DEFAULT_SECONDS).min(LONGEST_SECONDS);
    Some(Grant { token: Token::parse(&text)?, lasts: Duration::from_secs(seconds) })
}

/// Kept tokens, by trust server and GUN; when they are too many, all are asked for anew.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(String, String), (Token, Instant)>>);

impl Tokens {
    /// The kept token for this collection, if it is still good at `now`.
    pub(super) fn get(&self, server: &str, gun: &str, now: Instant) -> Option<Token> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = kept.get(&(server.to_owned(), gun.to_owned()))?;
        (now < *until).then(|| token.clone())
    }

    /// Keeps a token for nine tenths of its life, so that it does not expire on the way.
    pub(super) fn put(&self, server: &str, gun: &str, grant: &Grant, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= limits::TOKENS {
            kept.retain(|_, (_, until)| now < *until);
        }
        if kept.len() >= limits::TOKENS {
            kept.clear();
        }
        let until = now + grant.lasts.mul_f64(0.9);
        kept.insert((server.to_owned(), gun.to_owned()), (grant.token.clone(), until));
    }

    /// Forgets a token the server did not take.
    pub(super) fn forget(&self, server: &str, gun: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&(server.to_owned(), gun.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_until_shortly_before_it_expires() {
        let tokens = Tokens::default();
        let Some(grant) = read_grant(br#"{"token":"abc.def","expires_in":100}"#) else {
            unreachable!("a usable token")
        };
        let now = Instant::now();
        tokens.put("https://n", "g", &grant, now);
        assert!(tokens.get("https://n", "g", now + Duration::from_secs(89)).is_some());
        assert!(tokens.get("https://n", "g", now + Duration::from_secs(90)).is_none());
        assert!(tokens.get("https://n", "other", now).is_none());
        tokens.forget("https://n", "g");
        assert!(tokens.get("https://n", "g", now).is_none());
    }

    #[test]
    fn a_token_header_is_sensitive_and_its_life_bounded() {
        let grant = read_grant(br#"{"access_token":"abc","expires_in":99999999}"#);
        assert!(grant.is_some_and(|grant| {
            grant.token.header().is_sensitive() && grant.lasts == Duration::from_secs(3_600)
        }));
    }

    #[test]
    fn an_answer_without_a_usable_token_grants_nothing() {
        for body in
            [&b"{}"[..], b"[]", br#"{"token":""}"#, br#"{"token":"a b"}"#, b"{\"token\":\"a"]
        {
            assert!(read_grant(body).is_none());
        }
    }
}
