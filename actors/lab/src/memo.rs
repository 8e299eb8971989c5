//! What was made before. Keys that sign the same bytes each time give the same signature, and a
//! simulator makes the same collections for thousands of runs: so each is made once a thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use portreeve_protocol::Sha256;

/// Things remembered at most; then all are forgotten and made again.
const MOST: usize = 1 << 16;

thread_local! {
    static MADE: RefCell<BTreeMap<Sha256, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

/// What `make` makes of `from`, which must be all that it hangs on.
pub(crate) fn once<E>(
    from: &[&[u8]],
    make: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let mut key = Vec::with_capacity(from.iter().map(|part| part.len() + 8).sum());
    for part in from {
        key.extend((part.len() as u64).to_be_bytes());
        key.extend(*part);
    }
    let key = Sha256::of(&key);
    if let Some(made) = MADE.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(made);
    }
    let made = make()?;
    MADE.with_borrow_mut(|all| {
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, made.clone());
    });
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_not_made_again_and_what_differs_is() {
        let make = |from: &[&[u8]]| once::<()>(from, || Ok(from.concat()));
        assert_eq!(make(&[b"a", b"bc"]), Ok(b"abc".to_vec()));
        assert_eq!(once::<()>(&[b"a", b"bc"], || Err(())), Ok(b"abc".to_vec()));
        assert_eq!(once::<()>(&[b"ab", b"c"], || Err(())), Err(()), "other parts");
    }
}
