//! How images begin: most images of a node come again and again under the same policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::ImageFact;

use super::image::ImageCase;

/// Plans kept at most; they begin anew when there would be more.
const MOST: usize = 512;

/// Images by namespace and reference, as far as they can be judged without looking at anything but
/// the policies, the settings and the trust bundle. A plan depends on nothing else, and all are
/// dropped when policies or bundle change, so no decision depends on which ones are kept.
#[derive(Debug, Default)]
pub(super) struct Plans {
    known: BTreeMap<String, BTreeMap<Arc<str>, ImageCase>>,
}

impl Plans {
    /// The case of an image in `namespace` as it begins, if it is known.
    pub(super) fn find(&self, namespace: &str, fact: &ImageFact) -> Option<ImageCase> {
        Some(self.known.get(namespace)?.get(&fact.image)?.begun_with(fact.clone()))
    }

    /// Remembers how the case of an image in `namespace` begins.
    pub(super) fn keep(&mut self, namespace: &str, fact: &ImageFact, case: &ImageCase) {
        if self.count() >= MOST {
            self.clear();
        }
        let here = self.known.entry(namespace.to_owned()).or_default();
        here.insert(Arc::clone(&fact.image), case.clone());
    }

    /// Drops what other policies or another bundle asked for.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    fn count(&self) -> usize {
        self.known.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::messages::admission::ContainerList;

    use super::*;

    fn image(number: usize) -> ImageFact {
        ImageFact {
            container: number.to_string().into(),
            image: format!("r.example/{number}:1").into(),
            list: ContainerList::Main,
            pointer: format!("/spec/containers/{number}/image").into(),
        }
    }

    #[test]
    fn a_plan_is_found_in_its_namespace_alone_and_few_are_kept() {
        let mut plans = Plans::default();
        for number in 0..=MOST {
            let fact = image(number);
            plans.keep("shop", &fact, &ImageCase::unchanged(&fact));
            assert!(plans.find("shop", &fact).is_some());
            assert!(plans.find("other", &fact).is_none());
            assert!(plans.count() <= MOST);
        }
        assert!(plans.find("shop", &image(0)).is_none(), "they began anew");
        plans.clear();
        assert!(plans.find("shop", &image(MOST)).is_none());
    }
}
