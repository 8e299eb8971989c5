//! Counters for operators. No label ever holds a name that a client chose, such as a GUN.

use prometheus_client::registry::Registry;

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// All metrics at zero; `build` is the version of the program.
    #[must_use]
    pub fn new(_build: &str) -> Self {
        Self { registry: Registry::with_prefix("portreeve") }
    }

    /// The text that `/metrics` serves (OpenMetrics 1.0).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
