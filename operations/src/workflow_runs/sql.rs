//! Every query on runs that people make; the engine's own are in `store::runs`.

use domain::{Cx, PageRequest, Timestamp, WorkflowRunId};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    list_workflow_runs::ListWorkflowRuns,
    model::{RunStatus, WorkflowRun},
};

/// A run with what steering needs.
pub(super) struct Stored {
    pub(super) id: WorkflowRunId,
    pub(super) workflow: String,
    pub(super) version: i32,
    pub(super) title: String,
    pub(super) status: RunStatus,
    pub(super) trigger: Value,
    pub(super) params: Value,
    pub(super) variables: Value,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) error: Option<Value>,
    pub(super) created_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
}

impl Stored {
    pub(super) fn seen(&self) -> WorkflowRun {
        let error = self.error.as_ref().map(|error| {
            let message = error["message"].as_str().unwrap_or_default();
            match error["path"].as_str() {
                Some(path) => format!("{path}: {message}"),
                None => message.to_owned(),
            }
        });
        WorkflowRun {
            id: self.id,
            workflow: self.workflow.clone(),
            version: self.version,
            title: self.title.clone(),
            status: self.status,
            started_by: self.trigger["kind"]
                .as_str()
                .unwrap_or("unknown")
                .to_owned(),
            wake_at: self.wake_at.filter(|_| self.status.is_alive()),
            error,
            created_at: self.created_at,
            finished_at: self.finished_at,
        }
    }
}

pub(super) async fn get(
    conn: &mut PgConnection,
    id: WorkflowRunId,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, workflow, version, title, status, trigger, params, variables, wake_at, error, created_at, finished_at \
         from workflow_run where id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn lock(
    conn: &mut PgConnection,
    id: WorkflowRunId,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, workflow, version, title, status, trigger, params, variables, wake_at, error, created_at, finished_at \
         from workflow_run where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    filter: &ListWorkflowRuns,
) -> sqlx::Result<Vec<Stored>> {
    let page: PageRequest = filter.page;
    let (_, after) = page.after();
    sqlx::query_as!(
        Stored,
        "select id, workflow, version, title, status, trigger, params, variables, wake_at, error, created_at, finished_at \
         from workflow_run \
         where ($1::text is null or workflow = $1) and ($2::text is null or status = $2) and ($3::uuid is null or id < $3) \
         order by id desc limit $4",
        filter.workflow,
        filter.status.map(RunStatus::as_str),
        after,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// A step as it is kept.
pub(super) struct StepRow {
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) input: Value,
    pub(super) output: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) tries: i32,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
}

/// The steps of a run as they were begun.
pub(super) async fn steps(
    conn: &mut PgConnection,
    id: WorkflowRunId,
) -> sqlx::Result<Vec<StepRow>> {
    sqlx::query_as!(
        StepRow,
        "select path, kind, status, input, output, error, tries, started_at, finished_at from workflow_step \
         where run_id = $1 order by started_at, finished_at nulls last, path",
        id as _
    )
    .fetch_all(conn)
    .await
}

/// What a run waits for: kinds and until when.
pub(super) async fn waits(
    conn: &mut PgConnection,
    id: WorkflowRunId,
) -> sqlx::Result<Vec<(String, Vec<String>, Option<Timestamp>)>> {
    let rows = sqlx::query!(
        "select path, kinds, expires_at from workflow_wait where run_id = $1 order by path, number",
        id as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.path, row.kinds, row.expires_at))
        .collect())
}

