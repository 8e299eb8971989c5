//! The keys that seals are made and checked with.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::Sha256;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Keys in one file.
const KEYS: usize = 16;
/// What is hashed in front of a key for its id, so that the id is a hash of nothing else.
const ID_CONTEXT: &[u8] = b"portreeve seal key id\n";

/// The name of a key: sixteen hexadecimal digits that tell nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The id as it stands in a seal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that a seal names, which may be that of no known key.
    pub(super) fn named(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The keys at hand: the first makes seals, all of them check. It has no `Debug`, for what it is.
#[derive(Default)]
pub struct SealKeys {
    keys: Vec<(KeyId, hmac::Key)>,
}

impl SealKeys {
    /// Reads the text of a key file: one key a line, in standard base64, the current one first.
    /// Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// A sentence that says which line is wrong, and never shows it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<(KeyId, hmac::Key)> = Vec::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = STANDARD.decode(line).ok().filter(|bytes| bytes.len() == KEY_BYTES);
            let bytes = bytes
                .ok_or_else(|| format!("line {} is not {KEY_BYTES} bytes in base64", number + 1))?;
            let id = Self::id(&bytes);
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(format!("line {} is a key that stands above already", number + 1));
            }
            if keys.len() == KEYS {
                return Err(format!("it holds more than {KEYS} keys"));
            }
            keys.push((id, hmac::Key::new(hmac::HMAC_SHA256, &bytes)));
        }
        if keys.is_empty() {
            return Err("it holds no key".to_owned());
        }
        Ok(Self { keys })
    }

    /// The id of a key.
    pub(super) fn id(key: &[u8]) -> KeyId {
        let hash = Sha256::of(&[ID_CONTEXT, key].concat()).to_hex();
        KeyId(hash.get(..16).unwrap_or(&hash).to_owned())
    }

    /// The ids, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|(id, _)| id)
    }

    /// The key that makes seals.
    #[must_use]
    pub fn current(&self) -> Option<&KeyId> {
        self.ids().next()
    }

    pub(super) fn signing(&self) -> Option<(&KeyId, &hmac::Key)> {
        self.keys.first().map(|(id, key)| (id, key))
    }

    pub(super) fn find(&self, id: &str) -> Option<&hmac::Key> {
        self.keys.iter().find(|(known, _)| known.as_str() == id).map(|(_, key)| key)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
