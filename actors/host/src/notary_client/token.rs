//! What is put into `Authorization` headers, kept until it expires and shown to nobody but the
//! server it is for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use portreeve_protocol::limits;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OwnedMutexGuard;

use crate::credentials::{Identity, repeats};

/// The value of an `Authorization` header. It has neither `Debug` nor `Serialize`, so that it
/// cannot reach a log, a journal or an error by accident.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(HeaderValue);

impl Token {
    /// The header's value; it is marked sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether `text` repeats it.
    pub(super) fn is_repeated_in(&self, text: &[u8]) -> bool {
        let value = self.0.as_bytes();
        let start = value.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
        let shown = &value[start..];
        let decoded = STANDARD.decode(shown).ok().filter(|_| value.starts_with(b"Basic "));
        let decoded = decoded.unwrap_or_default();
        let colon = decoded.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
        [shown, &decoded[colon..]].into_iter().any(|secret| repeats(text, secret))
    }

    /// Takes a token of the form b64token (RFC 6750, section 2.1).
    pub(super) fn bearer(text: &str) -> Option<Self> {
        let symbol = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if text.is_empty() || !text.bytes().all(symbol) {
            return None;
        }
        Self::sensitive(&format!("Bearer {text}"))
    }

    /// A user and a password (RFC 7617).
    pub(super) fn basic(user: &str, password: &str) -> Option<Self> {
        Self::sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn sensitive(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// A token and for how long it is good.
pub(super) struct Grant {
    pub(super) token: Token,
    pub(super) lasts: Duration,
}

impl Grant {
    /// One whose life nobody told.
    pub(super) const fn untold(token: Token) -> Self {
        Self { token, lasts: Duration::from_secs(DEFAULT_SECONDS) }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    token: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    access_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(borrow, default)]
    issued_at: Option<std::borrow::Cow<'a, str>>,
}

/// For how long a password that was turned down is not shown to the same token server again. A
/// corrected one is another, and is shown at once.
const REFUSED: Duration = Duration::from_secs(60);
/// How long a token lasts whose server does not say (Docker's token specification).
const DEFAULT_SECONDS: u64 = 60;
/// The longest a token is kept, whatever its server says.
const LONGEST_SECONDS: u64 = 3_600;

/// Reads what a token server answered at `now`. `None` if there is no usable token in it.
pub(super) fn read_grant(body: &[u8], now: SystemTime) -> Option<Grant> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let text = answer.token.filter(|text| !text.is_empty()).or(answer.access_token)?;
    let seconds = answer.expires_in.unwrap_or(DEFAULT_SECONDS);
    let lasts = Duration::from_secs(seconds);
    // A token may come out of a cache and be old. An age beyond its life says more about the two
    // clocks than about the token.
    let issued = answer.issued_at.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
    let age = issued.and_then(|issued| now.duration_since(issued.into()).ok());
    let left = age.and_then(|age| lasts.checked_sub(age)).unwrap_or(lasts);
    let lasts = left.min(Duration::from_secs(LONGEST_SECONDS));
    Some(Grant { token: Token::bearer(&text)?, lasts })
}

/// For what a token is kept: trust server, GUN, and the credential it was given for.
pub(super) type Key = (String, String, Option<Identity>);

/// Held by whoever is asking for a token.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// Kept tokens; when they are too many, all are asked for anew.
#[derive(Default)]
pub(super) struct Tokens {
    kept: Mutex<BTreeMap<Key, (Token, Instant)>>,
    /// Passwords that a token server turned down, and until when it is not asked again.
    refused: Mutex<BTreeMap<(String, Identity), Instant>>,
    turns: Mutex<BTreeMap<(String, String), Turn>>,
}

impl Tokens {
    /// Takes note that the token server at `realm` turned a password down. Asking once more for
    /// each collection could lock an account.
    pub(super) fn refuse(&self, realm: &str, identity: Identity, now: Instant) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= limits::TOKENS {
            refused.retain(|_, until| now < *until);
        }
        // Beyond the bound it is just asked again.
        if refused.len() < limits::TOKENS {
            refused.insert((realm.to_owned(), identity), now + REFUSED);
        }
    }

    /// Whether the token server turned the password down a short while ago.
    pub(super) fn is_refused(&self, realm: &str, identity: &Identity, now: Instant) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&(realm.to_owned(), *identity)).is_some_and(|until| now < *until)
    }

    /// The kept token, if it is still good at `now`.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = kept.get(key)?;
        (now < *until).then(|| token.clone())
    }

    /// Keeps a token for nine tenths of its life, so that it does not expire on the way.
    pub(super) fn put(&self, key: Key, grant: &Grant, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= limits::TOKENS {
            kept.retain(|_, (_, until)| now < *until);
        }
        if kept.len() >= limits::TOKENS {
            kept.clear();
        }
        kept.insert(key, (grant.token.clone(), now + grant.lasts.mul_f64(0.9)));
    }

    /// Forgets a token the server did not take, unless there is another by now.
    pub(super) fn forget(&self, key: &Key, token: &Token) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get(key).is_some_and(|(kept, _)| kept == token) {
            kept.remove(key);
        }
    }

    /// Waits until nobody else is asking for a token for this collection, so that those who come
    /// later find the one that comes of it.
    pub(super) async fn turn(&self, server: &str, gun: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= limits::FETCHES_IN_FLIGHT {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry((server.to_owned(), gun.to_owned())).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(gun: &str) -> Key {
        ("https://n".to_owned(), gun.to_owned(), None)
    }

    fn grant(body: &[u8]) -> Option<Grant> {
        read_grant(body, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_it_expires() {
        let tokens = Tokens::default();
        let Some(grant) = grant(br#"{"token":"abc.def","expires_in":100}"#) else {
            unreachable!("a usable token")
        };
        let now = Instant::now();
        tokens.put(key("g"), &grant, now);
        assert!(tokens.get(&key("g"), now + Duration::from_secs(89)).is_some());
        assert!(tokens.get(&key("g"), now + Duration::from_secs(90)).is_none());
        assert!(tokens.get(&key("other"), now).is_none());
        let Some(other) = Token::bearer("other") else { unreachable!("a usable token") };
        tokens.forget(&key("g"), &other);
        assert!(tokens.get(&key("g"), now).is_some());
        tokens.forget(&key("g"), &grant.token);
        assert!(tokens.get(&key("g"), now).is_none());
    }

    #[test]
    fn a_token_header_is_sensitive_and_its_life_bounded() {
        for (body, seconds) in [
            (&br#"{"access_token":"abc","expires_in":99999999}"#[..], 3_600),
            (br#"{"token":"abc"}"#, 60),
            (br#"{"token":"abc","expires_in":300,"issued_at":"2001-09-09T01:46:30Z"}"#, 290),
            (br#"{"token":"abc","expires_in":300,"issued_at":"2001-09-09T01:47:30Z"}"#, 300),
            (br#"{"token":"abc","expires_in":300,"issued_at":"2001-09-08T01:46:30Z"}"#, 300),
            (br#"{"token":"abc","expires_in":300,"issued_at":"yesterday"}"#, 300),
        ] {
            let grant = grant(body);
            assert!(grant.is_some_and(|grant| {
                grant.token.header().is_sensitive() && grant.lasts == Duration::from_secs(seconds)
            }));
        }
        assert!(Token::basic("u", "p").is_some_and(|basic| basic.header().is_sensitive()));
    }

    #[test]
    fn a_text_that_repeats_a_secret_is_known_unless_the_secret_is_short() {
        let repeated = |token: Option<Token>, text: &str| {
            token.is_some_and(|token| token.is_repeated_in(text.as_bytes()))
        };
        let long = "0123456789abcdef";
        assert!(repeated(Token::bearer(long), &format!("{{\"a\":\"{long}\"}}")));
        assert!(repeated(Token::basic("u", long), long));
        assert!(repeated(Token::basic("u", long), &STANDARD.encode(format!("u:{long}"))));
        assert!(!repeated(Token::bearer(long), &long[1..]));
        assert!(!repeated(Token::bearer("snapshot"), "snapshot"));
        assert!(!repeated(Token::basic("u", "snapshot"), "snapshot"));
    }

    #[test]
    fn an_answer_without_a_usable_token_grants_nothing() {
        for body in
            [&b"{}"[..], b"[]", br#"{"token":""}"#, br#"{"token":"a b"}"#, b"{\"token\":\"a"]
        {
            assert!(grant(body).is_none());
        }
    }
}
