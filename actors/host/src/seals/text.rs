//! The text of a seal: `v1.<key id>.<claims>.<code>`.
//!
//! Claims are canonical JSON, and both they and the code are base64 for URLs without padding, so
//! that the text needs no quoting anywhere. The code is HMAC-SHA-256 over all that stands before
//! its dot, so nothing is parsed that was not authenticated.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portreeve_protocol::seal::{SealClaims, SealFault};
use portreeve_protocol::{codec, limits};

use super::keys::{KeyId, SealKeys};

const VERSION: &str = "v1";
/// What is authenticated in front of a seal, so that the code is one of nothing else.
const CONTEXT: &[u8] = b"portreeve seal\n";

/// A genuine seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// What it says.
    pub claims: SealClaims,
    /// The key it was made with.
    pub key: KeyId,
}

/// Reads a seal.
///
/// # Errors
/// Why it is none.
pub fn read(keys: &SealKeys, text: &str) -> Result<Seal, SealFault> {
    if keys.is_empty() {
        return Err(SealFault::NoKey);
    }
    if text.len() > limits::SEAL_BYTES {
        return Err(SealFault::Malformed);
    }
    let (signed, code) = text.rsplit_once('.').ok_or(SealFault::Malformed)?;
    let mut parts = signed.split('.');
    let (Some(VERSION), Some(id), Some(claims), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SealFault::Malformed);
    };
    let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| SealFault::Malformed)?;
    let key = keys.find(id).ok_or(SealFault::UnknownKey)?;
    let message = [CONTEXT, signed.as_bytes()].concat();
    hmac::verify(key, &message, &code).map_err(|_| SealFault::NotGenuine)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| SealFault::Malformed)?;
    let claims: SealClaims = serde_json::from_slice(&claims).map_err(|_| SealFault::Malformed)?;
    if claims.generations.len() > limits::SEAL_GENERATIONS {
        return Err(SealFault::Malformed);
    }
    Ok(Seal { claims, key: KeyId::named(id) })
}

/// Writes a seal with the current key; equal claims give equal text.
pub(super) fn write(keys: &SealKeys, claims: &SealClaims) -> Option<String> {
    sign(keys, &codec::canonical(claims).ok()?)
}

/// As [`write`], of claims that are canonical JSON already.
pub(super) fn sign(keys: &SealKeys, claims: &[u8]) -> Option<String> {
    let (id, key) = keys.signing()?;
    let mut text = String::with_capacity(claims.len() / 3 * 4 + 128);
    for part in [VERSION, ".", id.as_str(), "."] {
        text.push_str(part);
    }
    base64_simd::URL_SAFE_NO_PAD.encode_append(claims, &mut text);
    let mut signing = hmac::Context::with_key(key);
    signing.update(CONTEXT);
    signing.update(text.as_bytes());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signing.sign(), &mut text);
    (text.len() <= limits::SEAL_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    type Outcome = Result<(), String>;

    fn keys(of: &[u8]) -> Result<SealKeys, String> {
        let lines: Vec<String> = of.iter().map(|byte| STANDARD.encode([*byte; 32])).collect();
        SealKeys::parse(&lines.join("\n"))
    }

    fn claims() -> SealClaims {
        SealClaims {
            generations: Vec::new(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    #[test]
    fn a_seal_is_read_with_any_of_the_keys_and_made_with_the_first() -> Outcome {
        let old = write(&keys(&[1])?, &claims()).ok_or("a seal")?;
        let both = keys(&[2, 1])?;
        let seal = read(&both, &old).map_err(|fault| fault.name())?;
        assert_eq!(seal.claims, claims());
        assert_eq!(Some(&seal.key), keys(&[1])?.current());
        let new = write(&both, &claims()).ok_or("a seal")?;
        assert_eq!(read(&keys(&[1])?, &new), Err(SealFault::UnknownKey));
        assert_eq!(write(&both, &claims()), Some(new));
        Ok(())
    }

    #[test]
    fn an_edited_seal_is_not_genuine_whatever_was_edited() -> Outcome {
        let keys = keys(&[1])?;
        let text = write(&keys, &claims()).ok_or("a seal")?;
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            assert!(read(&keys, &edited).is_err(), "{edited}");
        }
        Ok(())
    }

    #[test]
    fn what_is_not_laid_out_as_a_seal_is_malformed_and_without_keys_nothing_is_checked() -> Outcome
    {
        let keys = keys(&[1])?;
        for text in ["", "v1", "v1..", "v2.a.b.c", "v1.a.b.c.d", "v1.a.b.*", &"x".repeat(20_000)] {
            assert_eq!(read(&keys, text), Err(SealFault::Malformed), "{text}");
        }
        assert_eq!(read(&SealKeys::default(), "v1.a.b.c"), Err(SealFault::NoKey));
        assert_eq!(write(&SealKeys::default(), &claims()), None);
        Ok(())
    }
}
