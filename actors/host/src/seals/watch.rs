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
                    let current = sealer.keys().current().map(ToString::to_string);
                    info!(log, "other keys of seals are in force"; "current" => current);
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
