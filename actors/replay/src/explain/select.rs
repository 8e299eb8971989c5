//! Which reviews are meant: by uid, image, workload, time, and what became of them.

use std::str::FromStr;

use portreeve_protocol::decision::ContainerVerdict;
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::reference::{ImageReference, split_tag};
use portreeve_protocol::{Admitted, Decision, Denial, DenyCode, Sha256, Verdict, Wall};

/// What a review must be like. Whatever is set must hold; an empty selection takes every review.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Whether it was allowed, or denied.
    pub allowed: Option<bool>,
    /// A code that it was denied with, or would have been but for the mode of a rule.
    pub code: Option<DenyCode>,
    /// An image that it names.
    pub image: Option<ImageFilter>,
    /// Received at or after this time.
    pub since: Option<Wall>,
    /// The review's uid.
    pub uid: Option<String>,
    /// Received before this time.
    pub until: Option<Wall>,
    /// The object it is about.
    pub workload: Option<WorkloadFilter>,
}

/// Images, however they are spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFilter {
    digest: Option<Sha256>,
    /// The repository; `None` for any.
    repository: Option<String>,
    /// The tag; `None` for any.
    tag: Option<String>,
}

/// An object by namespace and name, as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadFilter {
    /// The kind, in whatever case; `None` for any.
    pub kind: Option<String>,
    /// The name, with the asterisk of a generated one.
    pub name: String,
    /// The namespace; empty for objects of the cluster.
    pub namespace: String,
}

impl Selection {
    /// Whether a review may be meant, by what is known when it is received.
    pub(super) fn may_be(&self, facts: &ReviewFacts, received: Wall) -> bool {
        self.uid.as_ref().is_none_or(|uid| *uid == facts.uid)
            && self.since.is_none_or(|since| received >= since)
            && self.until.is_none_or(|until| received < until)
            && self.workload.as_ref().is_none_or(|workload| workload.is_of(facts))
            && self.image.as_ref().is_none_or(|image| {
                facts.images.iter().any(|it| image.reference(&it.image).is_some())
            })
    }

    /// Whether a review that may be meant is, by what was decided.
    pub(super) fn is_decided(&self, facts: &ReviewFacts, decision: &Decision) -> bool {
        self.allowed.is_none_or(|allowed| allowed == decision.allowed)
            && self.code.is_none_or(|code| codes(decision).any(|found| found == code))
            && self.image.as_ref().is_none_or(|image| {
                let judged = |it: &ContainerVerdict| image.covers(&it.image, it.verdict.digest());
                names(facts, image) || decision.verdicts.iter().any(judged)
            })
    }

    /// Whether a review that may be meant is, though the journal holds no decision.
    pub(super) fn is_undecided(&self, facts: &ReviewFacts, panicked: bool) -> bool {
        // The host answers a panic with a denial of this code.
        let (allowed, code) = (panicked.then_some(false), panicked.then_some(DenyCode::Internal));
        self.allowed.is_none_or(|wanted| Some(wanted) == allowed)
            && self.code.is_none_or(|wanted| Some(wanted) == code)
            && self.image.as_ref().is_none_or(|image| names(facts, image))
    }
}

/// Whether an image of the object is meant as it is written.
fn names(facts: &ReviewFacts, image: &ImageFilter) -> bool {
    facts.images.iter().any(|it| image.covers(&it.image, None))
}

/// Every code that a decision names.
fn codes(decision: &Decision) -> impl Iterator<Item = DenyCode> + '_ {
    let of_images = decision.verdicts.iter().filter_map(|it| refused(&it.verdict));
    decision.denial.iter().chain(of_images).map(|denial| denial.code)
}

