//! Where the machines of a node run.

use std::thread::JoinHandle;

use actix::{ArbiterHandle, System};

/// Where the machines of a node are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Residence {
    /// In the actix system of the thread that starts the node, verifiers and all.
    Here,
    /// In a system of the node's own, on a thread of its own; verifiers on further ones.
    OwnThread,
}

/// Where the machines of a running node are, and how they end.
pub(super) enum Machines {
    /// In a system that goes on when the node ends.
    Here {
        /// What serves the machines for ever.
        servants: Vec<tokio::task::JoinHandle<()>>,
        system: System,
    },
    /// In a system that ends with the node.
    OwnThread { system: System, thread: JoinHandle<()> },
}

impl Machines {
    /// The arbiter of the deciding machines.
    pub(super) fn arbiter(&self) -> &ArbiterHandle {
        match self {
            Self::Here { system, .. } | Self::OwnThread { system, .. } => system.arbiter(),
        }
    }

    /// Has them take nothing more, without waiting for it.
    pub(super) fn leave(&self) {
        match self {
            Self::Here { servants, .. } => servants.iter().for_each(|servant| servant.abort()),
            Self::OwnThread { system, .. } => system.stop(),
        }
    }

    /// Ends them; `false` if their thread panicked. It blocks.
    pub(super) fn end(self) -> bool {
        self.leave();
        match self {
            Self::Here { .. } => true,
            Self::OwnThread { thread, .. } => thread.join().is_ok(),
        }
    }
}
