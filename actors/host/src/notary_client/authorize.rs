//! A document and whatever it takes to be given it.
//!
//! First it is asked for with what was accepted last, or with nothing. If that is not enough, each
//! credential for the image is tried in the kubelet's order (`kuberuntime_image.go:PullImage`):
//! when the token server or the trust server turns one down, the next follows. Only where there is
//! none for the image is it asked for as anybody.

use std::time::Instant;

use http::Uri;
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, CredentialRef};

use super::challenge::Challenge;
use super::exchange::{Question, Reply};
use super::realm::Realm;
use super::token::{Grant, Key, Token};
use super::trouble::{NoToken, Party, Refusal, Trouble};
use super::{Client, Failure, Server, document_uri};
use crate::credentials::{Candidate, Credential, Matching, Unread};

/// One document to be fetched.
struct Call<'a> {
    candidates: Vec<Candidate>,
    request: &'a FetchRequest,
    server: Server,
    /// What of the credentials named could not be read.
    unread: Vec<Unread>,
    uri: Uri,
}

/// What came of asking the trust server.
enum Got {
    Answer(FetchOutcome),
    /// 401, or 403 for what was shown.
    Denied(Option<Challenge>),
}

/// A document, or its absence, and who was let in.
type Settled = (FetchOutcome, Option<CredentialRef>);

/// How the trust server wants to be convinced.
enum Way {
    Password,
    Token(Realm),
}

impl Client {
    /// Fetches the document of a request.
    pub(super) async fn document(&self, request: &FetchRequest) -> Result<Settled, Failure> {
        let at_server = |trouble| (Party::TrustServer, trouble);
        let server = self.server(&request.server).map_err(at_server)?;
        let uri = document_uri(&server.url, request).map_err(at_server)?;
        let matching = self.credentials.matching(&request.credentials, &request.gun).await;
        let Matching { candidates, unread } = matching;
        let call = Call { candidates, request, server, unread, uri };
        if let Some(settled) = self.with_kept(&call).await? {
            return Ok(settled);
        }
        let challenge = match self.ask(&call, None).await? {
            Got::Answer(outcome) => return Ok((outcome, None)),
            Got::Denied(challenge) => challenge,
        };
        let way = match challenge {
            None => return Err(at_server(Trouble::Token(NoToken::Challenge))),
            Some(Challenge::Basic) => Way::Password,
            Some(Challenge::Bearer(bearer)) => {
                let realm = self.realm(&call.server, &request.gun, &bearer);
                Way::Token(realm.map_err(at_server)?)
            }
        };
        let _turn = self.tokens.turn(&request.server, &request.gun).await;
        // Whoever had the turn before may have found what is needed.
        if let Some(settled) = self.with_kept(&call).await? {
            return Ok(settled);
        }
        if call.candidates.is_empty() {
            self.as_anybody(&call, &way).await
        } else {
            self.with_each(&call, &way).await
        }
    }