/// Why an image was denied, or would have been.
pub(super) fn refused(verdict: &Verdict) -> Option<&Denial> {
    match verdict {
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => Some(&tolerated.denial),
        Verdict::Allowed(
            Admitted::Blank
            | Admitted::Sealed(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged
            | Admitted::Verified(_),
        ) => None,
        Verdict::Denied(denial) => Some(denial),
    }
}

impl ImageFilter {
    /// The reference, if its repository and tag are those meant; its digest is not looked at.
    fn reference(&self, image: &str) -> Option<ImageReference> {
        let reference: ImageReference = image.parse().ok()?;
        let repository = self.repository.as_ref();
        let fits = repository.is_none_or(|it| *it == reference.gun())
            && self.tag.as_ref().is_none_or(|tag| reference.tag.as_ref() == Some(tag));
        fits.then_some(reference)
    }

    /// Whether the image is meant, which names a digest or was `found` to have one.
    fn covers(&self, image: &str, found: Option<Sha256>) -> bool {
        self.reference(image).is_some_and(|reference| {
            self.digest.is_none_or(|it| reference.digest == Some(it) || found == Some(it))
        })
    }
}

impl FromStr for ImageFilter {
    type Err = String;

    /// Reads `REPOSITORY`, `REPOSITORY:TAG`, either with `@sha256:DIGEST` behind it, or a digest
    /// alone.
    ///
    /// # Errors
    /// What is wrong with it, and how it should be.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(hex) = text.strip_prefix('@').unwrap_or(text).strip_prefix("sha256:") {
            let digest = hex.parse().map_err(|_| {
                "the digest is not `sha256:` and 64 hexadecimal digits in lower case".to_owned()
            })?;
            return Ok(Self { digest: Some(digest), repository: None, tag: None });
        }
        let reference: ImageReference = text.parse().map_err(|error| format!("{error}"))?;
        let (named, _) = text.split_once('@').unwrap_or((text, ""));
        let tag = split_tag(named).1.map(ToOwned::to_owned);
        Ok(Self { digest: reference.digest, repository: Some(reference.gun()), tag })
    }
}

impl WorkloadFilter {
    fn is_of(&self, facts: &ReviewFacts) -> bool {
        self.namespace == facts.namespace
            && self.name == facts.name
            && self.kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(&facts.kind.kind))
    }
}

impl FromStr for WorkloadFilter {
    type Err = String;

    /// Reads `NAMESPACE/NAME` or `KIND/NAMESPACE/NAME`.
    ///
    /// # Errors
    /// How it should be.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [namespace, name] => (None, namespace, name),
            [kind, namespace, name] if !kind.is_empty() => (Some(kind), namespace, name),
            _ => return Err("write it as NAMESPACE/NAME or KIND/NAMESPACE/NAME".to_owned()),
        };
        if name.is_empty() {
            return Err("the name is missing: write it as NAMESPACE/NAME".to_owned());
        }
        let kind = kind.map(ToOwned::to_owned);
        Ok(Self { kind, name: name.to_owned(), namespace: namespace.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(filter: &str, image: &str) -> Result<bool, String> {
        Ok(filter.parse::<ImageFilter>()?.covers(image, None))
    }

    #[test]
    fn an_image_is_found_by_any_spelling_that_means_the_same() -> Result<(), String> {
        for image in ["nginx", "docker.io/nginx:latest", "index.docker.io/library/nginx"] {
            for filter in ["nginx:latest", "docker.io/library/nginx:latest", "nginx"] {
                assert!(covers(filter, image)?, "{filter} {image}");
            }
            assert!(!covers("nginx:1", image)?, "{image}");
        }
        assert!(covers("Quay.IO:443/a/b:1", "quay.io./a/b:1")?);
        Ok(())
    }

    #[test]
    fn a_filter_without_tag_means_every_tag_of_the_repository() -> Result<(), String> {
        assert!(covers("quay.io/a/b", "quay.io/a/b:1")?);
        assert!(covers("quay.io/a/b", "quay.io/a/b:2")?);
        assert!(!covers("quay.io/a/b", "quay.io/a/c:2")?);
        assert!(covers("localhost:5000/a", "localhost:5000/a:7")?);
        Ok(())
    }

    #[test]
    fn a_digest_is_found_as_written_and_as_verified_and_needs_no_repository() -> Result<(), String>
    {
        let digest = Sha256::of(b"image");
        let alone: ImageFilter = format!("@{}", digest.to_oci()).parse()?;
        assert_eq!(alone, digest.to_oci().parse()?);
        assert!(alone.covers(&format!("quay.io/a/b@{}", digest.to_oci()), None));
        assert!(alone.covers("quay.io/a/b:1", Some(digest)));
        assert!(!alone.covers("quay.io/a/b:1", None));
        let both: ImageFilter = format!("quay.io/a/b@{}", digest.to_oci()).parse()?;
        assert!(both.covers("quay.io/a/b:1", Some(digest)));
        assert!(!both.covers("quay.io/a/c:1", Some(digest)));
        Ok(())
    }

    #[test]
    fn what_cannot_be_an_image_or_a_workload_is_refused_with_advice() {
        for text in ["", "@sha256:1", "a b", "x@md5:00"] {
            assert!(text.parse::<ImageFilter>().is_err(), "{text:?}");
        }
        for text in ["web", "a/b/c/d", "shop/", "/shop/web"] {
            let refused = text.parse::<WorkloadFilter>();
            assert!(refused.is_err_and(|why| why.contains("NAMESPACE/NAME")), "{text:?}");
        }
    }
}
