//! Image references as people write them.

use super::estate::{Estate, UNCOVERED, digest};
use super::mix::{Mix, Odd};
use super::spelling;
use crate::rng::Rng;

/// An image reference: mostly of a tag that is signed, or will be.
pub(super) fn reference(estate: &Estate, mix: &Mix, rng: &mut Rng) -> String {
    if mix.now(Odd::Blank, rng) {
        return if rng.chance(500) { String::new() } else { " ".to_owned() };
    }
    if mix.now(Odd::Uncovered, rng) {
        return format!("{UNCOVERED}/team/app:1.0");
    }
    let repository = estate.repository(rng);
    let gun = &repository.gun;
    if mix.now(Odd::BadReference, rng) {
        return format!("{gun}/UPPER//twice:1.0");
    }
    if mix.now(Odd::Digest512, rng) {
        return format!("{gun}@sha512:{}", "0a".repeat(64));
    }
    if mix.now(Odd::UnsignedRepository, rng) {
        return format!("{gun}-unsigned{}:1.0", rng.below(3));
    }
    let name = if rng.chance(200) { spelling::repository(gun, rng) } else { gun.clone() };
    if mix.now(Odd::UnsignedTag, rng) {
        return format!("{name}:never{}", rng.below(3));
    }
    // The first tag is signed from the start, some of the others may be signed later.
    let tag = if rng.chance(750) { repository.tags.first() } else { rng.pick(&repository.tags) };
    let tag = tag.map_or("1.0", String::as_str);
    let other = mix.now(Odd::WrongDigest, rng);
    if other || mix.now(Odd::RightDigest, rng) {
        let edition = if other { 9 } else { rng.below(2) };
        let digest = digest(gun, tag, edition).to_oci();
        // By its digest alone an image is looked for under `latest`.
        let tag = if rng.chance(800) { format!(":{tag}") } else { String::new() };
        return format!("{name}{tag}@{digest}");
    }
    match tag {
        "latest" if rng.chance(500) => name,
        _ => format!("{name}:{tag}"),
    }
}

/// The reference with another tag of its repository.
pub(super) fn other_tag(estate: &Estate, image: &str, rng: &mut Rng) -> String {
    let of = |gun: &str| image.strip_prefix(gun).is_some_and(|rest| rest.starts_with([':', '@']));
    let repository = estate.repositories.iter().find(|repository| of(&repository.gun));
    let tag = repository.and_then(|found| Some((&found.gun, rng.pick(&found.tags)?)));
    tag.map_or_else(|| image.to_owned(), |(gun, tag)| format!("{gun}:{tag}"))
}
