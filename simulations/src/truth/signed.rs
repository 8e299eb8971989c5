//! Whether a digest was signed for a tag, by whom, and when that was served.

use std::collections::BTreeSet;

use portreeve_protocol::{Mono, Sha256, Wall};

use super::{Edition, Served, Shelf, Truth};
use crate::hostile::Nature;

/// What must have been signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The digest.
    pub digest: Sha256,
    /// The collection.
    pub gun: &'a str,
    /// Whether what an impostor serves may be believed: the replica had no root of the collection
    /// when it first asked, or has the impostor's since.
    pub impostor: bool,
    /// Sets of ids of root keys, of each of which one must have signed the root.
    pub pins: &'a [&'a BTreeSet<Sha256>],
    /// The trust server.
    pub server: &'a str,
    /// Names of those who must have signed, with the seeds of their keys.
    pub signers: &'a BTreeSet<(String, u64)>,
    /// Whether the collection must have a role that releases images.
    pub strict: bool,
    /// The tag.
    pub tag: &'a str,
    /// A wall time by which nothing of it may have expired.
    pub unexpired: Option<Wall>,
}

impl Truth {
    /// Whether it was signed in what was served at some instant from `from` to `to`, both included.
    #[must_use]
    pub fn signed(&self, signing: &Signing<'_>, from: Mono, to: Mono) -> bool {
        let key = (signing.server.to_owned(), signing.gun.to_owned());
        self.collections.get(&key).is_some_and(|shelf| {
            let mut served = shelf.between(from, to);
            served.any(|(at, what)| shelf.serves(at.max(from).min(to), to, what, signing))
        })
    }

    /// Whether an impostor served the collection at some instant from `from` to `to`.
    #[must_use]
    pub fn impostor(&self, server: &str, gun: &str, from: Mono, to: Mono) -> bool {
        let shelf = self.collections.get(&(server.to_owned(), gun.to_owned()));
        shelf.is_some_and(|shelf| {
            shelf.between(from, to).any(|(_, what)| {
                matches!(what, Served::Bad { class, .. } if class.nature() == Nature::Impostor)
            })
        })
    }

    /// Whether all that was served of the collection from `from` to `to` is an edition, and the
    /// newest one at that.
    #[must_use]
    pub fn honest(&self, server: &str, gun: &str, from: Mono, to: Mono) -> bool {
        let shelf = self.collections.get(&(server.to_owned(), gun.to_owned()));
        shelf.is_some_and(|shelf| {
            let newest = shelf.place_by(to);
            shelf.between(from, to).all(|(_, what)| match what {
                Served::Edition(place) => Some(*place) == newest,
                Served::Bad { .. } | Served::Nothing => false,
            })
        })
    }
}

impl Shelf {
    /// What was served at some instant from `from` to `to`, with since when.
    pub fn between(&self, from: Mono, to: Mono) -> impl Iterator<Item = (Mono, &Served)> {
        let untils = self.served.iter().skip(1).map(|stand| Some(stand.from)).chain([None]);
        self.served
            .iter()
            .zip(untils)
            .filter(move |(stand, until)| {
                stand.from <= to && until.is_none_or(|until| until >= from)
            })
            .map(|(stand, _)| (stand.from, &stand.what))
    }

    /// The last edition published by `at`.
    #[must_use]
    pub fn last_by(&self, at: Mono) -> Option<&Edition> {
        self.place_by(at).and_then(|place| self.editions.get(place))
    }

    fn place_by(&self, at: Mono) -> Option<usize> {
        self.editions.iter().rposition(|edition| edition.at <= at)
    }

    /// Whether the edition at `place` holds what must have been signed, for a replica that may have
    /// followed the collection since it was begun: whose root a pinned key signed then, and which
    /// knows the roles that were there then.
    fn holds(&self, place: usize, signing: &Signing<'_>) -> bool {
        let Some(edition) = self.editions.get(place) else { return false };
        let line = || {
            let begun = self.editions[..=place].iter().rposition(|edition| edition.fresh);
            self.editions[begun.unwrap_or_default()..=place].iter()
        };
        edition.says(signing)
            && signing.pins.iter().all(|pins| line().any(|one| !pins.is_disjoint(&one.root_keys)))
            && (!signing.strict || line().any(Edition::releases))
    }

    fn serves(&self, at: Mono, to: Mono, what: &Served, signing: &Signing<'_>) -> bool {
        // Bad content has dates of its own.
        let undated = Signing { unexpired: None, ..*signing };
        match what {
            Served::Nothing => false,
            Served::Edition(index) => self.holds(*index, signing),
            Served::Bad { class, evil } => match class.nature() {
                Nature::Refused => false,
                Nature::Harmless => {
                    self.place_by(at).is_some_and(|place| self.holds(place, &undated))
                }
                Nature::Genuine => {
                    let last = self.place_by(to).map_or(0, |place| place + 1);
                    (0..last).any(|place| self.holds(place, &undated))
                }
                // Nobody else can sign with the keys of those who are asked for, or pinned.
                Nature::Impostor => {
                    let anybody = signing.signers.is_empty() && signing.pins.is_empty();
                    signing.impostor && anybody && *evil == signing.digest
                }
            },
        }
    }
}

