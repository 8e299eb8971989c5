//! Holds the policies and publishes them in snapshots.

mod applied;
mod deleted;
mod outline;
mod relisted;
mod server_url;
mod snapshot;
mod spec;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::policy::{PolicyEffect, PolicyInput, SourceObject};
use portreeve_protocol::policy::{PolicyRef, PolicySnapshot, SignerKey};
use portreeve_protocol::{
    ActorKind, BlobSource, Delivery, Input, Kept, Machine, Outbox, ProtocolError,
};
use portreeve_trust::signer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use outline::{Outline, Refusal, is_unsupported, outline};
use spec::ParsedRule;

/// Holds the policies and publishes them in snapshots.
///
/// Nothing is published before the first whole list: a part of the policies could allow what the
/// rest of them denies.
#[derive(Debug, Serialize, Deserialize)]
pub struct PolicyCache {
    /// Whether a whole list has been received.
    listed: bool,
    /// Where ClusterImagePolicies find their signers' Secrets.
    operator_namespace: String,
    /// Each policy's rules, or why it has none that could be obeyed.
    #[serde(with = "crate::pairs")]
    policies: BTreeMap<PolicyRef, Result<Vec<ParsedRule>, String>>,
    /// What was published last.
    published: Option<Arc<PolicySnapshot>>,
    /// Namespace and name of a signer Secret to its key.
    #[serde(with = "crate::pairs")]
    secrets: BTreeMap<(String, String), SignerKey>,
    /// Whether the source of the policies is being watched.
    watched: bool,
}

impl PolicyCache {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(started: &Started) -> Self {
        Self {
            listed: false,
            operator_namespace: started.settings.operator_namespace.clone(),
            policies: BTreeMap::new(),
            published: None,
            secrets: BTreeMap::new(),
            watched: false,
        }
    }
}

impl Machine for PolicyCache {
    type Input = PolicyInput;
    type Effect = PolicyEffect;

    const KIND: ActorKind = ActorKind::Policy;

    fn handle(&mut self, _: &Delivery, input: &PolicyInput, out: &mut Outbox<PolicyEffect>) {
        match input {
            PolicyInput::Applied(applied) => self.applied(applied),
            PolicyInput::Deleted(deleted) => self.deleted(deleted),
            PolicyInput::Relisted(relisted) => self.relisted(relisted, out),
            PolicyInput::WatchLost(lost) => self.watch_lost(lost, out),
            PolicyInput::WatchRestored => self.watch_restored(out),
        }
        self.publish(out);
    }

    fn accept(input: &Input) -> Option<&PolicyInput> {
        if let Input::Policy(input) = input { Some(input) } else { None }
    }

    fn keep(&self) -> Result<Kept, ProtocolError> {
        Kept::of(self)
    }

    fn resume(&mut self, state: &Value, _: &dyn BlobSource) -> Result<(), ProtocolError> {
        *self = Kept::read(state)?;
        Ok(())
    }
}

/// The snapshot that is published when these are all the objects there are.
#[must_use]
pub fn snapshot(objects: &[SourceObject], operator_namespace: &str) -> PolicySnapshot {
    let mut cache = PolicyCache {
        listed: true,
        operator_namespace: operator_namespace.to_owned(),
        policies: BTreeMap::new(),
        published: None,
        secrets: BTreeMap::new(),
        watched: true,
    };
    objects.iter().for_each(|object| cache.take(object));
    cache.snapshot(1)
}

/// The key of a signer, judged once when its Secret or policy is seen.
fn signer_key(name: &str, public_key: &str) -> SignerKey {
    if !signer::valid_signer_name(name) {
        return SignerKey::Invalid("its `name` is not a valid delegation name".to_owned());
    }
    match signer::public_key_fingerprint(public_key) {
        Ok(spki) => SignerKey::Usable { name: name.to_owned(), spki },
        Err(why) => SignerKey::Invalid(format!("its `publicKey` is not usable: {why}")),
    }
}
