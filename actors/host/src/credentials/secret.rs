//! What proves who asks, and can neither be printed nor written down.

use std::hint::black_box;

use portreeve_protocol::Sha256;

/// A password or token. It has neither `Debug` nor `Serialize`, so that it cannot reach a log, a
/// journal or an error by accident, and its bytes are overwritten when it goes.
pub(crate) struct Secret(String);

impl Secret {
    /// Takes a text.
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one request it is meant for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Or the compiler might find that nobody reads them any more.
        black_box(&bytes);
    }
}

/// The shortest secret that is looked for in texts.
const SECRET_BYTES: usize = 16;

/// Whether `text` repeats `secret`. What is short is not looked for: it may well stand there by
/// chance.
pub(crate) fn repeats(text: &[u8], secret: &[u8]) -> bool {
    secret.len() >= SECRET_BYTES && text.windows(secret.len()).any(|part| part == secret)
}

/// How one registry wants to be convinced. Which of several kinds an entry is follows docker
/// (`cli/trust/trust.go:GetNotaryRepository`): a registry token before an identity token before a
/// password.
pub(crate) enum Credential {
    /// A refresh token: the token server changes it into a bearer token.
    IdentityToken(Secret),
    /// A user and a password.
    Password {
        /// The password.
        password: Secret,
        /// The user.
        user: String,
    },
    /// A bearer token as it is.
    RegistryToken(Secret),
}

impl Credential {
    /// Whether `text` repeats what is secret of it.
    pub(crate) fn is_repeated_in(&self, text: &[u8]) -> bool {
        let (Self::IdentityToken(secret)
        | Self::Password { password: secret, .. }
        | Self::RegistryToken(secret)) = self;
        repeats(text, secret.expose().as_bytes())
    }

    /// A name for this very credential that says nothing about it, for tables in memory only.
    pub(crate) fn identity(&self) -> Identity {
        let (kind, user, secret) = match self {
            Self::IdentityToken(secret) => ("identity", "", secret),
            Self::Password { password, user } => ("password", user.as_str(), password),
            Self::RegistryToken(secret) => ("registry", "", secret),
        };
        let parts = [kind, user, secret.expose()].map(|part| Sha256::of(part.as_bytes()));
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_bytes().to_vec()).collect();
        Identity(Sha256::of(&bytes))
    }
}

/// Equal for equal credentials. It is never shown: a digest of a password can be guessed from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity(Sha256);
