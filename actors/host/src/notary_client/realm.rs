//! Token servers: which one may be asked on behalf of a trust server, and what is said to it.
//!
//! Docker's token authentication (`distribution`, `docs/spec/auth/token.md` and `oauth.md`). The
//! scope is always that of the whole GUN, whatever the challenge says, for that is what is needed.

use std::time::{Instant, SystemTime};

use http::Uri;
use portreeve_protocol::limits;

use super::address::Reach;
use super::challenge::Bearer;
use super::exchange::{Question, Reply};
use super::server_url::ServerUrl;
use super::token::{self, Grant, Token};
use super::trouble::{NoToken, Party, Trouble};
use super::{Client, Failure, Server, encode, reach};
use crate::credentials::{Credential, Identity};

/// A token server that may be asked.
pub(super) struct Realm {
    /// Its URL with the query it came with, and an `&` or `?` at the end.
    base: String,
    reach: Reach,
    /// Service and scope, encoded for a query or a form.
    wanted: String,
}

impl Client {
    /// The token server of a challenge, if its host is the trust server's, the registry's, or one
    /// the operator allowed for that trust server, and TLS is not given up on the way.
    pub(super) fn realm(
        &self,
        server: &Server,
        gun: &str,
        challenge: &Bearer,
    ) -> Result<Realm, Trouble> {
        let (base, query) = match challenge.realm.split_once('?') {
            Some((base, query)) => (base, Some(query)),
            None => (challenge.realm.as_str(), None),
        };
        let url = ServerUrl::parse(base).map_err(|_| Trouble::Token(NoToken::Unusable))?;
        let known = url.host() == server.url.host()
            || url.host() == registry_host(gun)
            || self.allows(&server.url, &url);
        if !known {
            return Err(Trouble::Token(NoToken::Realm(url.authority().to_owned())));
        }
        if !url.secure() && (server.url.secure() || !server.approved) {
            return Err(Trouble::Token(NoToken::PlainRealm));
        }
        let reach = reach(&url, server.approved)?;
        let mut base = format!("{url}?");
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            base.extend([query, "&"]);
        }
        let mut wanted = String::new();
        if let Some(service) = &challenge.service {
            wanted.push_str("service=");
            encode(&mut wanted, service);
            wanted.push('&');
        }
        wanted.push_str("scope=");
        encode(&mut wanted, &format!("repository:{gun}:pull"));
        Ok(Realm { base, reach, wanted })
    }

    /// Whether the operator let this trust server's tokens come from there. A host named without a
    /// port stands for all its ports, on either side.
    fn allows(&self, server: &ServerUrl, realm: &ServerUrl) -> bool {
        [server.authority(), server.host()]
            .into_iter()
            .filter_map(|server| self.allow_realm.get(server))
            .any(|hosts| hosts.contains(realm.authority()) || hosts.contains(realm.host()))
    }

    /// Asks for a token without credentials.
    pub(super) async fn anonymous_token(&self, realm: &Realm) -> Result<Option<Grant>, Failure> {
        let uri = realm.uri(&realm.wanted)?;
        self.grant(realm, &uri, None, None).await
    }

    /// Asks for a token for a credential. `None` if the token server gives none for it.
    pub(super) async fn token_for(
        &self,
        realm: &Realm,
        credential: &Credential,
    ) -> Result<Option<Grant>, Failure> {
        match credential {
            Credential::RegistryToken(token) => {
                Ok(Token::bearer(token.expose()).map(Grant::untold))
            }
            Credential::IdentityToken(token) => {
                let mut form =
                    format!("grant_type=refresh_token&client_id=portreeve&{}", realm.wanted);
                form.push_str("&refresh_token=");
                encode(&mut form, token.expose());
                let uri = realm.uri("")?;
                self.grant(realm, &uri, None, Some(form)).await
            }
            Credential::Password { password, user } => {
                let Some(basic) = Token::basic(user, password.expose()) else { return Ok(None) };
                let identity = credential.identity();
                if self.tokens.is_refused(&realm.base, &identity, Instant::now()) {
                    return Ok(None);
                }
                let mut query = "account=".to_owned();
                encode(&mut query, user);
                let uri = realm.uri(&format!("{query}&{}", realm.wanted))?;
                self.grant(realm, &uri, Some((&basic, identity)), None).await
            }
        }
    }

    async fn grant(
        &self,
        realm: &Realm,
        uri: &Uri,
        authorization: Option<(&Token, Identity)>,
        form: Option<String>,
    ) -> Result<Option<Grant>, Failure> {
        let at_realm = |trouble| (Party::TokenServer, trouble);
        // RFC 6749, section 5.2: a refresh token that is not taken is a 400.
        let posted = form.is_some();
        let question = Question {
            authorization: authorization.as_ref().map(|(token, _)| token.header()),
            form,
            limit: limits::TOKEN_BYTES,
            reach: realm.reach,
            uri,
        };
        match self.exchange.ask(&question).await {
            Ok(Reply::Body(body)) => match token::read_grant(&body, SystemTime::now()) {
                Some(grant) => Ok(Some(grant)),
                None => Err(at_realm(Trouble::Token(NoToken::Unusable))),
            },
            Ok(Reply::Challenge(_)) => {
                // A 401 is about the password; a 403 may be about the collection alone.
                if let Some((_, identity)) = authorization {
                    self.tokens.refuse(&realm.base, identity, Instant::now());
                }
                Ok(None)
            }
            Ok(Reply::Absent) | Err(Trouble::Status(403, _)) => Ok(None),
            Err(Trouble::Status(400 | 405, _)) if posted => Ok(None),
            Err(trouble) => Err(at_realm(trouble)),
        }
    }
}

impl Realm {
    fn uri(&self, query: &str) -> Result<Uri, Failure> {
        let text = format!("{}{query}", self.base);
        let text = text.trim_end_matches(['?', '&']);
        text.parse().map_err(|_| (Party::TrustServer, Trouble::Token(NoToken::Unusable)))
    }
}

/// The host of the registry the collection is about, without its port.
fn registry_host(gun: &str) -> &str {
    let authority = gun.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::registry_host;

    #[test]
    fn the_registrys_host_is_the_guns_without_port() {
        for (gun, host) in [
            ("docker.io/library/nginx", "docker.io"),
            ("reg.example:5000/app", "reg.example"),
            ("[::1]:5000/app", "[::1]"),
            ("[::1]/app", "[::1]"),
        ] {
            assert_eq!(registry_host(gun), host);
        }
    }
}
