//! Starting runs: once per idempotency key, and by the rules of a concurrency key.

use domain::{OrganizationId, Timestamp, UserId, WorkflowRunId};
use serde_json::Value;
use sqlx::{PgConnection, Row};

use crate::StoreError;

/// A run to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its id.
    pub id: WorkflowRunId,
    /// The workflow's name; `job:<operation>` for a job.
    pub workflow: String,
    /// The version of the definition.
    pub version: i32,
    /// A job's own definition.
    pub definition: Option<Value>,
    /// What people call it.
    pub title: String,
    /// A second run of the workflow under the same key is the first one.
    pub idempotency_key: Option<String>,
    /// What it may not run beside.
    pub concurrency: Option<Concurrency>,
    /// What starts it, as the definition sees it.
    pub trigger: Value,
    /// What it is given.
    pub params: Value,
    /// Not before this.
    pub wake_at: Timestamp,
    /// The run and the step that wait for its end.
    pub parent: Option<(WorkflowRunId, String)>,
    /// The member on whose behalf it runs.
    pub on_behalf_of: Option<UserId>,
    /// The transaction from which on changes end its waits: the first after that of the change that starts it, however
    /// late the dispatcher is. Those of now, when left out.
    pub since: Option<i64>,
    /// When it is made.
    pub created_at: Timestamp,
}

/// Runs of one workflow with the same key do not run beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What they have in common.
    pub key: String,
    /// What happens to the second.
    pub on_conflict: OnConflict,
}

/// What happens to a run while another of its concurrency key is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It begins when the other has ended.
    Queue,
    /// It is written down as skipped.
    Skip,
    /// The other is cancelled.
    Replace,
}

/// A run that was started, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run_id: WorkflowRunId,
    /// Whether it is new, and not the one that was started under the same idempotency key before.
    pub is_new: bool,
}

/// Writes a run into the queue, in a transaction of its organization.
pub async fn insert(conn: &mut PgConnection, run: &NewRun) -> Result<Started, StoreError> {
    let mut status = "queued";
    let mut wake_at = Some(run.wake_at);
    if let Some(concurrency) = &run.concurrency {
        lock(conn, run, &concurrency.key).await?;
        // Before anybody is replaced: a repeat replaces nobody.
        if let Some(started) = find(conn, run).await? {
            return Ok(started);
        }
        if is_taken(conn, run, &concurrency.key).await? {
            match concurrency.on_conflict {
                OnConflict::Queue => wake_at = None,
                OnConflict::Skip => status = "skipped",
                OnConflict::Replace => cancel_others(conn, run, &concurrency.key).await?,
            }
        }
    }
    let finished_at = (status == "skipped").then_some(run.created_at);
    let inserted = sqlx::query(
        "insert into workflow_run (organization_id, id, workflow, version, definition, title, idempotency_key, \
           concurrency_key, status, trigger, params, wake_at, parent_run_id, parent_path, on_behalf_of, created_at, \
           finished_at, since) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
           coalesce($18::text::xid8, pg_snapshot_xmin(pg_current_snapshot()))) \
         on conflict (organization_id, workflow, idempotency_key) do nothing",
    )
    .bind(run.organization_id)
    .bind(run.id)
    .bind(&run.workflow)
    .bind(run.version)
    .bind(&run.definition)
    .bind(&run.title)
    .bind(&run.idempotency_key)
    .bind(run.concurrency.as_ref().map(|c| &c.key))
    .bind(status)
    .bind(&run.trigger)
    .bind(&run.params)
    .bind(wake_at)
    .bind(run.parent.as_ref().map(|(id, _)| *id))
    .bind(run.parent.as_ref().map(|(_, path)| path))
    .bind(run.on_behalf_of)
    .bind(run.created_at)
    .bind(finished_at)
    .bind(run.since.map(|since| since.to_string()))
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Started {
            run_id: run.id,
            is_new: true,
        });
    }
    match find(conn, run).await? {
        Some(started) => Ok(started),
        // It was deleted in between, which nothing does while a trigger may still repeat.
        None => Err(StoreError::Contended(sqlx::Error::RowNotFound)),
    }
}

async fn find(conn: &mut PgConnection, run: &NewRun) -> Result<Option<Started>, StoreError> {
    let found = sqlx::query(
        "select id from workflow_run where organization_id = $1 and workflow = $2 and idempotency_key = $3",
    )
    .bind(run.organization_id)
    .bind(&run.workflow)
    .bind(&run.idempotency_key)
    .fetch_optional(conn)
    .await?;
    Ok(match found {
        Some(row) => Some(Started {
            run_id: row.try_get("id")?,
            is_new: false,
        }),
        None => None,
    })
}

/// Held until commit; the trigger that lets the next one begin takes the same lock.
async fn lock(conn: &mut PgConnection, run: &NewRun, key: &str) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text || $2 || '/' || $3, 0))")
        .bind(uuid::Uuid::from(run.organization_id))
        .bind(&run.workflow)
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

async fn is_taken(conn: &mut PgConnection, run: &NewRun, key: &str) -> Result<bool, StoreError> {
    let taken = sqlx::query_scalar(
        "select exists (select from workflow_run where organization_id = $1 and workflow = $2 and concurrency_key = $3 \
           and status in ('queued', 'running', 'waiting', 'paused'))",
    )
    .bind(run.organization_id)
    .bind(&run.workflow)
    .bind(key);
    Ok(taken.fetch_one(conn).await?)
}

/// Cancels the runs that are in the way. Whoever works on one is fenced off at its next commit.
async fn cancel_others(conn: &mut PgConnection, run: &NewRun, key: &str) -> Result<(), StoreError> {
    sqlx::query(
        "with gone as (\
           update workflow_run set status = 'cancelled', finished_at = $4, epoch = epoch + 1, lease_owner = null, \
             lease_until = null, wake_at = null, error = jsonb_build_object('code', 'replaced', 'message', \
             'A newer run took its place.') \
           where organization_id = $1 and workflow = $2 and concurrency_key = $3 \
             and status in ('queued', 'running', 'waiting', 'paused') returning id, epoch, title), \
         told as (\
           insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, actor, \
             operation, request_id) \
           select $1, md5(id::text || epoch)::uuid, $4, 'workflow_run.finished', 'run', id, \
             'Run of \"' || title || '\" was replaced by a newer one', \
             jsonb_build_object('workflow', $2, 'status', 'cancelled'), \
             '{\"type\": \"system\", \"reason\": \"workflows\"}', 'workflows', $5 \
           from gone) \
         delete from workflow_wait where run_id in (select id from gone)",
    )
    .bind(run.organization_id)
    .bind(&run.workflow)
    .bind(key)
    .bind(run.created_at)
    .bind(uuid::Uuid::from(run.id))
    .execute(conn)
    .await?;
    Ok(())
}
