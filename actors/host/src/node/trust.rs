//! What a running node trusts, shown to its operator and forgotten on their word.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::messages::admission::{AcknowledgeClock, AdmissionInput, RevokeSeal};
use portreeve_protocol::messages::notary::{Forget, NotaryInput};
use portreeve_protocol::{ActorId, Outside, limits};
use tokio::sync::oneshot;

use super::Node;
use super::deliver::{Deliver, Inspect};
use crate::HostError;

impl Node {
    /// What is trusted, in order of server and GUN.
    ///
    /// # Errors
    /// `Silent` if a fetcher has no time to tell, or the node has stopped.
    pub async fn trusted(&self) -> Result<Vec<TrustedCollection>, HostError> {
        let links = &self.inner.links;
        let fetchers = links.directory.fetchers();
        let asked: BTreeSet<&String> = fetchers.keys().collect();
        // A trust server that nobody asked about yet has no fetcher, but what was restored.
        let rest = links.started.restored.trust.iter().filter(|it| !asked.contains(&it.server));
        let mut trust: Vec<TrustedCollection> = rest.cloned().collect();
        for (server, fetcher) in &fetchers {
            trust.extend(inspect(server, fetcher).await?);
        }
        trust.sort_by(|one, other| (&one.server, &one.gun).cmp(&(&other.server, &other.gun)));
        Ok(trust)
    }

    /// Ends an entry of seals, as a recorded event.
    pub fn revoke_seal(&self, revoke: RevokeSeal) {
        let deliver = Deliver::outside(Outside::Operator, AdmissionInput::RevokeSeal(revoke));
        self.inner.links.send_or_wait(&ActorId::Admission, deliver);
    }

    /// Believes the wall clock as it is now, as a recorded event.
    pub fn acknowledge_clock(&self, reason: String) {
        let input = AdmissionInput::AcknowledgeClock(AcknowledgeClock { reason });
        let deliver = Deliver::outside(Outside::Operator, input);
        self.inner.links.send_or_wait(&ActorId::Admission, deliver);
    }

    /// Forgets what is trusted of a collection, as a recorded event. `false` if nothing was known.
    ///
    /// # Errors
    /// `Silent` if the fetcher has no time for it, or the node has stopped; `TooManyServers`.
    pub async fn forget(&self, server: &str, gun: &str, reason: &str) -> Result<bool, HostError> {
        let known = |trust: Vec<TrustedCollection>| {
            trust.iter().any(|it| it.server == server && it.gun == gun)
        };
        if !known(self.trusted().await?) {
            return Ok(false);
        }
        let forget = Forget { gun: gun.to_owned(), reason: reason.to_owned() };
        let deliver = Deliver::outside(Outside::Operator, NotaryInput::Forget(forget));
        let (made, making) = oneshot::channel();
        let (links, of) = (Arc::clone(&self.inner.links), server.to_owned());
        let silent = || HostError::Silent { server: server.to_owned() };
        // Fetchers are made on the arbiter only.
        let asked = self.inner.arbiter().ok_or_else(silent)?.spawn_fn(move || {
            let has = links.has_fetcher(&of);
            if has {
                links.send_or_wait(&ActorId::Notary(of), deliver);
            }
            // Whoever asked may have gone away.
            let _ = made.send(has);
        });
        match (asked, making.await) {
            (true, Ok(true)) => {}
            (true, Ok(false)) => return Err(HostError::TooManyServers),
            _ => return Err(silent()),
        }
        // The fetcher takes messages in order, so that this one comes behind the one above.
        if known(self.trusted().await?) { Err(silent()) } else { Ok(true) }
    }
}

async fn inspect(
    server: &str,
    fetcher: &Recipient<Inspect>,
) -> Result<Vec<TrustedCollection>, HostError> {
    let silent = || HostError::Silent { server: server.to_owned() };
    let (reply, told) = oneshot::channel();
    fetcher.try_send(Inspect(reply)).map_err(|_| silent())?;
    let patience = Duration::from_micros(limits::CONTROL_TIMEOUT / 2);
    match tokio::time::timeout(patience, told).await {
        Ok(Ok(trust)) => Ok(trust),
        Ok(Err(_)) | Err(_) => Err(silent()),
    }
}
