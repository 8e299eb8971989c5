//! Durations as Go writes them, which is how the API server and Kubernetes manifests write them.

use crate::time::SECOND;

/// Reads a Go duration such as `10s`, `1m30s`, `1.5h` or `500ms` into microseconds (Go's
/// `time.ParseDuration`, without signs). `None` if it is not one or does not fit.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total = total.checked_add(scaled(number, nanos_of(unit)?)?)?;
        rest = tail;
    }
    if text.is_empty() { None } else { Some(total) }
}

/// Nanoseconds in one of a unit.
fn nanos_of(unit: &str) -> Option<u128> {
    let micro: u128 = 1_000;
    let second = u128::from(SECOND) * micro;
    match unit {
        "ns" => Some(1),
        "us" | "µs" | "μs" => Some(micro),
        "ms" => Some(1_000 * micro),
        "s" => Some(second),
        "m" => Some(60 * second),
        "h" => Some(3_600 * second),
        _ => None,
    }
}

/// A decimal number of units in whole microseconds, rounded down.
fn scaled(number: &str, nanos: u128) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 20 {
        return None;
    }
    let mut amount = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()? * nanos };
    let mut part = nanos;
    for digit in fraction.bytes() {
        part /= 10;
        amount += u128::from(digit - b'0') * part;
    }
    u64::try_from(amount / 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_in_microseconds() {
        for (text, micros) in [
            ("10s", 10_000_000),
            ("1m30s", 90_000_000),
            ("500ms", 500_000),
            ("1.5s", 1_500_000),
            ("1h", 3_600_000_000),
            ("250us", 250),
            ("1500ns", 1),
            (".5s", 500_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_none() {
        for text in
            ["", "10", "s", "1..5s", "-1s", "+1s", "1d", "10s ", " 10s", "99999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
