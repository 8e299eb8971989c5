//! Rules of bad content: what the real fetcher and the real verifier make of every class, at first
//! contact and when they know better.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile {
    pub mod replica;
    pub mod shelf;
}

use std::collections::BTreeSet;

use hostile::replica::{Replica, Verdict};
use hostile::shelf::{EVIL, Shelf, shelves};
use portreeve_lab::{Collection, Documents, Keys, LabError};
use portreeve_protocol::DenyCode;
use portreeve_simulations::hostile::{Hostile, Material, Nature, faultless, serve};

/// Has `judge` look at what every class of these natures comes to on every shelf, and tells all that
/// it objects to at once.
fn hold(natures: &[Nature], judge: impl Fn(Hostile, &Shelf, &Documents, &mut Vec<String>)) {
    let mut objections = Vec::new();
    for shelf in shelves() {
        for &class in Hostile::ALL.iter().filter(|class| natures.contains(&class.nature())) {
            match serve(class, &shelf.material()) {
                Ok(documents) => judge(class, &shelf, &documents, &mut objections),
                Err(error) => objections.push(format!("{} {}: {error}", shelf.name, class.id())),
            }
        }
    }
    assert!(objections.is_empty(), "{} objections:\n{}", objections.len(), objections.join("\n"));
}

/// Has a replica that knows nothing, and one that knows the genuine publication, look at documents;
/// `judge` is told each verdict with the tag and the signer demanded.
fn ask(
    shelf: &Shelf,
    documents: &Documents,
    mut judge: impl FnMut(&str, &str, Option<&str>, &Verdict),
) {
    for knows in [false, true] {
        let mut replica = Replica::new(shelf);
        if knows {
            replica.resolve(&shelf.served, "1.0");
        }
        let when = if knows { "known" } else { "first contact" };
        for tag in shelf.tags.keys() {
            let outcome = replica.resolve(documents, tag);
            judge(when, tag, None, &shelf.verdict(&outcome, None));
            for signer in shelf.signers_of(tag) {
                judge(when, tag, Some(signer), &shelf.verdict(&outcome, Some(signer)));
            }
        }
    }
}

#[test]
fn content_without_a_fault_is_allowed_so_that_all_hangs_on_the_fault() {
    for shelf in shelves() {
        let documents = faultless(&shelf.material()).unwrap();
        ask(&shelf, &documents, |when, tag, signer, verdict| {
            let case = format!("{} {when} {tag} {signer:?}", shelf.name);
            assert_eq!(*verdict, Verdict::Allowed(EVIL()), "{case}");
        });
    }
}

#[test]
fn refused_content_allows_nothing_and_is_denied_by_a_code_of_its_class() {
    hold(&[Nature::Refused], |class, shelf, documents, objections| {
        ask(shelf, documents, |when, tag, signer, verdict| {
            let fine = matches!(verdict, Verdict::Denied(code, _) if class.codes().contains(code));
            if !fine {
                let id = class.id();
                objections
                    .push(format!("{} {id} {when} {tag} {signer:?}: {verdict:?}", shelf.name));
            }
        });
    });
}

#[test]
fn harmless_content_is_allowed_as_the_genuine_is() {
    hold(&[Nature::Harmless], |class, shelf, documents, objections| {
        ask(shelf, documents, |when, tag, signer, verdict| {
            if *verdict != Verdict::Allowed(shelf.newest(tag)) {
                let id = class.id();
                objections
                    .push(format!("{} {id} {when} {tag} {signer:?}: {verdict:?}", shelf.name));
            }
        });
    });
}

#[test]
fn genuine_content_gives_only_images_that_were_genuinely_signed() {
    hold(&[Nature::Genuine], |class, shelf, documents, objections| {
        ask(shelf, documents, |when, tag, signer, verdict| {
            let fine = match verdict {
                Verdict::Allowed(digest) => shelf.tags[tag].contains(digest),
                Verdict::Denied(code, _) => class.codes().contains(code),
            };
            if !fine {
                let id = class.id();
                objections
                    .push(format!("{} {id} {when} {tag} {signer:?}: {verdict:?}", shelf.name));
            }
        });
    });
}

#[test]
fn an_impostor_takes_in_only_a_replica_that_knows_no_root_and_no_signer() {
    hold(&[Nature::Impostor], |class, shelf, documents, objections| {
        ask(shelf, documents, |when, tag, signer, verdict| {
            let fine = match verdict {
                Verdict::Allowed(digest) => {
                    *digest == EVIL() && when == "first contact" && signer.is_none()
                }
                Verdict::Denied(code, _) => {
                    class.codes().contains(code) && (when == "known" || signer.is_some())
                }
            };
            if !fine {
                let id = class.id();
                objections
                    .push(format!("{} {id} {when} {tag} {signer:?}: {verdict:?}", shelf.name));
            }
        });
    });
}

