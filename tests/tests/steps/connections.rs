//! The bounds of a connection in time, held by the host in a time that is virtual.

use std::time::Duration;

use portreeve_simulations::scripted;
use portreeve_tests::steps::{Idler, lasting};

use super::in_virtual_time;

/// What may pass besides the bound itself.
const MARGIN: Duration = Duration::from_secs(1);
/// Room for all that is said to a client before it asked for anything.
const WIDE: usize = 64 << 10;
/// Less than any answer takes.
const NARROW: usize = 256;
/// The first bytes of HTTP/2: the preface and settings without any (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[track_caller]
fn ends_after(seconds: u64, idler: Idler<'_>) {
    let lasted = in_virtual_time(lasting(&scripted(), idler)).expect("it is served");
    let bound = Duration::from_secs(seconds);
    assert!(lasted >= bound && lasted < bound + MARGIN, "it lasted {lasted:?}");
}

fn http1(room: usize, says: &[u8]) -> Idler<'_> {
    Idler { protocol: b"http/1.1", room, says }
}

fn http2(room: usize, says: &[u8]) -> Idler<'_> {
    Idler { protocol: b"h2", room, says }
}

#[test]
fn who_says_nothing_after_the_handshake_is_let_go_after_five_minutes() {
    ends_after(300, http1(WIDE, b""));
    ends_after(300, http2(WIDE, b""));
}

#[test]
fn who_says_half_a_head_is_let_go_after_five_minutes() {
    ends_after(300, http1(WIDE, b"GET /livez HTTP/1.1\r\nHost: loc"));
    ends_after(300, http2(WIDE, &PREFACE[..20]));
}

#[test]
fn who_answers_no_ping_of_http2_is_let_go_twenty_seconds_after_the_first_minute() {
    ends_after(80, http2(WIDE, PREFACE));
}

#[test]
fn who_takes_nothing_that_is_sent_to_them_is_let_go_after_a_minute() {
    ends_after(60, http1(NARROW, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    ends_after(60, http2(NARROW, PREFACE));
}
