//! The real host in one thread whose time is virtual: what it decides, and whom it bears how long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod connections;

use actix::System;
use tokio::runtime::Builder;

/// Has `work` done in an actix system on one thread. Time stands still while anybody has anything
/// to do, and then goes on to the next timer.
fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let system = System::with_tokio_rt(|| {
        let builder = &mut Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime starts")
    });
    system.block_on(work)
}
