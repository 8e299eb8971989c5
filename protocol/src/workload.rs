//! Which kinds carry images, and where.

use serde::{Deserialize, Serialize};

/// What a kind of object can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carrier {
    /// A pod specification at this JSON pointer.
    PodSpec(PodSpecAt),
    /// The old `EphemeralContainers` kind: a list of containers at its root.
    EphemeralContainers,
    /// Nothing that runs: `Scale`, `Eviction`, `Binding`, `/status` and the like.
    NoImage,
    /// Nothing is known about this kind.
    Unknown,
}

/// The three places a pod specification stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodSpecAt {
    /// `/spec` of a Pod.
    Pod,
    /// `/spec/template/spec` of a controller.
    Template,
    /// `/spec/jobTemplate/spec/template/spec` of a CronJob.
    JobTemplate,
}

impl PodSpecAt {
    /// The JSON pointer of the pod specification.
    #[must_use]
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::Pod => "/spec",
            Self::Template => "/spec/template/spec",
            Self::JobTemplate => "/spec/jobTemplate/spec/template/spec",
        }
    }
}

/// What an object of this group and kind carries when it is sent to this subresource.
/// All API versions of a group are alike in this.
#[must_use]
pub fn carrier(group: &str, kind: &str, sub_resource: Option<&str>) -> Carrier {
    match sub_resource {
        None | Some("") => {}
        Some("ephemeralcontainers") => {
            return match (group, kind) {
                ("", "Pod") => Carrier::PodSpec(PodSpecAt::Pod),
                ("", "EphemeralContainers") => Carrier::EphemeralContainers,
                _ => Carrier::Unknown,
            };
        }
        // The exec family has options objects, the rest changes no pod specification.
        Some(
            "status" | "scale" | "eviction" | "binding" | "exec" | "attach" | "portforward"
            | "proxy" | "log" | "token" | "resize" | "approval" | "finalize",
        ) => return Carrier::NoImage,
        Some(_) => return Carrier::Unknown,
    }
    match (group, kind) {
        ("", "Pod") => Carrier::PodSpec(PodSpecAt::Pod),
        ("", "ReplicationController")
        | ("apps" | "extensions", "ReplicaSet" | "Deployment" | "DaemonSet")
        | ("apps", "StatefulSet")
        | ("batch", "Job") => Carrier::PodSpec(PodSpecAt::Template),
        ("batch", "CronJob") => Carrier::PodSpec(PodSpecAt::JobTemplate),
        ("", "Binding")
        | ("autoscaling" | "extensions" | "apps", "Scale")
        | ("policy", "Eviction") => Carrier::NoImage,
        _ => Carrier::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_parity_table_carries_a_pod_specification() {
        for (group, kind, pointer) in [
            ("", "Pod", "/spec"),
            ("", "ReplicationController", "/spec/template/spec"),
            ("apps", "ReplicaSet", "/spec/template/spec"),
            ("apps", "Deployment", "/spec/template/spec"),
            ("apps", "StatefulSet", "/spec/template/spec"),
            ("apps", "DaemonSet", "/spec/template/spec"),
            ("batch", "Job", "/spec/template/spec"),
            ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
        ] {
            let Carrier::PodSpec(at) = carrier(group, kind, None) else {
                unreachable!("{kind} carries a pod specification")
            };
            assert_eq!(at.pointer(), pointer, "{kind}");
        }
    }

    #[test]
    fn scale_and_status_carry_no_image_and_other_kinds_are_unknown() {
        assert_eq!(carrier("autoscaling", "Scale", Some("scale")), Carrier::NoImage);
        assert_eq!(carrier("apps", "Deployment", Some("status")), Carrier::NoImage);
        assert_eq!(carrier("example.com", "Widget", None), Carrier::Unknown);
        assert_eq!(carrier("example.com", "Pod", None), Carrier::Unknown);
    }
}
