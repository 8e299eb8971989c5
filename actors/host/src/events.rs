//! What the people of a cluster are told of decisions besides the answer: Kubernetes Events.
//!
//! An answer goes to whoever sent the workload, which for most Pods is a controller. This says what
//! of a decision is worth an Event, and which object people look at; who writes it is somebody
//! else's.

use portreeve_protocol::messages::admission::{
    GroupKind, Operation, OwnerFact, ReviewFacts, ReviewPath,
};
use portreeve_protocol::seal::{group_of, is_sealed_kind};
use portreeve_protocol::shown::cut;
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
            && is_sealed_kind(group_of(api_version), kind)
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
        Some(Self { about, reason, text: cut(text, limits::EVENT_BYTES) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::Denial;
    use portreeve_protocol::messages::admission::Peer;
    use serde_json::{Value, json};

    use super::*;
    use crate::node::denial;
    use crate::seals::Sealer;
    use crate::webhook::{Circumstances, parse};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn facts(request: &Value) -> Result<ReviewFacts, Box<dyn std::error::Error>> {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request
        });
        let circumstances = Circumstances {
            budget: 1,
            path: ReviewPath::Admit,
            peer: Peer { address: "127.0.0.1".to_owned(), authenticated: true },
            sealer: Sealer::default(),
        };
        parse(review.to_string().as_bytes(), circumstances).map_err(|why| why.0.into())
    }

    fn request(operation: &str, kind: [&str; 3], metadata: &Value) -> Value {
        let [group, version, kind] = kind;
        json!({
            "uid": "r-1", "operation": operation, "namespace": "shop",
            "kind": {"group": group, "version": version, "kind": kind},
            "object": {"metadata": metadata, "spec": {"containers": []}}
        })
    }

    fn owned(by: &str) -> Value {
        json!({
            "generateName": "web-1-",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": by, "name": "web-1", "uid": "u-1",
                                 "controller": true}]
        })
    }

    fn about(request: &Value) -> Result<Option<String>, Box<dyn std::error::Error>> {
        Ok(About::of(&facts(request)?).map(|about| {
            let About { api_version, kind, name, namespace, uid } = about;
            format!("{api_version} {kind} {namespace}/{name} {uid:?}")
        }))
    }

    const POD: [&str; 3] = ["", "v1", "Pod"];
    const DEPLOYMENT: [&str; 3] = ["apps", "v1", "Deployment"];

    #[test]
    fn people_look_at_the_controller_of_what_is_to_be_created_and_else_at_the_object() -> Outcome {
        let named = json!({"name": "web"});
        for (request, expected) in [
            (
                request("CREATE", POD, &owned("ReplicaSet")),
                "apps/v1 ReplicaSet shop/web-1 Known(\"u-1\")",
            ),
            // One that cannot be a controller of Kubernetes' own is nobody's to look at.
            (request("CREATE", POD, &owned("Widget")), "v1 Pod shop/web-1-* None"),
            (request("CREATE", DEPLOYMENT, &named), "apps/v1 Deployment shop/web None"),
            (request("UPDATE", DEPLOYMENT, &named), "apps/v1 Deployment shop/web Unread"),
            (
                request("UPDATE", ["", "v1", "EphemeralContainers"], &named),
                "v1 Pod shop/web Unread",
            ),
        ] {
            assert_eq!(about(&request)?.as_deref(), Some(expected));
        }
        Ok(())
    }

    #[test]
    fn nobody_is_told_of_a_dry_run_or_of_what_has_no_name() -> Outcome {
        let mut dry = request("CREATE", POD, &owned("ReplicaSet"));
        dry["dryRun"] = true.into();
        assert_eq!(about(&dry)?, None);
        assert_eq!(about(&request("CREATE", POD, &json!({})))?, None);
        Ok(())
    }

    fn subject() -> About {
        About {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
            uid: Uid::None,
        }
    }

    fn decision(code: DenyCode, detail: &str) -> Result<Arc<Decision>, Box<dyn std::error::Error>> {
        Ok(denial::local("n/1/admission/1".parse()?, "r-1", Denial::new(code, detail)))
    }

    fn warned(warnings: &[&str]) -> Result<Decision, Box<dyn std::error::Error>> {
        let mut decision = Decision::clone(&*decision(DenyCode::NotSigned, "")?);
        decision.allowed = true;
        decision.denial = None;
        decision.warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
        Ok(decision)
    }

    #[test]
    fn a_denial_is_told_as_the_sender_sees_it_and_a_warning_once() -> Outcome {
        let denial = decision(DenyCode::NotSigned, "no data")?;
        for path in [ReviewPath::Admit, ReviewPath::Validate] {
            let occurrence = Occurrence::of(subject(), path, &denial).ok_or("an occurrence")?;
            assert_eq!((occurrence.reason, &occurrence.text), (Reason::Denied, &denial.message));
        }
        let warned_of = warned(&["first", "second"])?;
        let occurrence = Occurrence::of(subject(), ReviewPath::Admit, &warned_of);
        let told = occurrence.map(|it| (it.reason, it.text));
        assert_eq!(told, Some((Reason::Warned, "first; second".to_owned())));
        assert_eq!(Occurrence::of(subject(), ReviewPath::Validate, &warned_of), None);
        assert_eq!(Occurrence::of(subject(), ReviewPath::Admit, &warned(&[])?), None);
        Ok(())
    }

    #[test]
    fn callers_who_may_not_ask_have_nothing_told() -> Outcome {
        let stranger = decision(DenyCode::ClientUnauthenticated, "who is it")?;
        assert_eq!(Occurrence::of(subject(), ReviewPath::Admit, &stranger), None);
        Ok(())
    }

    #[test]
    fn a_text_is_no_longer_than_an_event_may_have() -> Outcome {
        let long = decision(DenyCode::NotSigned, &"ä".repeat(limits::EVENT_BYTES))?;
        let told = Occurrence::of(subject(), ReviewPath::Admit, &long).ok_or("an occurrence")?;
        assert!(
            told.text.len() <= limits::EVENT_BYTES && told.text.ends_with('…'),
            "{}",
            told.text
        );
        Ok(())
    }
}
