//! Runs a journal again and compares.

use std::sync::Arc;

use portreeve_protocol::entry::{Checkpoint, Started};
use portreeve_protocol::{BlobSource, Entry, ProtocolError, RULES_VERSION, Record, Sha256};

use crate::chain::{At, Chain, Examined, Link, examine};
use crate::node::Node;
use crate::outstanding::OUTSTANDING;
use crate::start::{self, Before};
use crate::{Finding, FindingKind, Line, PathStep, Progress, ReplayError, Report};

/// Records between two calls of `progress`.
const STRIDE: u64 = 256;

/// Runs the journal again, up to its end or to the first thing that is wrong with it.
///
/// Every line is checked by itself (its hash, its canonical form) and against the line before;
/// every delivery's ids, clocks and cause are checked; then the machine is run and its effects and
/// decisions are compared. `progress` is called every few hundred records and once at the end.
/// What is wrong *in* the journal is the report's `first`. Behind a gap the state of the machines
/// is not known, so only the stateless verifiers are compared until the next start of the node.
///
/// # Errors
/// `Read` as handed in, `BlobUnread` if a blob cannot be read though it may be there, `TooMuch` if
/// more is outstanding than a node may have.
pub fn verify(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    blobs: &dyn BlobSource,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, ReplayError> {
    verify_examined(lines.map(|line| line.map(examine)), blobs, progress)
}

/// As [`verify`], for lines that were examined already, such as on another thread.
///
/// # Errors
/// As [`verify`].
pub fn verify_examined(
    lines: impl Iterator<Item = Result<Examined, ReplayError>>,
    blobs: &dyn BlobSource,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, ReplayError> {
    verify_within(OUTSTANDING, lines, blobs, progress)
}

/// Verifies with at most `limit` effects outstanding.
fn verify_within(
    limit: usize,
    lines: impl Iterator<Item = Result<Examined, ReplayError>>,
    blobs: &dyn BlobSource,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, ReplayError> {
    let mut replay = Replay { before: None, blobs, limit, node: None, report: Report::default() };
    let mut segment: Arc<str> = Arc::from("");
    let mut chain = Chain::new(lines);
    while let Some(link) = chain.next()? {
        match link {
            Link::Torn(torn) => {
                replay.report.torn = Some(torn);
                break;
            }
            Link::Broken { at, kind, text } => {
                replay.report.first = Some(Fault::new(kind, text).at(&at));
                break;
            }
            Link::Record { at, decisions, record } => {
                replay.report.removed |= replay.report.records == 0 && record.prev != Sha256::ZERO;
                if let Err(stop) = replay.record(*record, decisions.as_deref()) {
                    replay.report.first = Some(stop.at(&at, limit)?);
                    break;
                }
                replay.report.records += 1;
                segment = at.segment;
                if replay.report.records.is_multiple_of(STRIDE) {
                    let records = replay.report.records;
                    progress(&Progress { records, segment: Arc::clone(&segment) });
                }
            }
        }
    }
    progress(&Progress { records: replay.report.records, segment });
    Ok(replay.report)
}

struct Replay<'a> {
    before: Option<Before>,
    blobs: &'a dyn BlobSource,
    limit: usize,
    node: Option<Node>,
    report: Report,
}

impl Replay<'_> {
    /// `decisions` is the text of those that are missing in the record.
    fn record(&mut self, record: Record, decisions: Option<&str>) -> Result<(), Stop> {
        if let Entry::Started(started) = record.entry {
            return self.started(started);
        }
        if let Entry::Checkpoint(checkpoint) = record.entry {
            return self.checkpoint(*checkpoint);
        }
        let Some(node) = &mut self.node else {
            let text = "the journal does not begin with the start of a node";
            return Err(Fault::new(FindingKind::OrderBroken, text).into());
        };
        let report = &mut self.report;
        match record.entry {
            Entry::Answered(answered) => {
                for one in &answered {
                    node.answered(one)?;
                }
                report.answered += answered.len() as u64;
            }
            Entry::Delivered(mut delivered) => {
                let compared = node.delivered(&mut delivered, record.v, decisions, self.blobs)?;
                if node.outstanding() > self.limit {
                    return Err(Stop::TooMuch);
                }
                report.deliveries += 1;
                if compared {
                    report.decisions += delivered.decisions.len() as u64;
                } else {
                    report.unverified += 1;
                }
            }
            Entry::Gap(gap) => {
                node.gap(&gap);
                report.gaps += 1;
            }
            Entry::Panicked(panicked) => {
                node.panicked(&panicked)?;
                report.panics += 1;
            }
            // Taken out above.
            Entry::Checkpoint(_) | Entry::Started(_) => {}
        }
        Ok(())
    }

    /// A checkpoint must be what the records before it lead to. Where they are not here, or do not
    /// tell, the machines go on from it.
    fn checkpoint(&mut self, mut checkpoint: Checkpoint) -> Result<(), Stop> {
        let started = Arc::make_mut(&mut checkpoint.started);
        started.hydrate(self.blobs).map_err(blob_stop)?;
        let known = match &self.node {
            Some(node) => node.met(&checkpoint)?,
            None => false,
        };
        self.report.checkpoints += 1;
        if known {
            return Ok(());
        }
        let started = &checkpoint.started;
        if self.node.is_none() {
            if !self.report.removed {
                let text = "the journal does not begin with the start of a node";
                return Err(Fault::new(FindingKind::OrderBroken, text).into());
            }
            if started.rules != RULES_VERSION {
                self.report.different_rules.push(started.rules);
            }
            self.before = Some(Before {
                incarnation: started.incarnation,
                left: None,
                node: started.node.clone(),
            });
        }
        let resumed = Node::resume(&checkpoint, self.blobs);
        self.node = Some(resumed.map_err(|error| {
            if matches!(error, ProtocolError::Record { .. }) {
                Fault::new(FindingKind::CheckpointMismatch, error.to_string()).into()
            } else {
                blob_stop(error)
            }
        })?);
        Ok(())
    }

    fn started(&mut self, mut started: Arc<Started>) -> Result<(), Stop> {
        Arc::make_mut(&mut started).hydrate(self.blobs).map_err(blob_stop)?;
        let ended = self.node.take();
        if let (Some(node), Some(before)) = (&ended, &mut self.before) {
            before.left = node.leaves()?;
        }
        if let Some(text) = start::fault(&started, self.before.as_ref(), self.report.removed)? {
            return Err(Fault::new(FindingKind::StartMismatch, text).into());
        }
        if started.rules != RULES_VERSION {
            self.report.different_rules.push(started.rules);
        }
        self.report.incarnations += 1;
        self.before = Some(Before {
            incarnation: started.incarnation,
            left: None,
            node: started.node.clone(),
        });
        self.node = Some(Node::new(started));
        Ok(())
    }
}

/// Something wrong with the record at hand.
pub(crate) struct Fault {
    pub(crate) event: Option<portreeve_protocol::EventId>,
    pub(crate) kind: FindingKind,
    pub(crate) path: Vec<PathStep>,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn new(kind: FindingKind, text: impl Into<String>) -> Self {
        Self { event: None, kind, path: Vec::new(), text: text.into() }
    }

    fn at(self, at: &At) -> Finding {
        let Self { event, kind, path, text } = self;
        Finding { event, kind, line: at.line, path, segment: Arc::clone(&at.segment), text }
    }
}

/// Why replay stops at a record whose blob cannot be had: one that is missing or altered is a fault
/// of the journal, one that cannot be read says nothing of it.
pub(crate) fn blob_stop(error: ProtocolError) -> Stop {
    if matches!(error, ProtocolError::BlobUnreadable { .. }) {
        return Stop::Unreadable(error);
    }
    let altered = matches!(error, ProtocolError::BlobAltered { .. });
    let kind = if altered { FindingKind::BlobAltered } else { FindingKind::BlobMissing };
    Fault::new(kind, error.to_string()).into()
}

/// Why replay stops at a record.
pub(crate) enum Stop {
    Fault(Box<Fault>),
    TooMuch,
    /// A blob cannot be read.
    Unreadable(ProtocolError),
}

impl Stop {
    /// The same, with more said of a fault.
    pub(crate) fn placed(self, place: impl FnOnce(Fault) -> Fault) -> Self {
        match self {
            Self::Fault(fault) => place(*fault).into(),
            Self::TooMuch | Self::Unreadable(_) => self,
        }
    }

    fn at(self, at: &At, limit: usize) -> Result<Finding, ReplayError> {
        let (segment, line) = (at.segment.to_string(), at.line);
        match self {
            Self::Fault(fault) => Ok(fault.at(at)),
            Self::TooMuch => Err(ReplayError::TooMuch { segment, line, limit }),
            Self::Unreadable(source) => Err(ReplayError::BlobUnread { segment, line, source }),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<ProtocolError> for Stop {
    /// A value that cannot be written again was never read from a journal by the rules.
    fn from(error: ProtocolError) -> Self {
        Fault::new(FindingKind::Unparsable, error.to_string()).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use portreeve_machines::PolicyCache;
    use portreeve_protocol::entry::{Delivered, Restored};
    use portreeve_protocol::messages::policy::{PolicyInput, Relisted};
    use portreeve_protocol::{
        ActorId, Cause, Delivery, EventId, Input, Machine, Now, Outbox, Outside, Settings, Sha256,
        Wall, codec,
    };

    use super::*;

    struct NoBlobs;

    impl BlobSource for NoBlobs {
        fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
            Err(ProtocolError::BlobMissing { digest: *digest })
        }
    }

    #[test]
    fn more_outstanding_effects_than_a_node_may_have_end_the_verification() {
        let settings = Settings::default();
        let started = Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 0,
            node: "a".parse().unwrap(),
            restored: Restored::default(),
            rules: RULES_VERSION,
            settings_digest: codec::digest(&settings).unwrap(),
            settings,
            wall: Wall(0),
        };
        let event: EventId = "a/1/policy/1".parse().unwrap();
        let delivery = Delivery { event: event.clone(), now: Now::default(), root: event.clone() };
        assert_eq!(event.actor, ActorId::Policy);
        let input = PolicyInput::Relisted(Relisted { objects: Vec::new() });
        let mut out = Outbox::default();
        PolicyCache::new(&started).handle(&delivery, &input, &mut out);
        let effects: Vec<portreeve_protocol::Effect> =
            out.into_effects().into_iter().map(Into::into).collect();
        let delivered = Delivered {
            cause: Cause::Outside(Outside::Objects),
            decisions: Vec::new(),
            effects: codec::Told::of(&effects).unwrap().digest(),
            event: event.clone(),
            input: Arc::new(Input::Policy(input)),
            lamport: 1,
            now: Now::default(),
            root: event,
        };
        let mut journal = Vec::new();
        let prev = Entry::Started(Arc::new(started));
        let prev = codec::write_line(&prev, Sha256::ZERO, &mut journal).unwrap();
        codec::write_line(&Entry::Delivered(delivered), prev, &mut journal).unwrap();
        let run = |limit| {
            let lines = crate::split("s", &journal).map(|line| line.map(examine));
            verify_within(limit, lines, &NoBlobs, &mut |_| {})
        };
        assert_eq!(run(1).unwrap().first, None);
        let error = run(0).unwrap_err();
        assert!(matches!(error, ReplayError::TooMuch { line: 2, limit: 0, .. }), "{error:?}");
        assert!(error.to_string().contains("cannot be verified in bounded memory"));
    }
}
