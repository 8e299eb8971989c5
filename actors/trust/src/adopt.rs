//! Taking over the trust directory of a Notary client as prior state
//! (Notary `client/tufclient.go:bootstrapClient, tryLoadRemote`; the layout of the directory is
//! that of `client/client.go:NewFileCachedRepository`).

use std::collections::BTreeMap;

use portreeve_protocol::evidence::{Floors, TrustedCollection};
use portreeve_protocol::limits::{DELEGATIONS, SMALL_DOCUMENT_BYTES, TARGETS_BYTES};
use portreeve_protocol::{Blob, Denial, DenyCode};

use crate::envelope::Envelope;
use crate::error::TrustError;
use crate::floors;
use crate::role::{ROOT, RoleKeys, SNAPSHOT, TARGETS, TIMESTAMP};
use crate::root::Root;
use crate::signature;
use crate::snapshot::{Snapshot, Timestamp};
use crate::targets::{Delegation, Targets};

/// The state of `gun` at `server` that the files of a trust directory stand for, by full role name;
/// `None` without a root, for nothing else says anything then.
///
/// The root must carry itself; what time it is plays no part, for it may be expired if it has
/// successors. The other files set floors and spare fetches as far as the root's keys signed them,
/// and are passed over if they are spoilt, as the real client fetches them again. Unlike there, a
/// file is a floor by itself, also where the file that names it is lost.
///
/// # Errors
/// `StateSpoilt` if the root is not one for `gun`.
pub fn adopt(
    gun: &str,
    server: &str,
    files: &BTreeMap<String, Blob>,
) -> Result<Option<TrustedCollection>, Denial> {
    let Some(blob) = files.get(ROOT) else { return Ok(None) };
    let root = Root::kept(blob, gun).map_err(|error| {
        let detail = format!("the root kept for {gun} cannot be used: {error}");
        Denial::new(DenyCode::StateSpoilt, detail)
    })?;
    let [root_keys, timestamp, snapshot, targets] = root.roles();
    let mut found = Found { documents: Vec::new(), files, floors: Floors::new() };
    let floor = floors::of(root_keys, root.header.version, root.content);
    found.floors.insert(ROOT.to_owned(), floor);
    // A file that is spoilt is as good as lost.
    let current = found.timestamp(timestamp).unwrap_or_default();
    found.snapshot(snapshot).unwrap_or_default();
    found.targets(targets);
    Ok(Some(TrustedCollection {
        documents: found.documents,
        first_use: true,
        floors: found.floors,
        gun: gun.to_owned(),
        namespace: String::new(),
        root: blob.clone(),
        server: server.to_owned(),
        timestamp: current,
    }))
}

/// What was found in the directory so far.
struct Found<'a> {
    documents: Vec<Blob>,
    files: &'a BTreeMap<String, Blob>,
    floors: Floors,
}

impl Found<'_> {
    fn timestamp(&mut self, keys: &RoleKeys) -> Result<Option<Blob>, TrustError> {
        let Some(blob) = self.files.get(TIMESTAMP) else { return Ok(None) };
        let envelope = Envelope::read(TIMESTAMP, blob, SMALL_DOCUMENT_BYTES)?;
        envelope.verify(keys, signature::ANEW)?;
        let version = Timestamp::read(&envelope.signed)?.header.version;
        let floor = floors::of(keys, version, envelope.content());
        self.floors.insert(TIMESTAMP.to_owned(), floor);
        Ok(Some(blob.clone()))
    }

    fn snapshot(&mut self, keys: &RoleKeys) -> Result<(), TrustError> {
        let Some(blob) = self.files.get(SNAPSHOT) else { return Ok(()) };
        let envelope = Envelope::read(SNAPSHOT, blob, SMALL_DOCUMENT_BYTES)?;
        envelope.verify(keys, signature::ANEW)?;
        let version = Snapshot::read(&envelope.signed)?.header.version;
        self.take(SNAPSHOT, blob, keys, version, &envelope);
        Ok(())
    }

    /// Targets, then the delegations whose parents are there, depth first.
    fn targets(&mut self, keys: &RoleKeys) {
        let mut stack = vec![(TARGETS.to_owned(), keys.clone())];
        let mut visited = 0;
        while let Some((role, keys)) = stack.pop() {
            visited += 1;
            if visited > DELEGATIONS + 1 {
                return;
            }
            let children = self.delegations(&role, &keys).unwrap_or_default();
            stack.extend(children.into_iter().map(|child| (child.name, child.keys)));
        }
    }

    fn delegations(&mut self, role: &str, keys: &RoleKeys) -> Result<Vec<Delegation>, TrustError> {
        let Some(blob) = self.files.get(role) else { return Ok(Vec::new()) };
        let envelope = Envelope::read(role, blob, TARGETS_BYTES)?;
        envelope.verify(keys, signature::ANEW)?;
        let targets = Targets::read(role, &envelope.signed, &Default::default())?;
        self.take(role, blob, keys, targets.header.version, &envelope);
        Ok(targets.delegations)
    }

    fn take(&mut self, role: &str, blob: &Blob, keys: &RoleKeys, version: u64, of: &Envelope) {
        let floor = floors::of(keys, version, of.content());
        self.floors.insert(role.to_owned(), floor);
        if !self.documents.iter().any(|known| known.digest() == blob.digest()) {
            self.documents.push(blob.clone());
        }
        self.documents.sort_by_key(Blob::digest);
    }
}
