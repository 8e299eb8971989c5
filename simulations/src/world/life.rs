//! The life of a replica: starts, crashes, drains, and a machine that panics.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::{ActorId, Outside, RULES_VERSION, codec};
use portreeve_replay::Recovery;

use super::replica::State;
use super::{Happening, World};
use crate::SimulationError;
use crate::history::Sight;
use crate::node::{Journal, Node};

/// From the end of a replica that is not alive to its next start, in microseconds.
const RESTART: u64 = 2_000_000;

impl World<'_> {
    /// Starts a replica from what its journal holds; nothing happens if it runs. Where the journal
    /// is damaged it does not start, and an operator gives it an empty disk.
    pub(super) fn start(&mut self, replica: usize) -> Result<(), SimulationError> {
        let State::Down(journal) = &mut self.replicas[replica].state else { return Ok(()) };
        let mut journal = std::mem::take(&mut **journal);
        let found = match journal.recover() {
            Ok(found) => found,
            Err(error) => {
                let why = error.to_string();
                self.note('^', Some(replica), format!("cannot start: {why}"));
                self.see(replica, Sight::Wiped { why });
                self.replicas[replica].given_up.push(journal);
                journal = Journal::default();
                journal.recover()?
            }
        };
        self.replicas[replica].started = self.scheduler.now();
        let started = self.opening(replica, found)?;
        let incarnation = started.incarnation;
        let node = Node::start(started.clone(), journal, self.scenario.audited);
        let process = &mut self.replicas[replica];
        process.reset();
        process.state = State::Up(Box::new(node));
        self.note('^', Some(replica), format!("incarnation {incarnation}"));
        self.see(replica, Sight::Started(started.into()));
        self.look_for_bundle(replica);
        self.list(replica, 0);
        Ok(())
    }

    fn opening(&self, replica: usize, found: Recovery) -> Result<Started, SimulationError> {
        let mut settings = self.scenario.settings.clone();
        if let Some(bundle) = &self.scenario.bundle {
            bundle.configure(&mut settings);
        }
        Ok(Started {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: found.incarnation.saturating_add(1),
            jitter_seed: self.seed ^ u64::try_from(replica).unwrap_or_default(),
            node: self.replicas[replica].name.clone(),
            restored: found.restored,
            rules: RULES_VERSION,
            settings_digest: codec::digest(&settings)?,
            settings,
            wall: self.now(replica).wall,
        })
    }

    /// Kills a replica: of what was not durable, part is left. Whether it ran.
    pub(super) fn crash(&mut self, replica: usize) -> Result<bool, SimulationError> {
        let Some(node) = self.take_down(replica) else { return Ok(false) };
        let mut journal = node.into_journal();
        let (left, at_risk) = journal.crash(|at_risk| self.delays.left_by_crash(at_risk))?;
        self.replicas[replica].state = State::Down(Box::new(journal));
        self.note('!', Some(replica), format!("killed, {left} of {at_risk} bytes left"));
        self.see(replica, Sight::Crashed);
        Ok(true)
    }

    /// A replica that is not alive any more is killed and started again, as a kubelet does.
    pub(super) fn replaced(&mut self, replica: usize) -> Result<(), SimulationError> {
        self.crash(replica)?;
        let at = self.scheduler.now().plus(RESTART);
        self.scheduler.schedule(at, Happening::Start(replica));
        Ok(())
    }

    /// Tells a replica to stop: it drains.
    pub(super) fn drain(&mut self, replica: usize) -> Result<bool, SimulationError> {
        if !self.replicas[replica].is_up() {
            return Ok(false);
        }
        self.replicas[replica].draining = true;
        self.tell(replica, Outside::Host, ActorId::Admission, AdmissionInput::Drain.into())?;
        Ok(true)
    }

    /// A replica that drained ends in order: what it wrote is durable.
    pub(super) fn stop(&mut self, replica: usize) -> bool {
        let Some(node) = self.take_down(replica) else { return false };
        let mut journal = node.into_journal();
        if journal.is_writable() {
            journal.sync();
        }
        self.replicas[replica].state = State::Down(Box::new(journal));
        self.note('^', Some(replica), "ended in order");
        self.see(replica, Sight::Stopped);
        true
    }

    /// Ends a process; whoever waits for its answers sees the connection break.
    fn take_down(&mut self, replica: usize) -> Option<Box<Node>> {
        let down = State::Down(Box::default());
        let process = &mut self.replicas[replica];
        let node = match std::mem::replace(&mut process.state, down) {
            State::Up(node) => node,
            State::Down(journal) => {
                process.state = State::Down(journal);
                return None;
            }
        };
        let calls: Vec<usize> = process.calls.values().copied().collect();
        process.reset();
        self.delays.forget_messages(replica);
        for call in calls {
            self.break_off(call);
        }
        Some(node)
    }
}
