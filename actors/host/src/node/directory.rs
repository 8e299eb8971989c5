//! Which actor is where, and the messages that wait because a mailbox is full.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Recipient;
use actix::prelude::SendError;
use dashmap::DashMap;
use portreeve_protocol::{ActorId, limits};
use tokio::sync::Notify;

use super::deliver::{Deliver, Inspect};
use super::host::Fetcher;

/// The directory of a node.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    actors: DashMap<ActorId, Recipient<Deliver>>,
    backlog: Mutex<VecDeque<(ActorId, Deliver)>>,
    /// Trust server to the way to look into its fetcher.
    fetchers: DashMap<String, Recipient<Inspect>>,
    more: Notify,
    notaries: AtomicUsize,
    /// Requests sent to the verifiers that none of them has taken.
    verifying: AtomicUsize,
}

/// Why a message was not taken; it is given back.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// The actor ended: the node stops.
    Closed,
    /// Its mailbox is full.
    Full(Box<Deliver>),
    /// There is no such actor.
    Unknown(Box<Deliver>),
}

/// Time between two attempts to empty the backlog.
const RETRY: Duration = Duration::from_millis(2);

impl Directory {
    /// Enters an actor; the verifier pool is entered as member 0.
    pub(crate) fn enter(&self, actor: ActorId, recipient: Recipient<Deliver>) {
        if matches!(actor, ActorId::Notary(_)) {
            self.notaries.fetch_add(1, Ordering::Relaxed);
        }
        self.actors.insert(actor, recipient);
    }

    /// Enters a notary fetcher with all ways to it.
    pub(crate) fn enter_fetcher(&self, server: &str, fetcher: Fetcher) {
        let Fetcher { deliver, inspect } = fetcher;
        self.fetchers.insert(server.to_owned(), inspect);
        self.enter(ActorId::Notary(server.to_owned()), deliver);
    }

    /// The ways to look into the notary fetchers, in order of trust server.
    pub(crate) fn fetchers(&self) -> BTreeMap<String, Recipient<Inspect>> {
        self.fetchers.iter().map(|it| (it.key().clone(), it.value().clone())).collect()
    }

    /// Whether the actor is entered.
    pub(crate) fn knows(&self, actor: &ActorId) -> bool {
        self.actors.contains_key(actor)
    }

    /// Whether no further notary fetcher may be made.
    pub(crate) fn full(&self) -> bool {
        self.notaries.load(Ordering::Relaxed) >= limits::TRUST_SERVERS
    }

    /// Forgets all actors, so that nothing keeps them alive.
    pub(crate) fn clear(&self) {
        self.actors.clear();
        self.fetchers.clear();
        self.waiting().clear();
    }

    /// Sends at once or not at all.
    pub(crate) fn try_send(&self, to: &ActorId, deliver: Deliver) -> Result<(), NotTaken> {
        let pool = matches!(to, ActorId::Verify(_));
        let to = if pool { &ActorId::Verify(0) } else { to };
        let Some(recipient) = self.actors.get(to) else {
            return Err(NotTaken::Unknown(Box::new(deliver)));
        };
        // The queue of an actix pool has no bound of its own.
        if pool && self.verifying.fetch_add(1, Ordering::Relaxed) >= limits::VERIFICATIONS_WAITING {
            self.verification_taken();
            return Err(NotTaken::Full(Box::new(deliver)));
        }
        recipient.try_send(deliver).map_err(|error| {
            if pool {
                self.verification_taken();
            }
            match error {
                SendError::Full(deliver) => NotTaken::Full(Box::new(deliver)),
                SendError::Closed(_) => NotTaken::Closed,
            }
        })
    }

