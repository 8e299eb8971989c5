//! What was read of pull secrets lately, bounded in number and age.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{CredentialRef, Mono, limits};

use crate::credentials::Keyring;

/// What there is under a name.
#[derive(Clone)]
pub(super) enum Found {
    /// A service account with the Secrets it lists.
    Account(Arc<[CredentialRef]>),
    /// A Secret with its entries.
    Keyring(Arc<Keyring>),
    /// Nothing that could be read.
    Unread {
        /// Whether the API server said so; else it could not be asked.
        settled: bool,
        /// Why, as words that may follow its name and a colon.
        why: String,
    },
}

impl Found {
    /// For how long it serves, in microseconds.
    const fn lasts(&self) -> u64 {
        match self {
            Self::Account(_) | Self::Keyring(_) => limits::PULL_FRESH,
            Self::Unread { settled: true, .. } => limits::PULL_ABSENT,
            Self::Unread { settled: false, .. } => limits::PULL_TROUBLE,
        }
    }
}

/// What is kept, with the time of the question that it answers. A value that is dropped here is
/// overwritten once nobody uses it any more.
#[derive(Default)]
pub(super) struct Kept {
    entries: BTreeMap<CredentialRef, (Found, Mono)>,
}

/// How old an entry must be to be doubted, in microseconds: a workload that is refused over and
/// over does not have everything read anew each time.
const SETTLED: u64 = 1_000_000;

impl Kept {
    /// What is kept of `name` and not too old.
    pub(super) fn get(&self, name: &CredentialRef, now: Mono) -> Option<Found> {
        let (found, asked) = self.entries.get(name)?;
        (now.since(*asked) < found.lasts()).then(|| found.clone())
    }

    /// Keeps the answer to a question of this time. If there is no room, the answer to the oldest
    /// question goes.
    pub(super) fn put(&mut self, name: CredentialRef, found: Found, asked: Mono) {
        if self.entries.len() >= limits::PULL_OBJECTS && !self.entries.contains_key(&name) {
            self.sweep(asked);
        }
        if self.entries.len() >= limits::PULL_OBJECTS && !self.entries.contains_key(&name) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, asked))| *asked);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(name, (found, asked));
    }

    /// Forgets what is under `name`, with all that a service account lists.
    pub(super) fn doubt(&mut self, name: &CredentialRef, now: Mono) {
        let Some((found, asked)) = self.entries.get(name) else { return };
        let listed: Vec<_> = match found {
            Found::Account(listed) => listed.to_vec(),
            Found::Keyring(_) | Found::Unread { .. } => Vec::new(),
        };
        if now.since(*asked) >= SETTLED {
            self.entries.remove(name);
        }
        listed.iter().for_each(|secret| self.doubt(secret, now));
    }

    /// Drops what is too old.
    pub(super) fn sweep(&mut self, now: Mono) {
        self.entries.retain(|_, (found, asked)| now.since(*asked) < found.lasts());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn name(number: usize) -> CredentialRef {
        CredentialRef::PullSecret { name: format!("s{number}"), namespace: "shop".to_owned() }
    }

    fn account(listed: &[CredentialRef]) -> Found {
        Found::Account(listed.into())
    }

    fn unread(settled: bool) -> Found {
        Found::Unread { settled, why: String::new() }
    }

    #[test]
    fn what_was_read_serves_longer_than_what_was_not_there_and_trouble_the_shortest() {
        for (found, seconds) in [(account(&[]), 10), (unread(true), 3), (unread(false), 1)] {
            let mut kept = Kept::default();
            kept.put(name(0), found, Mono(5 * SECOND));
            assert!(kept.get(&name(0), Mono((5 + seconds) * SECOND - 1)).is_some());
            assert!(kept.get(&name(0), Mono((5 + seconds) * SECOND)).is_none());
            kept.sweep(Mono((5 + seconds) * SECOND));
            assert!(kept.entries.is_empty());
        }
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_the_oldest_goes_first() {
        let mut kept = Kept::default();
        for number in 0..limits::PULL_OBJECTS + 10 {
            kept.put(name(number), account(&[]), Mono(number as u64));
        }
        assert_eq!(kept.entries.len(), limits::PULL_OBJECTS);
        let now = Mono(limits::PULL_OBJECTS as u64 + 10);
        assert!(kept.get(&name(9), now).is_none() && kept.get(&name(10), now).is_some());
    }

    #[test]
    fn what_is_doubted_is_read_anew_with_all_that_an_account_lists_but_not_at_once() {
        let mut kept = Kept::default();
        let account_name = CredentialRef::ServiceAccount {
            name: "default".to_owned(),
            namespace: "shop".to_owned(),
        };
        kept.put(account_name.clone(), account(&[name(1)]), Mono(0));
        kept.put(name(1), unread(true), Mono(0));
        kept.put(name(2), unread(true), Mono(0));
        kept.doubt(&account_name, Mono(SECOND - 1));
        assert_eq!(kept.entries.len(), 3);
        kept.doubt(&account_name, Mono(SECOND));
        assert_eq!(kept.entries.keys().collect::<Vec<_>>(), [&name(2)]);
    }
}
