//! How many file descriptors this process may have.

use portreeve_protocol::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slog::{Logger, warn};

/// What is open besides the connections of the two listeners: files, watches, trust servers.
const BESIDES: u64 = 1_024;
/// What a node may come to need. Where it gets less, it runs out of descriptors before it runs out
/// of places for connections, and then cannot ask trust servers either.
const WANTED: u64 = 2 * limits::CONNECTIONS as u64 + BESIDES;

/// Raises the limit to what may be needed, as far as the system lets this process.
pub(crate) fn raise(log: &Logger) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let attainable = maximum.map_or(WANTED, |most| most.min(WANTED));
    if current.is_none_or(|current| current >= WANTED) {
        return;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(attainable), maximum });
    let got = if raised.is_ok() { attainable } else { current.unwrap_or_default() };
    if got < WANTED {
        warn!(log, "there may be fewer file descriptors than a busy node needs; raise the limit";
            "limit" => got, "wanted" => WANTED);
    }
}

#[cfg(test)]
mod tests {
    use slog::{Discard, o};

    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be_and_never_lowered() {
        let before = getrlimit(Resource::Nofile);
        raise(&Logger::root(Discard, o!()));
        let after = getrlimit(Resource::Nofile);
        let least = before.maximum.map_or(WANTED, |most| most.min(WANTED));
        assert!(after.current.is_none_or(|current| current >= least), "{after:?}");
        assert!(after.current.is_none_or(|now| before.current.is_some_and(|then| now >= then)));
        assert_eq!(after.maximum, before.maximum);
    }
}
