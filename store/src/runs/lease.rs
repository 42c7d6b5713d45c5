//! Holding a run: renewing the lease, putting the run off, giving it back, ending it.

use std::time::Duration;

use domain::{Change, Cx, Subject, Timestamp, WorkflowRunId};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;

use super::{Lease, Run, Runs};
use crate::StoreError;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All was done, with this output.
    Done(Value),
    /// It was not wanted after all, and why.
    Skipped(Value),
    /// It gave up, and why. A person may retry it.
    Dead(Value),
}

/// A run has ended.
#[derive(Debug, Serialize)]
pub struct Finished {
    #[serde(skip)]
    run_id: WorkflowRunId,
    #[serde(skip)]
    title: String,
    workflow: String,
    status: &'static str,
}

impl Finished {
    /// A person has ended a run.
    pub fn cancelled(run_id: WorkflowRunId, title: &str, workflow: &str) -> Self {
        Self {
            run_id,
            title: title.to_owned(),
            workflow: workflow.to_owned(),
            status: "cancelled",
        }
    }
}

impl Change for Finished {
    const KIND: &'static str = "workflow_run.finished";

    fn subject(&self) -> Subject {
        self.run_id.into()
    }

    fn summary(&self) -> String {
        let how = match self.status {
            "dead" => "gave up",
            "skipped" => "was not needed",
            "cancelled" => "was cancelled",
            _ => "is done",
        };
        format!("Run of \"{}\" {how}", self.title)
    }
}

impl Runs {
    /// Renews leases; returns the runs still held. The others were taken over or stopped.
    pub async fn renew(
        &self,
        owner: &str,
        leases: &[Lease],
        lease_for: Duration,
    ) -> Result<Vec<WorkflowRunId>, StoreError> {
        let ids: Vec<uuid::Uuid> = leases.iter().map(|l| l.run_id.into()).collect();
        let epochs: Vec<i64> = leases.iter().map(|l| l.epoch).collect();
        let mut tx = self.store.system("renew leases").await?;
        let rows = sqlx::query(
            "update workflow_run r set lease_until = clock_timestamp() + make_interval(secs => $4) \
             from unnest($2::uuid[], $3::bigint[]) as held (id, epoch) \
             where r.id = held.id and r.epoch = held.epoch and r.status = 'running' and r.lease_owner = $1 \
             returning r.id",
        )
        .bind(owner)
        .bind(ids)
        .bind(epochs)
        .bind(lease_for.as_secs_f64())
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// Puts a run off: the step in `error` failed and is tried again at `wake_at`.
    pub async fn retry_later(
        &self,
        cx: &Cx,
        lease: &Lease,
        wake_at: Timestamp,
        tries: i32,
        error: &Value,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.write(cx).await?;
        let put_off = sqlx::query(
            "update workflow_run set status = 'queued', wake_at = $4, tries = $5, error = $6, lease_owner = null, \
               lease_until = null \
             where organization_id = $1 and id = $2 and epoch = $3 and status = 'running'",
        )
        .bind(lease.organization_id)
        .bind(lease.run_id)
        .bind(lease.epoch)
        .bind(wake_at)
        .bind(tries)
        .bind(error)
        .execute(tx.conn())
        .await?;
        if put_off.rows_affected() == 0 {
            return Err(StoreError::Fenced);
        }
        self.store.shared.rig.cross("retry.before").await;
        tx.unchanged(()).await?;
        self.store.shared.rig.cross("retry.after").await;
        Ok(())
    }

    /// Gives a run back as it is, for any worker to go on with at once.
    pub async fn release(&self, cx: &Cx, lease: &Lease) -> Result<(), StoreError> {
        let mut tx = self.store.write(cx).await?;
        sqlx::query(
            "update workflow_run set status = 'queued', wake_at = least(wake_at, $4), lease_owner = null, \
               lease_until = null \
             where organization_id = $1 and id = $2 and epoch = $3 and status = 'running'",
        )
        .bind(lease.organization_id)
        .bind(lease.run_id)
        .bind(lease.epoch)
        .bind(cx.now)
        .execute(tx.conn())
        .await?;
        tx.unchanged(()).await?;
        self.store.bell().ring();
        Ok(())
    }

    /// Ends a run, and says so as a change.
    pub async fn finish(&self, cx: &Cx, run: &Run, outcome: &Outcome) -> Result<(), StoreError> {
        let (status, output, error) = match outcome {
            Outcome::Done(output) => ("done", Some(output), None),
            Outcome::Skipped(why) => ("skipped", None, Some(why)),
            Outcome::Dead(error) => ("dead", None, Some(error)),
        };
        let rig = &self.store.shared.rig;
        let mut tx = self.store.write(cx).await?;
        // A run that is over waits for nothing any more. A crash of the database may lose this and only this: then the
        // lease runs out, and whoever takes the run up finds every step done and ends it the same way. What leaves the
        // house because of it commits before, and that flushes this, too.
        let ended = sqlx::query(
            "with ended as (\
               update workflow_run set status = $4, output = $5, error = $6, finished_at = $7, wake_at = null, \
                 lease_owner = null, lease_until = null \
               where organization_id = $1 and id = $2 and ($8 or epoch = $3 and status = 'running') returning id), \
             forgotten as (\
               delete from workflow_wait where organization_id = $1 and run_id in (select id from ended)) \
             select set_config('synchronous_commit', 'off', true) from ended",
        )
        .bind(run.lease.organization_id)
        .bind(run.lease.run_id)
        .bind(run.lease.epoch)
        .bind(status)
        .bind(output)
        .bind(error)
        .bind(cx.now)
        .bind(rig.lacks("fence"))
        .fetch_optional(tx.conn())
        .await?;
        if ended.is_none() {
            return Err(StoreError::Fenced);
        }
        let finished = Finished {
            run_id: run.lease.run_id,
            title: run.title.clone(),
            workflow: run.workflow.clone(),
            status,
        };
        rig.cross("finish.before").await;
        tx.commit(finished, ()).await?;
        rig.cross("finish.after").await;
        Ok(())
    }

    /// How another run of the organization has ended: its status and its output.
    pub async fn outcome_of(
        &self,
        cx: &Cx,
        run_id: WorkflowRunId,
    ) -> Result<(String, Value), StoreError> {
        let mut tx = self.store.read(cx).await?;
        let row = sqlx::query(
            "select status, output from workflow_run where organization_id = $1 and id = $2",
        )
        .bind(cx.organization_id)
        .bind(run_id)
        .fetch_one(tx.conn())
        .await?;
        let output: Option<Value> = row.try_get("output")?;
        Ok((row.try_get("status")?, output.unwrap_or_default()))
    }
}
