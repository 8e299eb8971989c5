//! The watches of replicas on what the API server holds.

use std::sync::Arc;

use portreeve_protocol::messages::policy::{PolicyInput, Relisted, WatchLost};
use portreeve_protocol::{ActorId, Cause, Input, Outside};

use super::{Happening, World};
use crate::SimulationError;
use crate::fault::{Link, Place, Traffic};
use crate::node::Envelope;

impl World<'_> {
    /// What the API server holds changes, and the watches tell.
    pub(super) fn change_policies(&mut self, index: usize) -> Result<(), SimulationError> {
        let change = &self.scenario.policy_changes[index];
        let at = self.scheduler.now();
        let input = Arc::new(Input::Policy(self.api.change(at, &change.what, self.scenario)?));
        self.note('+', None, format!("change of policies number {index}"));
        for replica in 0..self.replicas.len() {
            if self.replicas[replica].is_up() && !self.replicas[replica].watch.broken {
                self.send_watched(replica, &input);
            }
        }
        Ok(())
    }

    /// A replica lists all that the API server held `behind` microseconds ago, over a new watch.
    pub(super) fn list(&mut self, replica: usize, behind: u64) {
        let at = self.scheduler.now().minus(behind);
        let objects = self.api.objects(at);
        let watch = &mut self.replicas[replica].watch;
        let was_broken = std::mem::take(&mut watch.broken);
        watch.number += 1;
        let relisted = PolicyInput::Relisted(Relisted { objects });
        self.send_watched(replica, &Arc::new(Input::Policy(relisted)));
        if was_broken {
            self.send_watched(replica, &Arc::new(Input::Policy(PolicyInput::WatchRestored)));
        }
    }

    /// The watch of a replica breaks: what is under way does not arrive. Whether it worked.
    pub(super) fn break_watch(&mut self, replica: usize) -> Result<bool, SimulationError> {
        let process = &mut self.replicas[replica];
        if !process.is_up() || process.watch.broken {
            return Ok(false);
        }
        process.watch.broken = true;
        process.watch.number += 1;
        let why = "the connection to the API server broke".to_owned();
        let lost = Input::Policy(PolicyInput::WatchLost(WatchLost { why }));
        self.tell(replica, Outside::Objects, ActorId::Policy, lost)?;
        Ok(true)
    }

    /// Sends something over a watch: it comes in order, and may come twice. What is lost breaks the
    /// watch, which the replica notices and lists anew.
    fn send_watched(&mut self, replica: usize, input: &Arc<Input>) {
        let now = self.scheduler.now();
        let (from, to) = (Place::ApiServer, Place::Replica(replica));
        let passage = self.passage(&Link { from, to, traffic: Traffic::Watch });
        let process = &mut self.replicas[replica];
        // TCP sends again what the network lost, which takes time.
        let delay =
            if passage.copies == 0 { passage.delay + RETRANSMISSION } else { passage.delay };
        for _ in 0..passage.copies.max(1) {
            let at = now.plus(delay).max(process.watch.last.plus(1));
            process.watch.last = at;
            let (life, watch, input) = (process.life, process.watch.number, Arc::clone(input));
            self.scheduler.schedule(at, Happening::Watched { input, life, replica, watch });
        }
    }

    pub(super) fn watched(
        &mut self,
        replica: usize,
        watch: u64,
        input: Arc<Input>,
    ) -> Result<(), SimulationError> {
        // A list replaces the watch before it: what that had under way is older than the list.
        if self.replicas[replica].watch.number != watch {
            return Ok(());
        }
        let cause = Cause::Outside(Outside::Objects);
        let to = ActorId::Policy;
        self.deliver(replica, Envelope { cause, input, lamport: 0, root: None, to })
    }
}

/// What a lost event of a watch takes until it is sent again.
const RETRANSMISSION: u64 = 200_000;
