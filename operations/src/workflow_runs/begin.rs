//! Writing a run of the version that is on into the queue, whatever starts it.

use domain::{Cx, WorkflowRunId};
use serde_json::Value;
use sqlx::PgConnection;
use store::{StoreError, runs};

use super::{changes::WorkflowRunStarted, sql};
use crate::workflows::{StepError, Version};

/// What starts a run.
pub(super) struct Start {
    pub(super) trigger: Value,
    pub(super) params: Value,
    /// A second run under the same key is the first one.
    pub(super) idempotency_key: Option<String>,
}

/// A run that was begun, now or before.
pub(super) struct Begun {
    pub(super) run: sql::Stored,
    /// What to record; nothing for a repeat.
    pub(super) change: Option<WorkflowRunStarted>,
}

/// Begins a run of a version, by the rules of its concurrency key.
pub(super) async fn begin<E>(
    conn: &mut PgConnection,
    cx: &Cx,
    found: &Version,
    version: i32,
    start: Start,
) -> Result<Begun, E>
where
    E: From<StepError> + From<StoreError> + From<sqlx::Error>,
{
    let definition = &found.definition;
    let concurrency = definition.concurrency(&start.trigger, &start.params)?;
    let run = runs::NewRun {
        organization_id: cx.organization_id,
        id: cx.new_id::<WorkflowRunId>(),
        workflow: found.stored.name.clone(),
        version,
        definition: None,
        title: definition.title().to_owned(),
        idempotency_key: start.idempotency_key,
        concurrency: concurrency.map(Into::into),
        trigger: start.trigger,
        params: start.params,
        wake_at: cx.now,
        parent: None,
        on_behalf_of: cx.actor.user_id().or(found.stored.enabled_by),
        since: None,
        created_at: cx.now,
    };
    let started = runs::insert(conn, &run).await?;
    let stored = sql::get(conn, started.run_id).await?;
    let run = stored.ok_or(StoreError::Cancelled)?;
    let change = started.is_new.then(|| WorkflowRunStarted {
        run_id: run.id,
        workflow: run.workflow.clone(),
        title: run.title.clone(),
        version,
    });
    Ok(Begun { run, change })
}
