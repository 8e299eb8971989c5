//! Looks at controllers under way. Whatever happens to one, exactly one `OwnerFound` comes of it.

use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::messages::admission::{
    AdmissionInput, OwnerFound, OwnerOutcome, OwnerQuery,
};
use portreeve_protocol::{ActorId, Cause, Denial, DenyCode, EventId, Input, limits};

use super::deliver::Deliver;
use super::links::Links;

/// Starts a look at the controller that `query` names.
pub(super) fn start(
    links: &Arc<Links>,
    query: OwnerQuery,
    cause: Cause,
    lamport: u64,
    root: &EventId,
) {
    let (links, root) = (Arc::clone(links), root.clone());
    let runtime = links.fetches.runtime().clone();
    runtime.spawn(async move {
        let begun = links.clock.mono();
        let outcome = look(&links, &query).await;
        let micros = links.clock.mono().since(begun);
        let found = OwnerFound { micros, outcome, review: query.review };
        links.facts.metrics().looked_up(&found.outcome, micros);
        let input = Arc::new(Input::Admission(AdmissionInput::OwnerFound(found)));
        let deliver = Deliver::caused(cause, input, lamport, Some(root));
        links.send_or_wait(&ActorId::Admission, deliver);
    });
}

async fn look(links: &Links, query: &OwnerQuery) -> OwnerOutcome {
    let unavailable = |code, detail: &str| OwnerOutcome::Unavailable(Denial::new(code, detail));
    // A task of its own, so that a panic in the source is an outcome like any other.
    let mut task = tokio::spawn(links.owners.find(query));
    match tokio::time::timeout(Duration::from_micros(limits::OWNER_TIMEOUT), &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => unavailable(DenyCode::Internal, "the look at it failed"),
        Err(_) => {
            task.abort();
            unavailable(DenyCode::Deadline, "the API server did not answer in time")
        }
    }
}
