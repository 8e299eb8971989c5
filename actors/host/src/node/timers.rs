//! Timers of all actors of a node, in one place on the arbiter.
//!
//! A timer that was moved or disarmed while its message was on the way is not delivered: whoever is
//! about to deliver it must [`Timers::claim`] it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::notary::NotaryInput;
use portreeve_protocol::{ActorId, Cause, EventId, Input, Mono};
use tokio::sync::Notify;

use super::deliver::Deliver;
use super::links::Links;

/// All timers of a node.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    changed: Notify,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    armed: BTreeMap<(ActorId, TimerKey), (Armed, u64)>,
    due: BTreeMap<(Mono, u64), (ActorId, TimerKey)>,
    settings: u64,
}

/// A setting of a timer.
#[derive(Debug, Clone)]
pub(crate) struct Armed {
    pub(crate) at: Mono,
    pub(crate) cause: Cause,
    pub(crate) lamport: u64,
    pub(crate) root: EventId,
}

/// Says which setting of a timer a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    key: TimerKey,
    setting: u64,
}

impl Timers {
    /// Sets the timer, in place of an earlier setting.
    pub(crate) fn arm(&self, actor: &ActorId, key: TimerKey, armed: Armed) {
        let id = (actor.clone(), key);
        let mut table = self.table();
        table.forget(&id);
        table.settings += 1;
        let place = (armed.at, table.settings);
        let earliest = table.due.first_key_value().is_none_or(|(first, _)| place < *first);
        table.due.insert(place, id.clone());
        table.armed.insert(id, (armed, place.1));
        drop(table);
        if earliest {
            self.changed.notify_one();
        }
    }

    /// Forgets the timer.
    pub(crate) fn disarm(&self, actor: &ActorId, key: &TimerKey) {
        self.table().forget(&(actor.clone(), key.clone()));
    }

    /// Whether the setting is still the one in force; it is used up by this.
    pub(crate) fn claim(&self, actor: &ActorId, ticket: &Ticket) -> bool {
        let id = (actor.clone(), ticket.key.clone());
        let mut table = self.table();
        let valid = table.armed.get(&id).is_some_and(|(_, setting)| *setting == ticket.setting);
        if valid {
            table.armed.remove(&id);
        }
        valid
    }

    /// Sends out timers as they fall due, for ever.
    pub(crate) async fn run(links: Arc<Links>) {
        let timers = &links.timers;
        loop {
            let now = links.clock.mono();
            for (actor, deliver) in timers.take_due(now) {
                links.send_or_wait(&actor, deliver);
            }
            match timers.next() {
                None => timers.changed.notified().await,
                Some(at) => {
                    let pause = at.since(links.clock.mono()).saturating_add(1);
                    let _ = tokio::time::timeout(
                        Duration::from_micros(pause),
                        timers.changed.notified(),
                    )
                    .await;
                }
            }
        }
    }

    fn next(&self) -> Option<Mono> {
        self.table().due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The messages of all timers due at `now`. They stay in force until they are claimed.
    fn take_due(&self, now: Mono) -> Vec<(ActorId, Deliver)> {
        let mut table = self.table();
        let mut due = Vec::new();
        while let Some(entry) = table.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let id = entry.remove();
            if let Some((armed, setting)) = table.armed.get(&id) {
                due.push((id.0.clone(), message(&id.1, armed, *setting)));
            }
        }
        due
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget(&mut self, id: &(ActorId, TimerKey)) {
        if let Some((armed, setting)) = self.armed.remove(id) {
            self.due.remove(&(armed.at, setting));
        }
    }
}

fn message(key: &TimerKey, armed: &Armed, setting: u64) -> Deliver {
    let input = match key.clone() {
        TimerKey::Admission(timer) => Input::Admission(AdmissionInput::Timer(timer)),
        TimerKey::Notary(timer) => Input::Notary(NotaryInput::Timer(timer)),
    };
    Deliver {
        cause: armed.cause.clone(),
        input: Arc::new(input),
        lamport: armed.lamport,
        root: Some(armed.root.clone()),
        ticket: Some(Ticket { key: key.clone(), setting }),
        waiter: None,
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::Outside;
    use portreeve_protocol::messages::admission::AdmissionTimer;

    use super::*;

    fn key() -> (ActorId, TimerKey, EventId) {
        let event = EventId {
            node: "n".parse().unwrap_or_else(|_| unreachable!("a node name")),
            incarnation: 1,
            actor: ActorId::Admission,
            seq: 1,
        };
        let key = TimerKey::Admission(AdmissionTimer::Deadline(event.clone()));
        (ActorId::Admission, key, event)
    }

    fn armed(at: u64) -> Armed {
        let (_, _, root) = key();
        Armed { at: Mono(at), cause: Cause::Outside(Outside::Host), lamport: 1, root }
    }

    fn tickets(timers: &Timers, now: u64) -> Vec<Ticket> {
        let due = timers.take_due(Mono(now));
        due.into_iter().filter_map(|(_, deliver)| deliver.ticket).collect()
    }

    #[test]
    fn a_timer_is_due_at_its_time_and_not_before_and_once() {
        let (timers, (actor, key, _)) = (Timers::default(), key());
        timers.arm(&actor, key, armed(10));
        assert_eq!(tickets(&timers, 9), []);
        let due = tickets(&timers, 10);
        assert_eq!((due.len(), tickets(&timers, 11).len()), (1, 0));
        assert!(timers.claim(&actor, &due[0]) && !timers.claim(&actor, &due[0]));
    }

    #[test]
    fn a_timer_disarmed_or_moved_while_it_was_on_its_way_is_not_claimed() {
        let (timers, (actor, key, _)) = (Timers::default(), key());
        timers.arm(&actor, key.clone(), armed(10));
        let disarmed = tickets(&timers, 10);
        timers.disarm(&actor, &key);
        assert!(!timers.claim(&actor, &disarmed[0]));
        timers.arm(&actor, key.clone(), armed(10));
        let moved = tickets(&timers, 10);
        timers.arm(&actor, key, armed(20));
        assert!(!timers.claim(&actor, &moved[0]));
        let due = tickets(&timers, 20);
        assert!(timers.claim(&actor, &due[0]));
        assert_eq!(timers.next(), None);
    }
}
