//! Steps: written down once, in the transaction that made them true.

use std::collections::BTreeMap;

use domain::{Change, Checkpoint, Cx, Subject, WorkflowRunId};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row, types::Json};

use super::{Lease, NewRun, Runs, insert};
use crate::{StoreError, rig::Rig};

/// A step that a run has begun, done or given up.
#[derive(Debug, Clone, PartialEq)]
pub enum StepRecord {
    /// Begun by a worker that did not say how it ended.
    Started,
    /// Done, with what it answered.
    Done(Value),
    /// Given up, with its error.
    Failed(Value),
}

/// A workflow's own fact, that others may start from.
#[derive(Debug, Serialize)]
pub struct Emitted {
    #[serde(skip)]
    run_id: WorkflowRunId,
    name: String,
    payload: Value,
}

impl Change for Emitted {
    const KIND: &'static str = "workflow.emitted";

    fn subject(&self) -> Subject {
        self.run_id.into()
    }

    fn summary(&self) -> String {
        format!("A workflow said \"{}\"", self.name)
    }
}

/// Writes down that a step is done, unless the run is not the worker's any more.
pub(crate) async fn write_checkpoint<T: Serialize>(
    conn: &mut PgConnection,
    cx: &Cx,
    checkpoint: &Checkpoint,
    answer: &T,
    rig: &Rig,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "with held as (\
           select id from workflow_run \
           where organization_id = $1 and id = $2 and ($10 or epoch = $3 and status = 'running') \
           for no key update) \
         insert into workflow_step (organization_id, run_id, path, kind, status, input, output, tries, started_at, \
           finished_at, epoch) \
         select $1, id, $4, $5, 'done', $6, $7, $8, $9, $11, $3 from held \
         on conflict (run_id, path) do update set status = 'done', output = excluded.output, tries = excluded.tries, \
           finished_at = excluded.finished_at, epoch = excluded.epoch \
         where workflow_step.status = 'started'",
    )
    .bind(cx.organization_id)
    .bind(checkpoint.run_id)
    .bind(checkpoint.epoch)
    .bind(&checkpoint.path)
    .bind(checkpoint.kind)
    .bind(&checkpoint.input)
    .bind(Json(answer))
    .bind(checkpoint.tries)
    .bind(checkpoint.started_at)
    .bind(rig.lacks("fence"))
    .bind(cx.now)
    .execute(conn)
    .await?;
    // None: another worker holds the run, or the step is done already, which is the same news.
    if written.rows_affected() == 0 && !rig.lacks("fence") {
        return Err(StoreError::Fenced);
    }
    Ok(())
}

/// Writes down that a step has begun, if the run is still held, and locks the run.
pub(super) async fn begin_step(
    conn: &mut PgConnection,
    cx: &Cx,
    checkpoint: &Checkpoint,
    rig: &Rig,
) -> Result<(), StoreError> {
    let begun = sqlx::query(
        "with held as (\
           select id from workflow_run \
           where organization_id = $1 and id = $2 and ($9 or epoch = $3 and status = 'running') \
           for no key update) \
         insert into workflow_step (organization_id, run_id, path, kind, status, input, tries, started_at, epoch) \
         select $1, id, $4, $5, 'started', $6, $7, $8, $3 from held \
         on conflict (run_id, path) do update set tries = excluded.tries, epoch = excluded.epoch \
         where workflow_step.status = 'started'",
    )
    .bind(cx.organization_id)
    .bind(checkpoint.run_id)
    .bind(checkpoint.epoch)
    .bind(&checkpoint.path)
    .bind(checkpoint.kind)
    .bind(&checkpoint.input)
    .bind(checkpoint.tries)
    .bind(checkpoint.started_at)
    .bind(rig.lacks("fence"))
    .execute(conn)
    .await?;
    if begun.rows_affected() == 0 {
        return Err(StoreError::Fenced);
    }
    Ok(())
}