impl Edition {
    /// Whether it holds what must have been signed, for a replica that knows nothing of editions
    /// before.
    #[must_use]
    pub fn holds(&self, signing: &Signing<'_>) -> bool {
        self.says(signing)
            && signing.pins.iter().all(|pins| !pins.is_disjoint(&self.root_keys))
            && (!signing.strict || self.releases())
    }

    /// Whether it has the role that releases images for sure: once it is there, it stays.
    fn releases(&self) -> bool {
        self.tags.values().any(|tag| !tag.signers.is_empty())
    }

    /// Whether the tag is signed with the digest, by all who are asked for.
    fn says(&self, signing: &Signing<'_>) -> bool {
        let Some(tag) = self.tags.get(signing.tag) else { return false };
        let by = |(name, seed): &(String, u64)| {
            tag.signers.contains(name) && self.signers.get(name) == Some(seed)
        };
        tag.digest == signing.digest
            && signing.signers.iter().all(by)
            && signing.unexpired.is_none_or(|wall| self.expires >= wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::Hostile;
    use crate::oracle::sample;
    use crate::truth::Stand;

    fn evil() -> Sha256 {
        Sha256::of(b"evil")
    }

    fn alice() -> BTreeSet<(String, u64)> {
        [("alice".to_owned(), sample::ALICE)].into()
    }

    fn signing<'a>(digest: Sha256, signers: &'a BTreeSet<(String, u64)>) -> Signing<'a> {
        Signing {
            digest,
            gun: sample::GUN,
            impostor: false,
            pins: &[],
            server: sample::SERVER,
            signers,
            strict: false,
            tag: "1.0",
            unexpired: None,
        }
    }

    /// The truth of the sample, and from 100 on something else instead.
    fn served(what: Served) -> Truth {
        let mut truth = sample::truth();
        for shelf in truth.collections.values_mut() {
            shelf.served.push(Stand { from: Mono(100), what: what.clone() });
        }
        truth
    }

    fn bad(nature: Nature) -> Option<Served> {
        let class = Hostile::ALL.iter().find(|class| class.nature() == nature)?;
        Some(Served::Bad { class: *class, evil: evil() })
    }

    #[test]
    fn signed_is_what_all_who_are_asked_for_signed_with_their_own_keys() {
        let truth = sample::truth();
        let signed = |signers: &BTreeSet<(String, u64)>, digest| {
            truth.signed(&signing(digest, signers), Mono(0), Mono(9))
        };
        let good = sample::digest();
        assert!(signed(&alice(), good) && signed(&BTreeSet::new(), good));
        assert!(!signed(&[("alice".to_owned(), 99)].into(), good));
        assert!(!signed(&[("bob".to_owned(), sample::ALICE)].into(), good));
        assert!(!signed(&alice(), evil()));
    }

    #[test]
    fn what_was_served_before_or_after_does_not_count() {
        let truth = served(Served::Nothing);
        let (signers, good) = (alice(), sample::digest());
        let signed = |from, to| truth.signed(&signing(good, &signers), Mono(from), Mono(to));
        assert!(signed(0, 50) && signed(50, 150) && signed(100, 150));
        assert!(!signed(101, 150));
    }

    #[test]
    fn bad_content_lets_in_what_its_nature_says() {
        let (signers, nobody) = (alice(), BTreeSet::new());
        let later = |nature: Nature, signing: &Signing<'_>| {
            bad(nature).is_some_and(|what| served(what).signed(signing, Mono(101), Mono(200)))
        };
        let good = signing(sample::digest(), &signers);
        assert!(!later(Nature::Refused, &good) && later(Nature::Harmless, &good));
        assert!(later(Nature::Genuine, &good) && !later(Nature::Impostor, &good));
        let wicked = signing(evil(), &nobody);
        assert!(!later(Nature::Impostor, &wicked));
        assert!(later(Nature::Impostor, &Signing { impostor: true, ..wicked }));
        let asked = signing(evil(), &signers);
        assert!(!later(Nature::Impostor, &Signing { impostor: true, ..asked }));
    }

    #[test]
    fn pins_and_expiry_are_held_against_the_edition() {
        let (truth, signers) = (sample::truth(), alice());
        let plain = signing(sample::digest(), &signers);
        let signed = |signing: &Signing<'_>| truth.signed(signing, Mono(0), Mono(9));
        let (right, wrong) = (BTreeSet::from([sample::root_key()]), BTreeSet::from([evil()]));
        assert!(signed(&Signing { pins: &[&right], ..plain }));
        assert!(!signed(&Signing { pins: &[&right, &wrong], ..plain }));
        assert!(!signed(&Signing { unexpired: Some(Wall(i64::MAX)), ..plain }));
    }

    #[test]
    fn a_server_is_honest_while_it_serves_the_newest_edition() {
        let honest = |truth: &Truth, from, to| {
            truth.honest(sample::SERVER, sample::GUN, Mono(from), Mono(to))
        };
        assert!(honest(&sample::truth(), 0, 500));
        assert!(!honest(&served(Served::Nothing), 0, 500));
        assert!(honest(&served(Served::Edition(0)), 0, 500));
    }
}
