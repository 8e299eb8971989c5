//! Keys of seals that change while they are in use.

use std::time::Duration;

use portreeve_protocol::Sha256;
use slog::{Logger, error, info, warn};
use tokio::task::JoinHandle;

use super::{KeyFile, Sealer};
use crate::HostError;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Follows the file of keys; ends when it is dropped.
#[derive(Debug)]
pub struct KeyWatch {
    task: Option<JoinHandle<()>>,
}

impl KeyWatch {
    /// Puts the keys of `file` in force, and whatever the file holds later. Without a file nothing
    /// is sealed, and everything is verified. Call it within a tokio runtime.
    ///
    /// # Errors
    /// `SealKeys` if the file cannot be used now. Later, the keys in force stay.
    pub fn start(file: Option<KeyFile>, sealer: &Sealer, log: &Logger) -> Result<Self, HostError> {
        let Some(file) = file else {
            warn!(
                log,
                "there is no key to seal with: nothing is sealed, and recovery depends on \
                the trust servers"
            );
            return Ok(Self { task: None });
        };
        let digest = put_in_force(&file, sealer)?;
        let (sealer, log) = (sealer.clone(), log.clone());
        Ok(Self { task: Some(tokio::spawn(follow(file, digest, sealer, log))) })
    }
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Digest of the ids of the keys, which tell whether they are others.
fn put_in_force(file: &KeyFile, sealer: &Sealer) -> Result<Sha256, HostError> {
    let keys = file.read()?;
    let ids: Vec<&str> = keys.ids().map(super::KeyId::as_str).collect();
    let digest = Sha256::of(ids.join(" ").as_bytes());
    sealer.replace(keys);
    Ok(digest)
}

async fn follow(file: KeyFile, mut digest: Sha256, sealer: Sealer, log: Logger) {
    let mut failed = false;
    loop {
        tokio::time::sleep(LOOK).await;
        match put_in_force(&file, &sealer) {
            Ok(found) => {
                if found != digest {
                    // Whoever changes keys waits until every replica says so.
                    let ids: Vec<_> = sealer.keys().ids().map(ToString::to_string).collect();
                    info!(log, "other keys of seals are in force"; "current" => ids.first(),
                        "all" => ids.join(" "));
                }
                (digest, failed) = (found, false);
            }
            Err(why) => {
                if !failed {
                    error!(log, "the keys of seals stay as they were"; "why" => why.to_string());
                }
                failed = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::{fs, io};

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use portreeve_protocol::seal::{SealClaims, SealFact, SealFault};

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// Puts a Secret's member in place as the kubelet does: the whole new directory, then one
    /// rename of the link that every file goes by.
    fn mount(volume: &Path, version: u8, keys: &[u8]) -> io::Result<()> {
        let directory = format!("..version-{version}");
        fs::create_dir(volume.join(&directory))?;
        let lines = keys.iter().map(|byte| STANDARD.encode([*byte; 32]) + "\n");
        fs::write(volume.join(&directory).join("seal.key"), lines.collect::<String>())?;
        symlink(&directory, volume.join("..data_tmp"))?;
        fs::rename(volume.join("..data_tmp"), volume.join("..data"))?;
        match symlink("..data/seal.key", volume.join("seal.key")) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        if let Some(old) = version.checked_sub(1).filter(|old| *old > 0) {
            fs::remove_dir_all(volume.join(format!("..version-{old}")))?;
        }
        Ok(())
    }

    fn claims() -> SealClaims {
        SealClaims {
            generations: Vec::new(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    #[test]
    fn a_mounted_secret_is_followed_while_its_keys_are_added_switched_and_removed() -> Outcome {
        let volume = tempfile::tempdir()?;
        let file = KeyFile::at(&volume.path().join("seal.key"));
        let sealer = Sealer::default();
        let current = |sealer: &Sealer| sealer.keys().current().map(ToString::to_string);
        mount(volume.path(), 1, &[1])?;
        let first = put_in_force(&file, &sealer)?;
        let (old_key, old) = (current(&sealer), sealer.seal(&claims()).ok_or("a seal")?);

        mount(volume.path(), 2, &[1, 2])?;
        let second = put_in_force(&file, &sealer)?;
        assert_ne!(first, second, "a key on standby is news");
        assert_eq!(current(&sealer), old_key);
        assert_eq!(sealer.seal(&claims()).as_ref(), Some(&old));

        mount(volume.path(), 3, &[2, 1])?;
        put_in_force(&file, &sealer)?;
        let new = sealer.seal(&claims()).ok_or("a seal")?;
        assert_ne!(new, old);
        assert!(matches!(sealer.check(&old), SealFact::Valid(_)));

        mount(volume.path(), 4, &[2])?;
        put_in_force(&file, &sealer)?;
        assert_eq!(sealer.check(&old), SealFact::Invalid(SealFault::UnknownKey));
        assert!(matches!(sealer.check(&new), SealFact::Valid(_)));

        fs::remove_file(volume.path().join("..data"))?;
        assert!(put_in_force(&file, &sealer).is_err());
        assert!(matches!(sealer.check(&new), SealFact::Valid(_)), "the keys in force stay");
        Ok(())
    }
}
