//! How long a review may take.

use portreeve_protocol::limits;
use portreeve_protocol::time::SECOND;

use crate::config::duration;

/// The longest the API server waits for a webhook, in microseconds.
const LONGEST: u64 = 30 * SECOND;

/// The time for a decision in microseconds, from the query of the request's URL: what `timeout`
/// says (the API server's default where it says nothing usable), at most what the API server would
/// wait, less the margin that the answer needs to travel, but never less than half.
#[must_use]
pub fn budget(query: Option<&str>) -> u64 {
    let pairs = query.unwrap_or_default().split('&');
    let stated = pairs.filter_map(|pair| pair.strip_prefix("timeout=")).find_map(duration::parse);
    let patience = stated.filter(|time| *time > 0).unwrap_or(limits::DEFAULT_TIMEOUT).min(LONGEST);
    patience.saturating_sub(limits::DEADLINE_MARGIN).max(patience / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_taken_off_the_stated_timeout() {
        assert_eq!(budget(Some("timeout=10s")), 9 * SECOND);
        assert_eq!(budget(Some("a=b&timeout=2s500ms")), SECOND + SECOND / 2);
        assert_eq!(budget(Some("timeout=1s")), SECOND / 2);
    }

    #[test]
    fn no_usable_timeout_means_the_default_and_a_long_one_is_cut() {
        assert_eq!(budget(None), 9 * SECOND);
        assert_eq!(budget(Some("timeout=soon")), 9 * SECOND);
        assert_eq!(budget(Some("timeout=0s")), 9 * SECOND);
        assert_eq!(budget(Some("timeout=10h")), 29 * SECOND);
    }
}
