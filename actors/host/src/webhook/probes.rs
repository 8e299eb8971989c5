//! What the kubelet asks: whether this replica lives, and whether reviews should be sent to it.

use http::StatusCode;

use super::{Reply, Webhook, plain};

/// Whether the query of a probe asks for every check, not only for those that fail.
pub(super) fn is_verbose(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some("verbose"))
}

impl Webhook {
    /// A replica that cannot go on is to be restarted, which is what a failed probe brings about.
    pub(super) fn alive(&self) -> Reply {
        let health = self.node.health();
        if health.alive() {
            return plain(StatusCode::OK, "alive");
        }
        let panicked = health.poisoned.iter().map(|actor| format!("{actor} panicked"));
        let lines: Vec<_> = std::iter::once("not alive".to_owned()).chain(panicked).collect();
        plain(StatusCode::SERVICE_UNAVAILABLE, &lines.join("\n"))
    }

    /// Whether reviews should be sent here, and why not, one reason a line.
    pub(super) fn ready(&self, verbose: bool) -> Reply {
        let health = self.node.health();
        let leaving = *self.leaving.borrow() || health.draining;
        let checks = [
            (health.policies_loaded, "policies", "the policies have not been read yet"),
            // Without a certificate the server does not start, and it never loses one.
            (true, "tls", "no certificate is loaded"),
            (health.journal_writable, "journal", "the journal cannot be written"),
            (!leaving, "serving", "this replica is shutting down"),
        ];
        let ready = health.ready() && !leaving;
        let (status, first) = match ready {
            true => (StatusCode::OK, "ready"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        };
        let mut lines = vec![first.to_owned()];
        if verbose {
            let passed = checks.iter().filter(|(passed, ..)| *passed);
            lines.extend(passed.map(|(_, name, _)| format!("{name}: ok")));
        }
        let failed = checks.iter().filter(|(passed, ..)| !passed);
        lines.extend(failed.map(|(_, _, why)| (*why).to_owned()));
        // Policies that ask for no trust go on without a bundle, so it is a note and no more.
        lines.extend(health.bundle);
        // A failed fetcher of one trust server is worth a line; the others go on.
        lines.extend(health.poisoned.iter().map(|actor| format!("{actor} panicked")));
        plain(status, &lines.join("\n"))
    }
}
