//! Waiting: for a time, for a change, or for whichever comes first. The first answer wins.
//!
//! No wake-up is lost, wherever a crash or a race falls. The wait is written down and committed first; only then,
//! still under the lease, the worker looks for a change that is there already, and lets the run go if there is none.
//! A change that commits later is seen by the dispatcher, which by then finds the wait.

use domain::{Checkpoint, Cx, Timestamp};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{Lease, Runs, steps::begin_step};
use crate::StoreError;

/// A change a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Its kind.
    pub kind: String,
    /// What it must be about, as its subject or as the `event_id` of its payload; none for any.
    pub about: Option<Uuid>,
}

/// What came of looking at a wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It is over: `{"woken_by": ..}`.
    Answered(Value),
    /// Not yet. The run sleeps and the lease is given up.
    Sleeping,
}

impl Runs {
    /// Writes down what a run waits for. The checkpoint names the step. Doing it again changes nothing.
    pub async fn register_wait(
        &self,
        cx: &Cx,
        checkpoint: &Checkpoint,
        awaited: &[Awaited],
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let rig = &self.store.shared.rig;
        let mut tx = self.store.write(cx).await?;
        begin_step(tx.conn(), cx, checkpoint, rig).await?;
        let none = [Awaited {
            kind: String::new(),
            about: None,
        }];
        let awaited = if awaited.is_empty() { &none } else { awaited };
        for (number, awaited) in (0_i32..).zip(awaited) {
            let kinds: Vec<&str> = Some(awaited.kind.as_str())
                .into_iter()
                .filter(|kind| !kind.is_empty())
                .collect();
            sqlx::query(
                "insert into workflow_wait (organization_id, run_id, path, number, kinds, about, expires_at) \
                 values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
            )
            .bind(cx.organization_id)
            .bind(checkpoint.run_id)
            .bind(&checkpoint.path)
            .bind(number)
            .bind(kinds)
            .bind(awaited.about)
            .bind(until)
            .execute(tx.conn())
            .await?;
        }
        rig.cross("wait.before").await;
        tx.unchanged(()).await?;
        rig.cross("wait.after").await;
        Ok(())
    }

    /// Looks whether a wait is over; if not, lets the run sleep until it is.
    pub async fn settle_wait(
        &self,
        cx: &Cx,
        lease: &Lease,
        path: &str,
    ) -> Result<Settled, StoreError> {
        let rig = &self.store.shared.rig;
        let mut tx = self.store.write(cx).await?;
        let run_id = Uuid::from(lease.run_id);
        hold(tx.conn(), cx, run_id, lease.epoch).await?;
        let wait = find_wait(tx.conn(), cx, run_id, path).await?;
        let settled = match wait {
            Wait::Answered(output) => Settled::Answered(output),
            Wait::Open { until } => {
                let found = if rig.lacks("look") {
                    None
                } else {
                    find_change(tx.conn(), cx, run_id, path).await?
                };
                let output = match (found, until) {
                    (Some(output), _) => Some(output),
                    (None, Some(until)) if until <= cx.now => Some(json!({"woken_by": "time"})),
                    _ => None,
                };
                if let Some(output) = output {
                    answer(tx.conn(), cx, run_id, path, &output).await?;
                    Settled::Answered(output)
                } else {
                    sleep(tx.conn(), cx, run_id, until).await?;
                    Settled::Sleeping
                }
            }
        };
        rig.cross("settle.before").await;
        tx.unchanged(()).await?;
        rig.cross("settle.after").await;
        Ok(settled)
    }
}

/// Locks the run, if it is still held.
async fn hold(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    epoch: i64,
) -> Result<(), StoreError> {
    let held = sqlx::query(
        "select from workflow_run where organization_id = $1 and id = $2 and epoch = $3 and status = 'running' \
         for no key update",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(epoch)
    .fetch_optional(conn)
    .await?;
    held.map(drop).ok_or(StoreError::Fenced)
}

enum Wait {
    Open { until: Option<Timestamp> },
    Answered(Value),
}

async fn find_wait(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    path: &str,
) -> Result<Wait, StoreError> {
    let row = sqlx::query(
        "select s.output, w.run_id is not null as is_open, w.expires_at from workflow_step s \
         left join workflow_wait w on w.run_id = s.run_id and w.path = s.path and w.number = 0 \
         where s.organization_id = $1 and s.run_id = $2 and s.path = $3",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(path)
    .fetch_one(conn)
    .await?;
    Ok(if row.try_get("is_open")? {
        Wait::Open {
            until: row.try_get("expires_at")?,
        }
    } else {
        Wait::Answered(
            row.try_get::<Option<Value>, _>("output")?
                .unwrap_or_default(),
        )
    })
}

/// A change since the run began that the wait is for and that no earlier wait of the run was answered by.
async fn find_change(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    path: &str,
) -> Result<Option<Value>, StoreError> {
    let row = sqlx::query(
        "select c.id, c.kind, c.payload from workflow_wait w join workflow_run r on r.id = w.run_id \
         join change c on c.organization_id = w.organization_id and c.kind = any (w.kinds) \
           and c.transaction_id >= r.since \
           and (w.about is null or w.about = c.subject_id \
             or c.payload ->> 'event_id' = 'evt_' || replace(w.about::text, '-', '')) \
         where w.organization_id = $1 and w.run_id = $2 and w.path = $3 \
           and not exists (select from workflow_step s where s.run_id = w.run_id \
             and s.output ->> 'change_id' = 'chg_' || replace(c.id::text, '-', '')) \
         order by c.transaction_id, c.sequence limit 1",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(path)
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some(row) => Some(output_of(
            row.try_get("id")?,
            row.try_get("kind")?,
            &row.try_get("payload")?,
        )),
        None => None,
    })
}

/// Whether an earlier wait of the run was answered by the change.
pub(super) async fn has_seen(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    change_id: domain::ChangeId,
) -> Result<bool, StoreError> {
    let seen = sqlx::query_scalar(
        "select exists (select from workflow_step where organization_id = $1 and run_id = $2 \
           and output ->> 'change_id' = $3)",
    );
    let seen = seen
        .bind(cx.organization_id)
        .bind(run_id)
        .bind(change_id.to_string());
    Ok(seen.fetch_one(conn).await?)
}

/// What a wait answers that was ended by a change.
pub(super) fn output_of(id: domain::ChangeId, kind: &str, payload: &Value) -> Value {
    json!({"woken_by": kind, "change": payload, "change_id": id})
}

/// Ends a wait; false if it was over already. The caller holds the run's row.
pub(super) async fn answer(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    path: &str,
    output: &Value,
) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "delete from workflow_wait where organization_id = $1 and run_id = $2 and path = $3",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(path)
    .execute(&mut *conn)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "update workflow_step set status = 'done', output = $4, finished_at = $5 \
         where organization_id = $1 and run_id = $2 and path = $3 and status = 'started'",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(path)
    .bind(output)
    .bind(cx.now)
    .execute(conn)
    .await?;
    Ok(true)
}

async fn sleep(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Uuid,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update workflow_run set status = 'waiting', wake_at = $3, lease_owner = null, lease_until = null \
         where organization_id = $1 and id = $2",
    )
    .bind(cx.organization_id)
    .bind(run_id)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}
