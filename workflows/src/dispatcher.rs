//! Changes into runs and answers: one look.

use domain::{Actor, Cx, Permissions, Timestamp, context::Entropy};
use operations::workflows::StepError;
use serde_json::{Value, json};
use store::{
    StoreError,
    runs::{Dispatched, FeedChange, NewRun, Runs, Upcoming},
};

use crate::definitions::{Beginning, Definitions};

/// How many changes are dealt with in one transaction.
const BATCH: u32 = 200;

/// What came of a look at the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Changes were dealt with; there may be more.
    Dispatched(Dispatched),
    /// There is nothing.
    Nothing,
    /// Look again in a moment.
    Soon,
}

/// Deals with the next changes, if there are any.
pub async fn dispatch(
    runs: &Runs,
    definitions: &dyn Definitions,
    now: Timestamp,
) -> Result<Looked, DispatchError> {
    let dispatch = match runs.next_changes(BATCH).await? {
        Upcoming::Changes(dispatch) => dispatch,
        Upcoming::Nothing => return Ok(Looked::Nothing),
        Upcoming::Soon => return Ok(Looked::Soon),
    };
    let beginnings = definitions.begun_by(dispatch.changes()).await?;
    let mut starts: Vec<NewRun> = beginnings
        .into_iter()
        .filter_map(|beginning| {
            let change = dispatch.changes().get(beginning.change)?;
            Some(run_of(change, beginning, now))
        })
        .collect();
    // Stable: the runs of one organization begin in the order of their changes.
    starts.sort_by_key(|run| run.organization_id);
    Ok(Looked::Dispatched(dispatch.finish(&starts, now).await?))
}

/// Why changes were not dealt with; the next look tries again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The definitions.
    #[error("the definitions could not be asked: {}", .0.message)]
    Definitions(StepError),
}

impl From<StepError> for DispatchError {
    fn from(error: StepError) -> Self {
        Self::Definitions(error)
    }
}

/// The run that a change starts. Its idempotency key is the change: seen twice, it starts once.
fn run_of(change: &FeedChange, beginning: Beginning, now: Timestamp) -> NewRun {
    let actor = Actor::System { reason: "dispatch" };
    let cx = Cx::at(
        change.organization_id,
        actor,
        Permissions::NONE,
        now,
        Entropy::System,
    );
    NewRun {
        organization_id: change.organization_id,
        id: cx.new_id(),
        workflow: beginning.workflow,
        version: beginning.version,
        definition: None,
        title: beginning.title,
        idempotency_key: Some(change.id.to_string()),
        concurrency: beginning.concurrency,
        trigger: trigger_of(change),
        params: beginning.params,
        wake_at: now,
        parent: None,
        on_behalf_of: beginning.on_behalf_of,
        since: Some(change.position() + 1),
        created_at: now,
    }
}

/// What a definition sees of the change that started it.
fn trigger_of(change: &FeedChange) -> Value {
    json!({
        "kind": "change",
        "change": change.kind,
        "change_id": change.id,
        "subject": format!("{}_{}", change.subject_kind, change.subject_id.simple()),
        "at": change.at,
        "payload": change.payload,
    })
}
