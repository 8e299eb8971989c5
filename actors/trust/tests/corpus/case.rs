//! A case of the corpus, as its `case.json` describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portreeve_protocol::evidence::RootPins;
use portreeve_protocol::{Blob, Denial, DenyCode, Settings, Sha256, Wall};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where the cases lie.
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/notary-v1")
}

/// One case.
pub struct Case {
    /// The reader's documents from before, by role.
    pub cache: BTreeMap<String, Blob>,
    /// `case.json` itself.
    pub description: Value,
    /// The collection.
    pub gun: String,
    /// The case's name.
    pub name: String,
    /// The time at which to judge.
    pub now: Wall,
    folder: PathBuf,
}

/// What asking the case's server gives.
pub enum Served {
    Absent,
    Document(Blob),
    Failed(Denial),
}

impl Case {
    /// Reads the case in `folder`.
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("case.json")).unwrap();
        let description: Value = serde_json::from_slice(&text).unwrap();
        let text = |member: &str| description[member].as_str().unwrap().to_owned();
        let cache = description["cache"].as_object().unwrap().iter().map(|(role, file)| {
            let bytes = std::fs::read(folder.join(file.as_str().unwrap())).unwrap();
            (role.clone(), Blob::new(bytes))
        });
        Self {
            cache: cache.collect(),
            gun: text("gun"),
            name: text("name"),
            now: instant(&text("evaluation_time")).unwrap(),
            folder: folder.to_owned(),
            description,
        }
    }

    /// Every case, in order of name.
    pub fn all() -> Vec<Self> {
        let mut folders: Vec<_> =
            std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    /// Asks the case's server for `name`, for `limit` bytes at most.
    pub fn get(&self, name: &str, limit: u64) -> Served {
        let route = &self.description["routes"][name];
        match (route["status"].as_u64(), route["file"].as_str()) {
            (None, Some(file)) => {
                let mut bytes = std::fs::read(self.folder.join(file)).unwrap();
                let blanks = route["pad_spaces"].as_u64().unwrap_or(0) as usize;
                bytes.resize(bytes.len() + blanks, b' ');
                if bytes.len() as u64 > limit {
                    return Served::Failed(Denial::new(DenyCode::Oversize, name));
                }
                Served::Document(Blob::new(bytes))
            }
            (None | Some(404), _) => Served::Absent,
            (Some(_), _) => Served::Failed(Denial::new(DenyCode::ServerError, name)),
        }
    }

    /// The pins of the case.
    pub fn pins(&self) -> RootPins {
        let pinning = &self.description["trust_pinning"];
        let mut settings =
            Settings { require_pins: pinning["disable_tofu"] == true, ..Settings::default() };
        for (gun, ids) in pinning["certs"].as_object().into_iter().flatten() {
            let ids = ids.as_array().unwrap().iter();
            let ids = ids.map(|id| id.as_str().unwrap().parse::<Sha256>().unwrap()).collect();
            settings.pins.insert(gun.clone(), ids);
        }
        for (prefix, pem) in pinning["ca"].as_object().into_iter().flatten() {
            settings.pin_cas.insert(prefix.clone(), pem.as_str().unwrap().to_owned());
        }
        settings.root_pins(&self.gun)
    }
}

/// An instant from RFC 3339 text.
pub fn instant(text: &str) -> Option<Wall> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1_000).ok().map(Wall)
}