#[test]
fn an_impostor_is_refused_at_first_contact_where_the_root_is_pinned_or_must_be() {
    hold(&[Nature::Impostor], |class, shelf, documents, objections| {
        let mut settings = [shelf.settings(), shelf.settings()];
        settings[0].pins.insert(shelf.gun.clone(), [shelf.collection.root_key().id()].into());
        settings[1].require_pins = true;
        let expected = [DenyCode::RootPinMismatch, DenyCode::RootUnpinned];
        for (settings, expected) in settings.into_iter().zip(expected) {
            let mut replica = Replica::with(shelf, settings);
            let outcome = replica.resolve(documents, "1.0");
            let verdict = shelf.verdict(&outcome, None);
            let fine = matches!(&verdict, Verdict::Denied(code, _) if *code == expected);
            if !fine || !class.codes().contains(&expected) {
                objections.push(format!("{} {}: {verdict:?}", shelf.name, class.id()));
            }
        }
    });
}

#[test]
fn a_replica_that_refused_content_takes_the_genuine_afterwards() {
    let natures = [Nature::Refused, Nature::Harmless, Nature::Genuine, Nature::Impostor];
    hold(&natures, |class, shelf, documents, objections| {
        for knows in [false, true] {
            let mut replica = Replica::new(shelf);
            if knows {
                replica.resolve(&shelf.served, "1.0");
            }
            let first = shelf.verdict(&replica.resolve(documents, "1.0"), None);
            let after = shelf.verdict(&replica.resolve(&shelf.served, "1.0"), None);
            // One that was allowed may last, if the class says so.
            let may_last = class.lasting()
                && (matches!(first, Verdict::Allowed(_)) || class.nature() == Nature::Genuine);
            if after != Verdict::Allowed(shelf.newest("1.0")) && !may_last {
                let id = class.id();
                objections.push(format!("{} {id} known: {knows}, {after:?}", shelf.name));
            }
        }
    });
}

#[test]
fn a_class_that_lasts_does_so_somewhere() {
    let shelves = shelves();
    for &class in Hostile::ALL.iter().filter(|class| class.lasting()) {
        let lasts = shelves.iter().any(|shelf| {
            let documents = serve(class, &shelf.material()).unwrap();
            let mut replica = Replica::new(shelf);
            replica.resolve(&documents, "1.0");
            let after = shelf.verdict(&replica.resolve(&shelf.served, "1.0"), None);
            after != Verdict::Allowed(shelf.newest("1.0"))
        });
        assert!(lasts, "{}", class.id());
    }
}

#[test]
fn versions_that_somebody_used_up_are_passed_by_a_leap() {
    for class in [Hostile::PrettyEverything, Hostile::EquivocationTargets, Hostile::RolesIdle] {
        for mut shelf in shelves() {
            let documents = serve(class, &shelf.material()).unwrap();
            let mut replica = Replica::new(&shelf);
            replica.resolve(&documents, "1.0");
            shelf.collection.leap(2);
            let published = shelf.collection.publish(shelf.now).unwrap().clone();
            let after = shelf.verdict(&replica.resolve(&published, "1.0"), None);
            assert_eq!(after, Verdict::Allowed(shelf.newest("1.0")), "{} {class:?}", shelf.name);
        }
    }
}

#[test]
fn the_same_material_gives_the_same_bytes() {
    for (one, other) in shelves().into_iter().zip(shelves()) {
        for &class in Hostile::ALL {
            let (one, other) = (one.material(), other.material());
            assert_eq!(serve(class, &one).unwrap(), serve(class, &other).unwrap(), "{class:?}");
        }
    }
}

#[test]
fn a_class_has_one_id_which_files_use_too_and_says_what_it_is() {
    let mut ids = BTreeSet::new();
    for &class in Hostile::ALL {
        let id = class.id();
        assert!(ids.insert(id), "{id}");
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
        );
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<Hostile>(&format!("\"{id}\"")).unwrap(), class);
        let variant = format!("{class:?}").to_lowercase();
        assert_eq!(id.replace('-', ""), variant);
        assert!(class.meaning().ends_with('.'), "{id}");
        assert_eq!(class.codes().is_empty(), class.nature() == Nature::Harmless, "{id}");
    }
    assert!(ids.len() >= 50);
}

#[test]
fn what_was_never_published_cannot_be_forged() {
    let now = shelves()[0].now;
    let collection = Collection::new("registry.example/new", Keys::deterministic(1), now).unwrap();
    let served = Documents::new();
    let material =
        Material { collection: &collection, evil: EVIL(), history: &[], now, served: &served };
    let refused = serve(Hostile::UnsignedTargets, &material);
    assert!(
        matches!(&refused, Err(LabError::Unpublished { document, .. }) if document == "timestamp")
    );
}

#[test]
fn where_nothing_is_served_the_last_publication_is_forged() {
    let shelf = &shelves()[0];
    let served = Documents::new();
    let material = Material { served: &served, ..shelf.material() };
    let forged = serve(Hostile::UnsignedTargets, &material).unwrap();
    assert_eq!(forged, serve(Hostile::UnsignedTargets, &shelf.material()).unwrap());
}
