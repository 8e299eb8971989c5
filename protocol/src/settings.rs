//! What the operator set, as far as machines obey it. Recorded at the start of each incarnation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Settings of the machines. Addresses, files and certificates are the host's and not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether policies may name only approved servers and those of the trust server map.
    pub approved_only: bool,
    /// Trust servers the operator named (`--allow-trust-server`), as URLs without trailing slash.
    pub approved_servers: BTreeSet<String>,
    /// For how long after a verified timestamp an allow needs no network; microseconds.
    pub freshness: u64,
    /// The namespace whose Secrets a ClusterImagePolicy takes its signers from.
    pub operator_namespace: String,
    /// Whether a root that no pin covers is refused instead of trusted at first use.
    pub require_pins: bool,
    /// The map from registry to trust server, tried in order.
    pub trust_servers: Vec<TrustServerRule>,
}

/// One line of the map from registry host to trust server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustServerRule {
    /// A host, matched exactly, or `.suffix`, matched at the end of a longer host; a `:port` in it
    /// must match too.
    pub registry: String,
    /// The server's URL; `{host}` stands for the registry's host without port.
    pub server: String,
}

impl Default for Settings {
    /// The seed's behaviour: its registries, first use allowed, thirty seconds of freshness.
    fn default() -> Self {
        let rule = |registry: &str, server: &str| TrustServerRule {
            registry: registry.to_owned(),
            server: server.to_owned(),
        };
        Self {
            approved_servers: BTreeSet::new(),
            approved_only: false,
            freshness: 30 * crate::time::SECOND,
            operator_namespace: "portreeve".to_owned(),
            require_pins: false,
            trust_servers: vec![
                rule("docker.io", "https://notary.docker.io"),
                rule("quay.io", "https://quay.io:443"),
                rule(".bluemix.net", "https://{host}:4443"),
                rule(".icr.io", "https://{host}:4443"),
                rule("icr.io", "https://icr.io:4443"),
            ],
        }
    }
}
