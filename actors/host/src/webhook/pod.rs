//! The members of objects that say which images they run.
//!
//! One shape serves all kinds: a specification that may be a pod's or hold another one below
//! `template` or `jobTemplate`. Which of them counts is said by the kind, not by the shape.

use std::fmt::Write as _;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{ContainerList, ImageFact};
use portreeve_protocol::seal::ANNOTATION;
use portreeve_protocol::workload::{Carrier, PodSpecAt};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::members::Members;
use super::review::{Text, cut};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    /// Of the old kind `EphemeralContainers`.
    #[serde(borrow, default)]
    ephemeral_containers: Option<Vec<Members<Container<'a>>>>,
    #[serde(default)]
    pub(super) metadata: Option<Members<Metadata<'a>>>,
    #[serde(default)]
    spec: Option<Members<Spec<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) annotations: Option<Annotations<'a>>,
    #[serde(default)]
    generate_name: Option<Text<'a>>,
    #[serde(default)]
    name: Option<Text<'a>>,
    #[serde(default)]
    pub(super) owner_references: Option<Vec<Members<Owner<'a>>>>,
}

/// The annotations, of which only the seal is of interest.
#[derive(Debug, Default)]
pub(super) struct Annotations<'a> {
    /// The text of the annotation [`ANNOTATION`].
    pub(super) seal: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlySeal)
    }
}

struct OnlySeal;

impl<'de> Visitor<'de> for OnlySeal {
    type Value = Annotations<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("annotations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations<'de>, A::Error> {
        let mut found: Option<Option<Text<'de>>> = None;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if name != ANNOTATION {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(ANNOTATION));
            }
        }
        Ok(Annotations { seal: found.flatten() })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner<'a> {
    #[serde(borrow, default)]
    pub(super) api_version: Option<Text<'a>>,
    #[serde(default)]
    pub(super) controller: Option<bool>,
    #[serde(default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(default)]
    pub(super) uid: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    #[serde(borrow, default)]
    containers: Option<Vec<Members<Container<'a>>>>,
    #[serde(default)]
    ephemeral_containers: Option<Vec<Members<Container<'a>>>>,
    #[serde(default)]
    pub(super) image_pull_secrets: Option<Vec<Members<Named<'a>>>>,
    #[serde(default)]
    init_containers: Option<Vec<Members<Container<'a>>>>,
    #[serde(default)]
    job_template: Option<Box<Members<Holder<'a>>>>,
    /// The old name of `serviceAccountName`.
    #[serde(default)]
    pub(super) service_account: Option<Text<'a>>,
    #[serde(default)]
    pub(super) service_account_name: Option<Text<'a>>,
    #[serde(default)]
    template: Option<Box<Members<Holder<'a>>>>,
    #[serde(default)]
    volumes: Option<Vec<Members<Volume<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct Holder<'a> {
    #[serde(borrow, default)]
    spec: Option<Members<Spec<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Container<'a> {
    #[serde(borrow, default)]
    image: Option<Text<'a>>,
    #[serde(default)]
    name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Volume<'a> {
    #[serde(borrow, default)]
    image: Option<Members<VolumeImage<'a>>>,
    #[serde(default)]
    name: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct VolumeImage<'a> {
    #[serde(borrow, default)]
    reference: Option<Text<'a>>,
}

impl Metadata<'_> {
    /// The text of the seal, if there is one.
    pub(super) fn seal(&self) -> Option<&str> {
        Some(self.annotations.as_ref()?.seal.as_ref()?.0.as_ref())
    }

    /// The name, or `generateName` with an asterisk behind it.
    pub(super) fn display_name(&self) -> String {
        match (&self.name, &self.generate_name) {
            (Some(name), _) if !name.0.is_empty() => cut(&name.0),
            (_, Some(prefix)) if !prefix.0.is_empty() => format!("{}*", cut::<&str>(&prefix.0)),
            _ => String::new(),
        }
    }
}

impl<'a> Object<'a> {
    /// The pod specification of a kind that has it there.
    pub(super) fn pod_spec(&self, at: PodSpecAt) -> Option<&Spec<'a>> {
        let spec = self.spec.as_deref()?;
        match at {
            PodSpecAt::Pod => Some(spec),
            PodSpecAt::Template => spec.template.as_ref()?.spec.as_deref(),
            PodSpecAt::JobTemplate => {
                let job = spec.job_template.as_ref()?.spec.as_ref()?;
                job.template.as_ref()?.spec.as_deref()
            }
        }
    }

    /// Every image the object names: init, main and ephemeral containers, then volumes.
    pub(super) fn images(&self, carrier: Carrier) -> Box<dyn Iterator<Item = ImageFact> + '_> {
        match carrier {
            Carrier::PodSpec(at) => match self.pod_spec(at) {
                Some(spec) => Box::new(spec.images(at.pointer())),
                None => Box::new(std::iter::empty()),
            },
            Carrier::EphemeralContainers => Box::new(listed(
                &self.ephemeral_containers,
                ["", "/ephemeralContainers"],
                ContainerList::Ephemeral,
            )),
            Carrier::NoImage | Carrier::Unknown => Box::new(std::iter::empty()),
        }
    }
}

impl Spec<'_> {
    fn images(&self, at: &'static str) -> impl Iterator<Item = ImageFact> + '_ {
        let init = [at, "/initContainers"];
        let main = [at, "/containers"];
        let ephemeral = [at, "/ephemeralContainers"];
        let volumes = self.volumes.iter().flatten().enumerate();
        let mounted = volumes.filter_map(move |(index, volume)| {
            let image = volume.image.as_ref()?;
            Some(ImageFact {
                container: owned(&volume.name),
                image: owned(&image.reference),
                list: ContainerList::Volume,
                pointer: format!("{at}/volumes/{index}/image/reference").into(),
            })
        });
        listed(&self.init_containers, init, ContainerList::Init)
            .chain(listed(&self.containers, main, ContainerList::Main))
            .chain(listed(&self.ephemeral_containers, ephemeral, ContainerList::Ephemeral))
            .chain(mounted)
    }
}

fn listed<'b>(
    containers: &'b Option<Vec<Members<Container<'_>>>>,
    [at, below]: [&'static str; 2],
    list: ContainerList,
) -> impl Iterator<Item = ImageFact> + 'b {
    let mut pointer = String::new();
    containers.iter().flatten().enumerate().map(move |(index, container)| {
        pointer.clear();
        // Nothing keeps text from being written to a string.
        let _ = write!(pointer, "{at}{below}/{index}/image");
        ImageFact {
            container: owned(&container.name),
            image: owned(&container.image),
            list,
            pointer: pointer.as_str().into(),
        }
    })
}

fn owned(text: &Option<Text<'_>>) -> Arc<str> {
    text.as_ref().map(|text| cut(&text.0)).unwrap_or_default()
}