impl Runs {
    /// What a run has done so far.
    pub async fn steps(
        &self,
        cx: &Cx,
        lease: &Lease,
    ) -> Result<BTreeMap<String, StepRecord>, StoreError> {
        let mut tx = self.store.read(cx).await?;
        let rows = sqlx::query(
            "select path, status, output, error from workflow_step where organization_id = $1 and run_id = $2",
        )
        .bind(lease.organization_id)
        .bind(lease.run_id)
        .fetch_all(tx.conn())
        .await?;
        let mut steps = BTreeMap::new();
        for row in rows {
            let value = |column: &str| -> Result<Value, StoreError> {
                Ok(row.try_get::<Option<Value>, _>(column)?.unwrap_or_default())
            };
            let record = match row.try_get::<&str, _>("status")? {
                "started" => StepRecord::Started,
                "failed" => StepRecord::Failed(value("error")?),
                // Somebody skipped it: it answers what they said, if anything.
                _ => StepRecord::Done(value("output")?),
            };
            steps.insert(row.try_get("path")?, record);
        }
        Ok(steps)
    }

    /// Writes down what a step that changes nothing of ours answered. The context carries the checkpoint.
    pub async fn record(&self, cx: &Cx, output: &Value) -> Result<(), StoreError> {
        let tx = self.store.write(cx).await?;
        self.store.shared.rig.cross("record.before").await;
        tx.unchanged(output).await?;
        self.store.shared.rig.cross("record.after").await;
        Ok(())
    }

    /// Records a workflow's own fact together with the step.
    pub async fn emit(&self, cx: &Cx, name: &str, payload: &Value) -> Result<Value, StoreError> {
        let checkpoint = cx.checkpoint.as_ref().expect("a fact is told by a step");
        let fact = Emitted {
            run_id: checkpoint.run_id,
            name: name.to_owned(),
            payload: payload.clone(),
        };
        let tx = self.store.write(cx).await?;
        tx.commit(fact, json!({"name": name})).await
    }

    /// Starts another run together with the step that calls it. Answers its id.
    pub async fn start_from(&self, cx: &Cx, run: &NewRun) -> Result<WorkflowRunId, StoreError> {
        let mut tx = self.store.write(cx).await?;
        let started = insert(tx.conn(), run).await?;
        tx.unchanged(json!({"run": started.run_id})).await?;
        self.store.bell().ring();
        Ok(started.run_id)
    }

    /// Writes down that a call to the outside is about to be made. Its outcome replaces the row.
    pub async fn begin(&self, cx: &Cx, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let rig = &self.store.shared.rig;
        let mut tx = self.store.write(cx).await?;
        begin_step(tx.conn(), cx, checkpoint, rig).await?;
        rig.cross("begin.before").await;
        tx.unchanged(()).await?;
        rig.cross("begin.after").await;
        Ok(())
    }

    /// Writes down that a step was given up.
    pub async fn give_up(
        &self,
        cx: &Cx,
        checkpoint: &Checkpoint,
        error: &Value,
    ) -> Result<(), StoreError> {
        let rig = &self.store.shared.rig;
        let mut tx = self.store.write(cx).await?;
        let written = sqlx::query(
            "with held as (\
               select id from workflow_run \
               where organization_id = $1 and id = $2 and epoch = $3 and status = 'running' for no key update) \
             insert into workflow_step (organization_id, run_id, path, kind, status, input, error, tries, started_at, \
               finished_at, epoch) \
             select $1, id, $4, $5, 'failed', $6, $7, $8, $9, $10, $3 from held \
             on conflict (run_id, path) do update set status = 'failed', error = excluded.error, \
               tries = excluded.tries, finished_at = excluded.finished_at, epoch = excluded.epoch \
             where workflow_step.status = 'started'",
        )
        .bind(cx.organization_id)
        .bind(checkpoint.run_id)
        .bind(checkpoint.epoch)
        .bind(&checkpoint.path)
        .bind(checkpoint.kind)
        .bind(&checkpoint.input)
        .bind(error)
        .bind(checkpoint.tries)
        .bind(checkpoint.started_at)
        .bind(cx.now)
        .execute(tx.conn())
        .await?;
        if written.rows_affected() == 0 {
            return Err(StoreError::Fenced);
        }
        rig.cross("give_up.before").await;
        tx.unchanged(()).await?;
        rig.cross("give_up.after").await;
        Ok(())
    }
}
