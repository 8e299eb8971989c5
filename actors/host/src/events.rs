//! What the people of a cluster are told of decisions besides the answer: Kubernetes Events.
//!
//! An answer goes to whoever sent the workload, which for most Pods is a controller. This says what
//! of a decision is worth an Event, and which object people look at; who writes it is somebody
//! else's.

use portreeve_protocol::messages::admission::{
    GroupKind, Operation, OwnerFact, ReviewFacts, ReviewPath,
};
use portreeve_protocol::seal::is_sealed_kind;
use portreeve_protocol::{Decision, DenyCode, limits};

/// Takes what is to be told. It never waits: what there is no room for is dropped and counted.
pub trait EventSink: Send + Sync {
    /// Takes one.
    fn tell(&self, occurrence: Occurrence);
}

/// Something worth an Event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Which object people look at.
    pub about: About,
    /// What it is.
    pub reason: Reason,
    /// What people are told; at most [`limits::EVENT_BYTES`] bytes.
    pub text: String,
}

/// What an Event is about, as its `reason` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A workload was denied.
    Denied,
    /// A workload was allowed, with a warning.
    Warned,
}

impl Reason {
    /// As it stands in an Event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "ImageDenied",
            Self::Warned => "ImageWarning",
        }
    }
}

/// The object that an Event is shown with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// API version, such as `apps/v1`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name; that of an object which is yet to be named is its prefix with an asterisk.
    pub name: String,
    /// Its namespace; empty for an object of the cluster.
    pub namespace: String,
    /// Its uid, as far as it is known.
    pub uid: Uid,
}

/// What is known of an object's uid, without which `kubectl describe` shows no Event of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Uid {
    /// This one.
    Known(String),
    /// There is none: the object was to be created.
    None,
    /// The object exists, and the API server knows its uid.
    Unread,
}

impl About {
    /// The object people look at when they wonder what became of a workload: what has a controller
    /// and does not exist yet is only seen at the controller, as with the API server's own
    /// `FailedCreate`; else it is the workload itself. `None` if nobody is to be told: nothing is
    /// persisted by a dry run, and what has no name cannot be looked at.
    #[must_use]
    pub fn of(facts: &ReviewFacts) -> Option<Self> {
        if facts.dry_run || facts.kind.kind.is_empty() {
            return None;
        }
        let namespace = facts.namespace.clone();
        let creates = facts.operation == Operation::Create;
        let controller = facts.owners.iter().find(|owner| owner.controller).filter(|_| creates);
        if let Some(OwnerFact { api_version, kind, name, uid, .. }) = controller
            && is_sealed_kind(api_version, kind)
        {
            return Some(Self {
                api_version: api_version.clone(),
                kind: kind.clone(),
                name: name.clone(),
                namespace,
                uid: Uid::Known(uid.clone()),
            });
        }
        let GroupKind { group, kind, version } = &facts.kind;
        // The old kind of the subresource is a Pod to everybody who looks at one.
        let kind = if kind == "EphemeralContainers" { "Pod" } else { kind };
        let api_version =
            if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        (!facts.name.is_empty()).then(|| Self {
            api_version,
            kind: kind.to_owned(),
            name: facts.name.clone(),
            namespace,
            uid: if creates { Uid::None } else { Uid::Unread },
        })
    }
}

impl Occurrence {
    /// What there is to tell of a decision that was asked for at `path`: every denial, and the
    /// warnings of the pass that may patch (`/validate` would only repeat them). Nobody is told on
    /// behalf of callers who may not ask at all.
    #[must_use]
    pub fn of(about: About, path: ReviewPath, decision: &Decision) -> Option<Self> {
        let code = decision.denial.as_ref().map(|denial| denial.code);
        let (reason, text) = match (decision.allowed, code) {
            (false, Some(DenyCode::ClientUnauthenticated)) => return None,
            (false, _) => (Reason::Denied, decision.message.clone()),
            (true, _) if decision.warnings.is_empty() || path == ReviewPath::Validate => {
                return None;
            }
            (true, _) => (Reason::Warned, decision.warnings.join("; ")),
        };
        Some(Self { about, reason, text: cut(text) })
    }
}

/// The text as far as an Event has room for it.
fn cut(mut text: String) -> String {
    if text.len() > limits::EVENT_BYTES {
        let mut end = limits::EVENT_BYTES - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
