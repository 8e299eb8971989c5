//! The life of the replica and its disk: starts, crashes, and a disk without room.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::journal::{JournalInput, WriteFailed};
use portreeve_protocol::{Mono, RULES_VERSION, codec};

use super::{Happening, Replica, World};
use crate::SimulationError;
use crate::node::{Journal, Node};
use crate::scenario::Fault;

impl World<'_> {
    /// Whether the replica runs and was not killed since its start number `life`.
    pub(super) const fn runs(&self, life: u64) -> bool {
        matches!(self.replica, Replica::Up(_)) && self.life == life
    }

    /// Starts the replica from what its journal holds; nothing happens if it runs. Without room on
    /// the disk it does not start before there is.
    pub(super) fn start(&mut self) -> Result<(), SimulationError> {
        if let Some(until) = self.disk_full_until() {
            self.scheduler.schedule(until, Happening::Start);
            return Ok(());
        }
        let Replica::Down(journal) = &mut self.replica else { return Ok(()) };
        let found = journal.recover()?;
        let started = Started {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: found.incarnation.saturating_add(1),
            jitter_seed: self.seed,
            node: self.scenario.node.parse()?,
            restored: found.restored,
            rules: RULES_VERSION,
            settings: self.scenario.settings.clone(),
            settings_digest: codec::digest(&self.scenario.settings)?,
            wall: self.wall(),
        };
        let incarnation = started.incarnation;
        let Replica::Down(journal) = &mut self.replica else { return Ok(()) };
        let node = Node::start(started, std::mem::take(journal))?;
        self.replica = Replica::Up(Box::new(node));
        self.life += 1;
        self.started = self.scheduler.now();
        self.note_line('^', &format!("incarnation {incarnation}"));
        self.relist();
        Ok(())
    }

    /// Kills the replica: of what was not durable, part is left.
    pub(super) fn crash(&mut self) {
        let down = Replica::Down(Journal::default());
        let Replica::Up(node) = std::mem::replace(&mut self.replica, down) else { return };
        let mut journal = node.into_journal();
        let at_risk = journal.at_risk();
        let left = self.delays.left_by_crash(at_risk);
        journal.crash(left);
        self.replica = Replica::Down(journal);
        self.delays.forget_messages();
        self.timers.clear();
        self.syncing = false;
        self.note_line('!', &format!("killed, {left} of {at_risk} bytes left"));
    }

    /// Until when the disk has no room, if it has none now.
    pub(super) fn disk_full_until(&self) -> Option<Mono> {
        let now = self.scheduler.now().0;
        let full = self.scenario.faults.iter().filter_map(|fault| match fault {
            Fault::DiskFull { from, until } if (*from..*until).contains(&now) => Some(*until),
            Fault::DiskFull { .. } | Fault::Crash { .. } | Fault::ServerDown { .. } => None,
        });
        full.max().map(Mono)
    }

    /// Nothing can be made durable: what was written since the last time is lost.
    pub(super) fn disk_full(&mut self) -> Result<(), SimulationError> {
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        let lost = node.journal_mut().fail();
        self.note_line('!', &format!("the disk is full, {lost} deliveries lost"));
        let why = "no space left on device".to_owned();
        self.gate(JournalInput::WriteFailed(WriteFailed { lost, why }))
    }

    /// There is room again: what was lost is written down first of all, and made durable.
    pub(super) fn disk_restored(&mut self) -> Result<(), SimulationError> {
        let full = self.disk_full_until().is_some();
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        if full || node.journal().is_writable() {
            return Ok(());
        }
        node.journal_mut().restore();
        self.note_line('~', "the disk has room again");
        self.gate(JournalInput::WriteRestored)?;
        if let Replica::Up(node) = &mut self.replica {
            node.journal_mut().sync();
        }
        Ok(())
    }
}
