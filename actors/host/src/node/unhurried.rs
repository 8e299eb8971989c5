//! Threads that wait until whoever runs has nothing more to do.
//!
//! The machines' thread and the journal's are woken for every review. Where there is one processor
//! for all, a thread that is woken takes it from the one that woke it, in the middle of the next
//! review: two changes of threads for each message, and batches of one. Under `SCHED_BATCH`
//! (sched(7)) a thread takes no processor from others when it is woken. It starts at once where one
//! is idle; where none is, what was begun is ended first, and all that has come by then is done in
//! one go. The threads that they start, for verifiers and retention, are like them.
//!
//! What is not waited for at all is left to a thread under `SCHED_IDLE`: it runs where no other
//! thread of the same control group has anything to do.

use std::thread::{self, JoinHandle};

use rustix::process::getpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::HostError;

const BATCH: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

/// Starts a thread that is unhurried.
///
/// # Errors
/// `Thread`.
pub(crate) fn spawn(
    thread: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, HostError> {
    start(thread, move || {
        unhurried();
        body();
    })
}

/// Starts a thread that runs where nobody else wants the processor. No other may wait for it: it
/// must hold no lock that others take.
///
/// # Errors
/// `Thread`.
pub(crate) fn spawn_idle(
    thread: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, HostError> {
    start(thread, move || {
        let _ = idle() || unhurried();
        body();
    })
}

fn start(
    thread: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, HostError> {
    thread::Builder::new()
        .name(thread.to_owned())
        .spawn(body)
        .map_err(|error| HostError::Thread { thread, why: error.to_string() })
}

/// Makes this thread one that runs where nobody else wants the processor; whether that was allowed,
/// as in [`unhurried`].
fn idle() -> bool {
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, IDLE).is_ok()
}

/// Makes this thread one that takes no processor from others when it is woken; its niceness stays.
/// Whether that was allowed: nothing depends on it but speed.
fn unhurried() -> bool {
    let nice = getpriority_process(None).unwrap_or_default();
    let same = |priority: &ThreadPriority| priority.to_posix(BATCH) == Ok(nice);
    let mut priorities = (0..100).filter_map(|value| ThreadPriority::try_from(value).ok());
    let priority = priorities.find(same);
    priority.is_some_and(|priority| {
        set_thread_priority_and_policy(thread_native_id(), priority, BATCH).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::nice;
    use thread_priority::thread_schedule_policy;

    use super::*;

    /// Niceness is of one thread in Linux, and so is the policy: other tests see nothing of it.
    #[test]
    fn an_unhurried_thread_is_scheduled_in_batches_and_as_nice_as_before() {
        for nicer in [0, 1, 10] {
            let thread = thread::spawn(move || {
                let before = nice(nicer);
                (before, unhurried(), getpriority_process(None), thread_schedule_policy())
            });
            let seen = thread.join();
            assert!(
                seen.as_ref().is_ok_and(|(before, done, after, policy)| {
                    *done && before == after && *policy == Ok(BATCH)
                }),
                "{seen:?}"
            );
        }
    }

    #[test]
    fn an_idle_thread_is_scheduled_where_no_other_is() {
        let thread = thread::spawn(|| (idle(), thread_schedule_policy()));
        assert_eq!(thread.join().ok(), Some((true, Ok(IDLE))));
    }
}
