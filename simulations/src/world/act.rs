//! What faults do to replicas and servers.

use portreeve_protocol::messages::admission::{AcknowledgeClock, AdmissionInput};
use portreeve_protocol::messages::notary::{Forget, NotaryInput};
use portreeve_protocol::{ActorId, Outside};

use super::World;
use super::replica::State;
use super::trust_server::When;
use crate::SimulationError;
use crate::fault::Act;
use crate::history::Sight;

impl World<'_> {
    /// Does what a fault does; it is hit if there was somebody to do it to.
    pub(super) fn act(&mut self, act: &Act, fault: usize) -> Result<(), SimulationError> {
        let class = self.scenario.faults[fault].class();
        let done = match act {
            Act::AcknowledgeClock(replica) => self.acknowledge_clock(*replica)?,
            Act::Behave { gun, server } => {
                let when = When(self.scheduler.now(), self.wall());
                let found = self.servers.get_mut(server);
                found.is_some_and(|server| server.behave(gun, when, &mut self.truth))
            }
            Act::BreakWatch(replica) => self.break_watch(*replica)?,
            Act::Crash(replica) => self.crash(*replica)?,
            Act::DiskRestored(replica) => {
                self.disk_restored(*replica)?;
                false
            }
            Act::Drain(replica) => self.drain(*replica)?,
            Act::FlipBit(replica) => self.flip(*replica)?,
            Act::Misbehave { class, gun, server } => {
                let when = When(self.scheduler.now(), self.wall());
                match self.servers.get_mut(server) {
                    Some(server) => server.misbehave((gun, *class), when, &mut self.truth)?,
                    None => false,
                }
            }
            Act::Panic(replica) => {
                let process = &mut self.replicas[*replica];
                process.panics = process.is_up();
                process.panics
            }
            Act::Relist { behind, replica } => {
                let up = self.replicas[*replica].is_up();
                if up {
                    self.list(*replica, *behind);
                }
                up
            }
            Act::Reset { gun, replica, server } => self.reset(*replica, server, gun)?,
            Act::Start(replica) => {
                self.start(*replica)?;
                false
            }
            Act::Stop(replica) => self.stop(*replica),
        };
        if done {
            self.hit(fault);
            self.note('!', None, format!("{class}: {act:?}"));
        }
        Ok(())
    }

    fn acknowledge_clock(&mut self, replica: usize) -> Result<bool, SimulationError> {
        let reason = "the clock is right now".to_owned();
        let input = AdmissionInput::AcknowledgeClock(AcknowledgeClock { reason });
        self.tell(replica, Outside::Operator, ActorId::Admission, input.into())?;
        Ok(self.replicas[replica].is_up())
    }

    fn flip(&mut self, replica: usize) -> Result<bool, SimulationError> {
        let bit = self.delays.flipped();
        let flipped = match &mut self.replicas[replica].state {
            State::Down(journal) => journal.flip(bit)?,
            State::Up(node) => node.journal_mut().flip(bit)?,
        };
        if flipped {
            self.see(replica, Sight::Flipped);
        }
        Ok(flipped)
    }

    fn reset(&mut self, replica: usize, server: &str, gun: &str) -> Result<bool, SimulationError> {
        if !self.replicas[replica].is_up() {
            return Ok(false);
        }
        let reason = "the publisher began anew".to_owned();
        let input = NotaryInput::Forget(Forget { gun: gun.to_owned(), reason });
        let to = ActorId::Notary(server.to_owned());
        self.tell(replica, Outside::Operator, to, input.into())?;
        Ok(true)
    }
}