/// Takes a run out of whoever's hands it is in and gives it a state. The epoch fences its worker off.
pub(super) async fn set_status(
    conn: &mut PgConnection,
    id: WorkflowRunId,
    status: RunStatus,
    wake_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
) -> sqlx::Result<Stored> {
    sqlx::query_as!(
        Stored,
        "update workflow_run set status = $2, wake_at = $3, finished_at = $4, epoch = epoch + 1, lease_owner = null, \
           lease_until = null, tries = 0 \
         where id = $1 \
         returning id, workflow, version, title, status, trigger, params, variables, wake_at, error, created_at, finished_at",
        id as _,
        status.as_str(),
        wake_at as _,
        finished_at as _,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn forget_waits(conn: &mut PgConnection, id: WorkflowRunId) -> sqlx::Result<()> {
    sqlx::query!("delete from workflow_wait where run_id = $1", id as _)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn forget_error(conn: &mut PgConnection, id: WorkflowRunId) -> sqlx::Result<()> {
    sqlx::query!(
        "update workflow_run set error = null, output = null where id = $1",
        id as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what failed; with a path also that step, those below it, and all that were begun after it.
pub(super) async fn forget_steps(
    conn: &mut PgConnection,
    id: WorkflowRunId,
    from: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from workflow_step step where run_id = $1 and ( \
           status in ('failed', 'started') or path like 'on_failure/%' \
           or path = $2 or starts_with(path, $2 || '/') \
           or started_at > (select started_at from workflow_step where run_id = $1 and path = $2))",
        id as _,
        from,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a step as skipped: it answers nothing.
pub(super) async fn skip_step(
    conn: &mut PgConnection,
    cx: &Cx,
    id: WorkflowRunId,
    path: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into workflow_step (organization_id, run_id, path, kind, status, input, output, tries, started_at, finished_at, epoch) \
         select $1, id, $3, 'skipped', 'skipped', '{}', 'null', 0, $4, $4, epoch from workflow_run where id = $2 \
         on conflict (run_id, path) do update set status = 'skipped', output = 'null', error = null, finished_at = $4",
        cx.organization_id as _,
        id as _,
        path,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_variables(
    conn: &mut PgConnection,
    id: WorkflowRunId,
    variables: &Value,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update workflow_run set variables = jsonb_strip_nulls(variables || $2) where id = $1",
        id as _,
        variables
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_version(
    conn: &mut PgConnection,
    id: WorkflowRunId,
    version: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update workflow_run set version = $2 where id = $1",
        id as _,
        version
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Runs as the engine would leave them, for tests.
#[cfg(test)]
pub(super) mod fixture {
    use domain::WorkflowRunId;

    use crate::testing::Scene;

    /// Writes steps as the engine would.
    pub(crate) async fn with_steps(scene: &Scene, run: WorkflowRunId, steps: &[(&str, &str)]) {
        let mut conn = scene.database.owner().await;
        for (number, (path, status)) in steps.iter().enumerate() {
            let second = i64::try_from(number).unwrap();
            sqlx::query(
                "insert into workflow_step (organization_id, run_id, path, kind, status, input, output, error, tries, started_at, finished_at, epoch) \
                 values ($1, $2, $3, 'operation', $4, '{\"token\": \"eos_secret\"}', case $4 when 'done' then '{}'::jsonb end, \
                   case $4 when 'failed' then '{\"code\": \"broken\", \"message\": \"it broke\"}'::jsonb end, 1, $5, $5, 1)",
            )
            .bind(scene.cx.organization_id)
            .bind(run)
            .bind(path)
            .bind(status)
            .bind(scene.cx.now.plus_seconds(second))
            .execute(&mut conn)
            .await
            .unwrap();
        }
    }

    /// Puts a run into a state, as the engine would.
    pub(crate) async fn in_state(scene: &Scene, run: WorkflowRunId, status: &str) {
        let mut conn = scene.database.owner().await;
        sqlx::query(
            "update workflow_run set status = $2, finished_at = case when $2 in ('done', 'dead') then created_at end, \
               lease_owner = case when $2 = 'running' then 'w' end, lease_until = case when $2 = 'running' then now() end, \
               error = case when $2 = 'dead' then '{\"path\": \"call\", \"code\": \"broken\", \"message\": \"it broke\"}'::jsonb end \
             where id = $1",
        )
        .bind(run)
        .bind(status)
        .execute(&mut conn)
        .await
        .unwrap();
    }
}