    /// A verifier took a request.
    pub(crate) fn verification_taken(&self) {
        self.verifying.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sends a message that must not be refused: it waits if it must, in order. It is given
    /// back as `Full` only if too many wait.
    pub(crate) fn send_or_wait(&self, to: &ActorId, deliver: Deliver) -> Result<(), NotTaken> {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            match self.try_send(to, deliver) {
                Err(NotTaken::Full(deliver)) => waiting.push_back((to.clone(), *deliver)),
                other => return other,
            }
        } else if waiting.len() >= limits::MAILBOX {
            return Err(NotTaken::Full(Box::new(deliver)));
        } else {
            waiting.push_back((to.clone(), deliver));
        }
        drop(waiting);
        self.more.notify_one();
        Ok(())
    }

    /// Empties the backlog as mailboxes become free, for ever.
    pub(crate) async fn run(&self) {
        loop {
            self.more.notified().await;
            while !self.advance() {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Sends what can be sent from the head of the backlog; whether it is empty now.
    fn advance(&self) -> bool {
        let mut waiting = self.waiting();
        while let Some((to, deliver)) = waiting.pop_front() {
            if let Err(NotTaken::Full(deliver)) = self.try_send(&to, deliver) {
                waiting.push_front((to, *deliver));
                return false;
            }
        }
        true
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(ActorId, Deliver)>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use actix::{Actor, Context, Handler, SyncArbiter, SyncContext, System};
    use portreeve_protocol::messages::policy::{PolicyInput, WatchLost};
    use portreeve_protocol::{Input, Outside};

    use super::*;

    /// Notes what it is told.
    struct Listener(Rc<RefCell<Vec<String>>>);

    impl Actor for Listener {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Listener {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
            if let Input::Policy(PolicyInput::WatchLost(lost)) = &*deliver.input {
                self.0.borrow_mut().push(lost.why.clone());
            }
        }
    }

    /// A pool of nobody: takes nothing.
    struct Nobody;

    impl Actor for Nobody {
        type Context = SyncContext<Self>;
    }

    impl Handler<Deliver> for Nobody {
        type Result = ();

        fn handle(&mut self, _: Deliver, _: &mut Self::Context) {}
    }

    fn numbered(number: usize) -> Deliver {
        let why = number.to_string();
        Deliver::outside(Outside::Objects, PolicyInput::WatchLost(WatchLost { why }))
    }

    #[test]
    fn what_must_not_be_refused_waits_in_order() {
        let heard = Rc::new(RefCell::new(Vec::new()));
        System::new().block_on(async {
            let directory = Rc::new(Directory::default());
            let mut context = Context::new();
            context.set_mailbox_capacity(4);
            let listener = context.run(Listener(Rc::clone(&heard)));
            directory.enter(ActorId::Policy, listener.recipient());
            let pump = Rc::clone(&directory);
            actix::spawn(async move { pump.run().await });
            for number in 0..1_000 {
                assert!(directory.send_or_wait(&ActorId::Policy, numbered(number)).is_ok());
            }
            assert!(matches!(
                directory.try_send(&ActorId::Policy, numbered(0)),
                Err(NotTaken::Full(_))
            ));
            while heard.borrow().len() < 1_000 {
                tokio::task::yield_now().await;
            }
        });
        let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        assert_eq!(*heard.borrow(), expected);
    }

    #[test]
    fn requests_that_no_verifier_takes_are_bounded() {
        System::new().block_on(async {
            let directory = Directory::default();
            directory.enter(ActorId::Verify(0), SyncArbiter::start(0, || Nobody).recipient());
            for number in 0..limits::VERIFICATIONS_WAITING {
                assert!(directory.try_send(&ActorId::Verify(0), numbered(number)).is_ok());
            }
            let refused = directory.try_send(&ActorId::Verify(3), numbered(0));
            assert!(matches!(refused, Err(NotTaken::Full(_))));
            directory.verification_taken();
            assert!(directory.try_send(&ActorId::Verify(0), numbered(0)).is_ok());
        });
    }

    #[test]
    fn a_message_to_nobody_is_given_back() {
        let refused = Directory::default().try_send(&ActorId::Policy, numbered(0));
        assert!(matches!(refused, Err(NotTaken::Unknown(_))));
    }
}
