//! The root logger, and what its levels promise.
//!
//! * `critical`: the node cannot go on, or decides without a machine that it needs.
//! * `error`: something promised was not kept and a person has to act: the journal cannot be
//!   written, a machine panicked.
//! * `warning`: nothing is broken yet, but a person should look: trust data refused, a root trusted
//!   at first use, a policy that cannot be understood, the policy source not watched.
//! * `info`: the life of the node, and every denial.
//! * `debug`: every allow, every refresh of a collection.
//! * `trace`: single deliveries.
//!
//! No line holds a secret, a credential or the body of a remote answer: machines cannot put one
//! into a fact, and the host logs facts, ids and its own errors only.

use slog::{Drain, Logger, o};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for a terminal.
    Term,
}

/// A root logger. Lines are written to standard error by a thread of their own; when this value is
/// dropped, what is still waiting is written first.
pub struct Logging {
    /// The logger.
    pub logger: Logger,
    _guard: slog_async::AsyncGuard,
}

/// Lines that may wait to be written; further ones are dropped, and counted in a later line.
const QUEUE: usize = 4_096;

impl Logging {
    /// Starts a logger that writes lines of `level` and more severe ones.
    #[must_use]
    pub fn start(format: LogFormat, level: slog::Level) -> Self {
        match format {
            LogFormat::Json => {
                Self::over(slog_json::Json::default(std::io::stderr()).ignore_res(), level)
            }
            LogFormat::Term => {
                let decorator = slog_term::TermDecorator::new().stderr().build();
                Self::over(slog_term::FullFormat::new(decorator).build().ignore_res(), level)
            }
        }
    }

    fn over<D>(drain: D, level: slog::Level) -> Self
    where
        D: Drain<Ok = (), Err = slog::Never> + Send + 'static,
    {
        let (drain, guard) = slog_async::Async::new(drain).chan_size(QUEUE).build_with_guard();
        let drain = slog::LevelFilter::new(drain, level).ignore_res();
        Self { logger: Logger::root(drain, o!()), _guard: guard }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use slog::{Level, Never, OwnedKVList, Record};

    use super::*;

    struct Lines(Arc<Mutex<Vec<Level>>>);

    impl Drain for Lines {
        type Ok = ();
        type Err = Never;

        fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.level());
            Ok(())
        }
    }

    #[test]
    fn lines_below_the_level_are_left_out_and_the_rest_is_written_before_the_end() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let logging = Logging::over(Lines(Arc::clone(&lines)), Level::Info);
        slog::debug!(logging.logger, "left out");
        slog::info!(logging.logger, "written");
        slog::error!(logging.logger, "written too");
        drop(logging);
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*lines, [Level::Info, Level::Error]);
    }
}
