//! Rules of bad content: what the real fetcher and the real verifier make of every class, at first
//! contact and when they know better.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile {
    pub mod replica;
    pub mod shelf;
}

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use hostile::replica::{Replica, Verdict};
use hostile::shelf::{EVIL, Shelf, shelves};
use portreeve_lab::{Collection, Documents, Keys, LabError};
use portreeve_protocol::DenyCode;
use portreeve_simulations::hostile::{Hostile, LEAP, Mark, Material, Nature, faultless, serve};

/// All of them.
const NATURES: [Nature; 4] = [Nature::Refused, Nature::Harmless, Nature::Genuine, Nature::Impostor];

type Contents = Vec<(Hostile, Result<Documents, LabError>)>;

/// Every shelf, and what every class makes of it.
static SERVED: LazyLock<Vec<(Shelf, Contents)>> = LazyLock::new(|| {
    let contents = |shelf: &Shelf| {
        let served = |class: &Hostile| (*class, serve(*class, &shelf.material()));
        Hostile::ALL.iter().map(served).collect()
    };
    let both = |shelf| {
        let contents = contents(&shelf);
        (shelf, contents)
    };
    shelves().into_iter().map(both).collect()
});

/// Has `judge` look at what every class of these natures comes to on every shelf, and tells all
/// that it objects to at once.
fn hold(natures: &[Nature], judge: impl Fn(Hostile, &Shelf, &Documents, &mut Vec<String>)) {
    let mut objections = Vec::new();
    for (shelf, contents) in SERVED.iter() {
        for (class, documents) in contents {
            let mut found = Vec::new();
            match documents {
                Ok(_) if !natures.contains(&class.nature()) => {}
                Ok(documents) => judge(*class, shelf, documents, &mut found),
                Err(error) => found.push(error.to_string()),
            }
            let case = |what: String| format!("{} {}: {what}", shelf.name, class.id());
            objections.extend(found.into_iter().map(case));
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
                objections.push(format!("{when} {tag} {signer:?}: {verdict:?}"));
            }
        });
    });
}

#[test]
fn refused_content_is_denied_by_a_code_of_its_class_where_roles_are_strict() {
    hold(&[Nature::Refused], |class, shelf, documents, objections| {
        // A collection that never had the role is denied for that, whatever is served.
        if shelf.signers_of("1.0").is_empty() {
            return;
        }
        let verdict = shelf.strict_verdict(&Replica::new(shelf).resolve(documents, "1.0"));
        let fine = matches!(&verdict, Verdict::Denied(code, _) if class.codes().contains(code));
        if !fine {
            objections.push(format!("{verdict:?}"));
        }
    });
}

#[test]
fn harmless_content_is_allowed_as_the_genuine_is() {
    hold(&[Nature::Harmless], |_, shelf, documents, objections| {
        ask(shelf, documents, |when, tag, signer, verdict| {
            if *verdict != Verdict::Allowed(shelf.newest(tag)) {
                objections.push(format!("{when} {tag} {signer:?}: {verdict:?}"));
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
                objections.push(format!("{when} {tag} {signer:?}: {verdict:?}"));
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
                objections.push(format!("{when} {tag} {signer:?}: {verdict:?}"));
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
                objections.push(format!("{verdict:?}"));
            }
        }
    });
}

/// What the replica makes of `documents`, and then of the genuine publication.
fn before_and_after(shelf: &Shelf, documents: &Documents, knows: bool) -> (Replica, Verdict) {
    let mut replica = Replica::new(shelf);
    if knows {
        replica.resolve(&shelf.served, "1.0");
    }
    replica.resolve(documents, "1.0");
    let after = shelf.verdict(&replica.resolve(&shelf.served, "1.0"), None);
    (replica, after)
}

#[test]
fn content_that_leaves_no_mark_is_followed_by_the_genuine() {
    hold(&NATURES, |class, shelf, documents, objections| {
        for knows in [false, true] {
            let (_, after) = before_and_after(shelf, documents, knows);
            let unmarked = match class.mark() {
                Mark::Passing => true,
                Mark::Versions => false,
                Mark::Root => knows && class.nature() == Nature::Impostor,
            };
            if unmarked && after != Verdict::Allowed(shelf.newest("1.0")) {
                objections.push(format!("known: {knows}, {after:?}"));
            }
        }
    });
}

#[test]
fn a_mark_is_left_where_a_class_says_so() {
    let marked = RefCell::new(BTreeSet::new());
    hold(&NATURES, |class, shelf, documents, _| {
        if class.mark() != Mark::Passing {
            let (_, after) = before_and_after(shelf, documents, false);
            if after != Verdict::Allowed(shelf.newest("1.0")) {
                marked.borrow_mut().insert(class);
            }
        }
    });
    let said = Hostile::ALL.iter().copied().filter(|class| class.mark() != Mark::Passing);
    assert_eq!(marked.into_inner(), said.collect());
}

#[test]
fn versions_that_somebody_used_up_are_passed_by_a_leap() {
    let mut published = BTreeMap::new();
    for mut shelf in shelves() {
        shelf.collection.leap(LEAP);
        published.insert(shelf.name, shelf.collection.publish(shelf.now).unwrap().clone());
    }
    hold(&NATURES, |class, shelf, documents, objections| {
        for knows in [false, true] {
            let (mut replica, _) = before_and_after(shelf, documents, knows);
            let after = shelf.verdict(&replica.resolve(&published[shelf.name], "1.0"), None);
            let passed = class.mark() != Mark::Root;
            if passed && after != Verdict::Allowed(shelf.newest("1.0")) {
                objections.push(format!("known: {knows}, {after:?}"));
            }
        }
    });
}

#[test]
fn the_same_material_gives_the_same_bytes() {
    for (shelf, (_, contents)) in shelves().iter().zip(SERVED.iter()) {
        for (class, documents) in contents {
            let again = serve(*class, &shelf.material());
            assert!(documents.as_ref().ok() == again.as_ref().ok() && again.is_ok(), "{class:?}");
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
