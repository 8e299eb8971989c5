//! Causal paths that free themselves: an event is remembered only while something outstanding
//! descends from it.

use std::sync::Arc;

use portreeve_protocol::EventId;

use crate::PathStep;

/// Steps remembered of one chain; a chain of timers that re-arm themselves has no end.
const DEPTH: u32 = 64;

/// One event of a chain, and the one that caused it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) event: EventId,
    pub(crate) lamport: u64,
    pub(crate) root: EventId,
    depth: u32,
    input: &'static str,
    parent: Option<Arc<Self>>,
}

impl Step {
    pub(crate) fn new(
        event: EventId,
        root: EventId,
        lamport: u64,
        input: &'static str,
        parent: Option<Arc<Self>>,
    ) -> Self {
        let parent = parent.filter(|parent| parent.depth < DEPTH);
        let depth = parent.as_ref().map_or(0, |parent| parent.depth + 1);
        Self { event, lamport, root, depth, input, parent }
    }

    /// From the first remembered event to this one.
    pub(crate) fn path(&self) -> Vec<PathStep> {
        let mut steps = Vec::new();
        let mut next = Some(self);
        while let Some(step) = next {
            steps.push(PathStep { event: step.event.clone(), input: step.input });
            next = step.parent.as_deref();
        }
        steps.reverse();
        steps
    }
}