    /// Asks with what was accepted before, if there is such a thing and it still is.
    async fn with_kept(&self, call: &Call<'_>) -> Result<Option<Settled>, Failure> {
        let mut places: Vec<_> = call.candidates.iter().map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            let key = call.key(place);
            let Some(token) = self.tokens.get(&key, Instant::now()) else { continue };
            match self.ask(call, Some(&token)).await? {
                Got::Answer(outcome) => {
                    return Ok(Some((outcome, place.map(|candidate| candidate.from.clone()))));
                }
                Got::Denied(_) => self.tokens.forget(&key, &token),
            }
        }
        Ok(None)
    }

    /// Tries each credential in turn.
    async fn with_each(&self, call: &Call<'_>, way: &Way) -> Result<Settled, Failure> {
        let mut tried: Vec<(CredentialRef, Refusal)> = Vec::new();
        for candidate in &call.candidates {
            let refusal = match self.show(call, way, &candidate.credential).await? {
                Err(refusal) => refusal,
                Ok(grant) => match self.ask(call, Some(&grant.token)).await? {
                    Got::Answer(outcome) => {
                        self.tokens.put(call.key(Some(candidate)), &grant, Instant::now());
                        return Ok((outcome, Some(candidate.from.clone())));
                    }
                    Got::Denied(_) => Refusal::TrustServer,
                },
            };
            if !tried.contains(&(candidate.from.clone(), refusal)) {
                tried.push((candidate.from.clone(), refusal));
            }
        }
        self.credentials.doubt(&call.request.credentials);
        let unread = call.unread.clone();
        Err((Party::TrustServer, Trouble::Token(NoToken::Tried { tried, unread })))
    }

    /// What is to be shown to the trust server for a credential.
    async fn show(
        &self,
        call: &Call<'_>,
        way: &Way,
        credential: &Credential,
    ) -> Result<Result<Grant, Refusal>, Failure> {
        match (way, credential) {
            (Way::Token(realm), credential) => {
                let grant = self.token_for(realm, credential).await?;
                Ok(grant.ok_or(Refusal::TokenServer))
            }
            (Way::Password, Credential::Password { .. }) if !call.server.url.secure() => {
                Ok(Err(Refusal::Insecure))
            }
            (Way::Password, Credential::Password { password, user }) => {
                let basic = Token::basic(user, password.expose());
                Ok(basic.map(Grant::untold).ok_or(Refusal::TrustServer))
            }
            (Way::Password, Credential::IdentityToken(_) | Credential::RegistryToken(_)) => {
                Ok(Err(Refusal::Kind))
            }
        }
    }

    /// Tries what is given to anybody.
    async fn as_anybody(&self, call: &Call<'_>, way: &Way) -> Result<Settled, Failure> {
        let named = &call.request.credentials;
        let failed = |why: NoToken| {
            let (names, unread) = (named.clone(), call.unread.clone());
            let why = if named.is_empty() { why } else { NoToken::Unmatched { names, unread } };
            Err((Party::TrustServer, Trouble::Token(why)))
        };
        let Way::Token(realm) = way else { return failed(NoToken::Password) };
        let Some(grant) = self.anonymous_token(realm).await? else {
            return failed(NoToken::Denied);
        };
        match self.ask(call, Some(&grant.token)).await? {
            Got::Answer(outcome) => {
                self.tokens.put(call.key(None), &grant, Instant::now());
                Ok((outcome, None))
            }
            Got::Denied(_) => failed(NoToken::NotTaken),
        }
    }

    /// Asks the trust server once.
    async fn ask(&self, call: &Call<'_>, token: Option<&Token>) -> Result<Got, Failure> {
        let question = Question {
            authorization: token.map(Token::header),
            form: None,
            limit: call.request.limit,
            reach: call.server.reach,
            uri: &call.uri,
        };
        match self.exchange.ask(&question).await {
            Ok(Reply::Absent) => Ok(Got::Answer(FetchOutcome::Absent)),
            // Documents are kept in the journal, and what was shown must not be.
            Ok(Reply::Body(bytes)) if call.repeats(token, &bytes) => {
                Err((Party::TrustServer, Trouble::Repeated))
            }
            Ok(Reply::Body(bytes)) => Ok(Got::Answer(FetchOutcome::Document(Blob::new(bytes)))),
            Ok(Reply::Challenge(challenge)) => Ok(Got::Denied(challenge)),
            Err(Trouble::Status(403, _)) if token.is_some() => Ok(Got::Denied(None)),
            Err(trouble) => Err((Party::TrustServer, trouble)),
        }
    }
}

impl Call<'_> {
    /// Whether a document repeats what it was asked for with, or what that was had for.
    fn repeats(&self, token: Option<&Token>, text: &[u8]) -> bool {
        token.is_some_and(|token| {
            let mut credentials = self.candidates.iter().map(|candidate| &candidate.credential);
            token.is_repeated_in(text) || credentials.any(|it| it.is_repeated_in(text))
        })
    }

    /// Under what a token for this candidate, or for anybody, is kept.
    fn key(&self, candidate: Option<&Candidate>) -> Key {
        let identity = candidate.map(|candidate| candidate.credential.identity());
        (self.request.server.clone(), self.request.gun.clone(), identity)
    }
}
