//! Places that clients hold: so many by address, and so many in all. Whoever could be anyone is
//! counted by where they come from, so that one of them leaves room for others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The places, and who holds them.
pub(super) struct Guests {
    held: Mutex<BTreeMap<IpAddr, usize>>,
    most: usize,
    most_each: usize,
}

/// A place; it is given back when this is dropped.
pub(super) struct Guest {
    address: IpAddr,
    guests: Arc<Guests>,
}

impl Guests {
    /// `most` places, of which one address may hold `most_each`.
    pub(super) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), most, most_each })
    }

    /// A place for `address`, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.values().sum::<usize>() >= self.most {
            return None;
        }
        let own = held.entry(address).or_default();
        if *own >= self.most_each {
            return None;
        }
        *own += 1;
        Some(Guest { address, guests: Arc::clone(self) })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut held = self.guests.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_all_together_have_no_more_than_there_is() {
        let guests = Guests::new(5, 2);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut held: Vec<Guest> = (0..4).filter_map(|_| guests.admit(address(1))).collect();
        assert_eq!(held.len(), 2);
        held.extend((2..9).filter_map(|last| guests.admit(address(last))));
        assert_eq!(held.len(), 5);
        held.remove(0);
        assert!(guests.admit(address(2)).is_some(), "and it is given back at once");
        held.extend(guests.admit(address(1)));
        assert!(guests.admit(address(9)).is_none());
        held.clear();
        assert!(guests.held.lock().is_ok_and(|held| held.is_empty()));
    }
}
