//! Directories, mounted ConfigMaps, and files that are none.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use portreeve_bundle::{Asked, Directory, Source, load};
use portreeve_protocol::bundle_reason::BundleCode;

use crate::forge::{Forge, NOW};

/// All files of a bundle side by side, as keys of a ConfigMap are.
fn flatten(forge: &Forge, into: &std::path::Path) {
    fs::create_dir_all(into).unwrap();
    for folder in ["metadata", "targets"] {
        for entry in fs::read_dir(forge.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, into.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[tokio::test]
async fn a_mounted_config_map_is_swapped_as_a_whole() {
    let forge = Forge::new().await;
    let given = forge.given();
    let mount = forge.dir.path().join("mount");
    flatten(&forge, &mount.join("..1"));
    symlink("..1", mount.join("..data")).unwrap();
    for entry in fs::read_dir(mount.join("..1")).unwrap() {
        let name = entry.unwrap().file_name();
        symlink(std::path::Path::new("..data").join(&name), mount.join(&name)).unwrap();
    }
    let asked = || Asked { before: None, given: &given, now: NOW, store: None };
    let held = Arc::new(Directory::now(&mount));
    assert_eq!(load(held.clone(), asked()).await.unwrap().message.versions.targets, 1);
    forge.add("registry.example/a").await;
    flatten(&forge, &mount.join("..2"));
    symlink("..2", mount.join("..new")).unwrap();
    fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
    // A load that had begun goes on with what it began with.
    assert_eq!(load(held.clone(), asked()).await.unwrap().message.versions.targets, 1);
    let next = load(Arc::new(Directory::now(&mount)), asked()).await.unwrap();
    assert_eq!(next.message.versions.targets, 2);
    // The kubelet has removed what is not linked any more: no file of it is taken for absent.
    fs::remove_dir_all(mount.join("..1")).unwrap();
    let error = load(held, asked()).await.unwrap_err();
    assert_eq!(error.code(), Some(BundleCode::RootUnread), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_unreachable_and_never_an_empty_bundle() {
    let forge = Forge::new().await;
    let given = forge.given();
    let nowhere = Arc::new(Directory::now(&forge.dir.path().join("nowhere")));
    let asked = Asked { before: None, given: &given, now: NOW, store: None };
    let error = load(nowhere, asked).await.unwrap_err();
    assert_eq!(error.code(), Some(BundleCode::RootUnread), "{error}");
}

#[tokio::test]
async fn a_device_in_the_place_of_a_file_is_not_read() {
    let forge = Forge::new().await;
    fs::remove_file(forge.path("metadata/timestamp.json")).unwrap();
    symlink("/dev/zero", forge.path("metadata/timestamp.json")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Unreachable);
    let source = Directory::now(forge.workshop.place());
    assert!(source.file("metadata/timestamp.json", 10).await.is_err());
}
