//! The dispatcher: changes start runs and end waits, in the order in which they were committed, each once.
//!
//! One transaction takes the cursor's row, reads what is behind it, writes runs and answers, and moves the cursor on.
//! Whoever finds the row locked leaves it to the other.

use domain::{Actor, ChangeId, Cx, OrganizationId, Permissions, Timestamp, context::Entropy};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::{NewRun, Runs, insert, waits};
use crate::{StoreError, SystemTx};

/// A change, with all a trigger may ask about.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedChange {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its id.
    pub id: ChangeId,
    /// `order.placed` and the like.
    pub kind: String,
    /// The prefix of the id it is about.
    pub subject_kind: String,
    /// The bare id it is about.
    pub subject_id: Uuid,
    /// When it happened, by the clock of whoever did it.
    pub at: Timestamp,
    /// What it says.
    pub payload: Value,
    position: i64,
}

impl FeedChange {
    /// The transaction it was committed in, by which changes are ordered.
    pub fn position(&self) -> i64 {
        self.position
    }
}

/// What a dispatcher finds.
pub enum Upcoming {
    /// Changes to deal with.
    Changes(Dispatch),
    /// Nothing new.
    Nothing,
    /// Something may be there in a moment: another dispatcher is at it, or an older transaction is still running.
    Soon,
}

/// Changes taken up, with the right to deal with them.
pub struct Dispatch {
    runs: Runs,
    tx: SystemTx,
    changes: Vec<FeedChange>,
    upto: i64,
}

/// What came of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dispatched {
    /// How many changes were dealt with.
    pub changes: usize,
    /// How many runs began.
    pub started: usize,
    /// How many waits ended.
    pub woken: usize,
}

impl Runs {
    /// Takes up the next changes.
    pub async fn next_changes(&self, limit: u32) -> Result<Upcoming, StoreError> {
        let mut tx = self.store.system("dispatch changes").await?;
        let cursor = sqlx::query(
            "select position, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as upto \
             from workflow_cursor where name = 'dispatch' for no key update skip locked",
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(cursor) = cursor else {
            return Ok(Upcoming::Soon);
        };
        let mut position: i64 = cursor.try_get("position")?;
        let upto: i64 = cursor.try_get("upto")?;
        if position > upto {
            // Transactions are counted by the server. On another one, as after restoring a backup, they begin anew.
            tracing::warn!(
                position,
                upto,
                "The database was moved to another server; dispatching begins at its present"
            );
            position = upto;
            move_cursor(&mut tx, position).await?;
        }
        let mut changes = read(&mut tx, position, upto, limit).await?;
        let mut upto = upto;
        if changes.len() > limit as usize {
            // Whole transactions only: the cursor cannot stand inside one.
            let last = changes.last().map_or(upto, |c| c.position);
            if changes.iter().any(|c| c.position < last) {
                changes.retain(|c| c.position < last);
                upto = last - 1;
            } else {
                changes = read(&mut tx, position, last, u32::MAX).await?;
                upto = last;
            }
        }
        if changes.is_empty() {
            let later = sqlx::query_scalar(
                "select exists (select from change where transaction_id > $1::text::xid8)",
            );
            let is_later: bool = later.bind(upto).fetch_one(tx.conn()).await?;
            tx.commit().await?;
            return Ok(if is_later {
                Upcoming::Soon
            } else {
                Upcoming::Nothing
            });
        }
        Ok(Upcoming::Changes(Dispatch {
            runs: self.clone(),
            tx,
            changes,
            upto,
        }))
    }
}

impl Dispatch {
    /// What is to be dealt with.
    pub fn changes(&self) -> &[FeedChange] {
        &self.changes
    }

    /// Starts runs, ends waits and moves on.
    pub async fn finish(
        mut self,
        starts: &[NewRun],
        now: Timestamp,
    ) -> Result<Dispatched, StoreError> {
        let mut dispatched = Dispatched {
            changes: self.changes.len(),
            ..Dispatched::default()
        };
        for answer in self.answered().await? {
            dispatched.woken += usize::from(self.wake(&answer, now).await?);
        }
        let mut inside = None;
        for run in starts {
            if inside != Some(run.organization_id) {
                self.tx.enter(run.organization_id).await?;
                inside = Some(run.organization_id);
            }
            dispatched.started += usize::from(insert(self.tx.conn(), run).await?.is_new);
        }
        self.tx.leave().await?;
        move_cursor(&mut self.tx, self.upto).await?;
        let shared = &self.runs.store.shared;
        shared.rig.cross("dispatch.before").await;
        self.tx.commit().await?;
        shared.rig.cross("dispatch.after").await;
        if dispatched.started + dispatched.woken > 0 {
            shared.bell.ring();
        }
        Ok(dispatched)
    }

    /// Open waits and the changes that may answer them, in order. Which of them does is seen under the run's lock.
    async fn answered(&mut self) -> Result<Vec<Answer>, StoreError> {
        let ids: Vec<Uuid> = self.changes.iter().map(|c| c.id.into()).collect();
        let rows = sqlx::query(
            "with seen as (\
               select c.organization_id, c.id, c.kind, c.subject_id, c.payload, c.transaction_id, c.sequence, \
                 nullif(substring(c.payload ->> 'event_id' from '^evt_([0-9a-f]{32})$'), '')::uuid as event_id \
               from change c where c.id = any ($1)), \
             matched as (\
               select s.*, w.run_id, w.path from seen s join workflow_wait w on w.organization_id = s.organization_id \
                 and w.about = s.subject_id and s.kind = any (w.kinds) \
               union all \
               select s.*, w.run_id, w.path from seen s join workflow_wait w on w.organization_id = s.organization_id \
                 and w.about = s.event_id and s.kind = any (w.kinds) \
               union all \
               select s.*, w.run_id, w.path from seen s join workflow_wait w on w.organization_id = s.organization_id \
                 and w.about is null and s.kind = any (w.kinds)) \
             select organization_id, run_id, path, id, kind, payload, transaction_id::text::bigint as position from matched \
             order by run_id, path, transaction_id, sequence",
        )
        .bind(ids)
        .fetch_all(self.tx.conn())
        .await?;
        rows.iter()
            .map(|row| {
                let id: ChangeId = row.try_get("id")?;
                Ok(Answer {
                    organization_id: row.try_get("organization_id")?,
                    run_id: row.try_get("run_id")?,
                    path: row.try_get("path")?,
                    change_id: id,
                    position: row.try_get("position")?,
                    output: waits::output_of(id, row.try_get("kind")?, &row.try_get("payload")?),
                })
            })
            .collect()
    }

    async fn wake(&mut self, found: &Answer, now: Timestamp) -> Result<bool, StoreError> {
        self.tx.enter(found.organization_id).await?;
        let conn = self.tx.conn();
        // The run's row first, as everybody does who touches its waits.
        let held = sqlx::query(
            "select from workflow_run where organization_id = $1 and id = $2 and since <= $3::text::xid8 \
             for no key update",
        )
        .bind(found.organization_id)
        .bind(found.run_id)
        .bind(found.position)
        .fetch_optional(&mut *conn)
        .await?;
        let cx = dispatching(found.organization_id, now);
        // The dispatcher may be late: the run saw the change by itself, or it is from before the run.
        if held.is_none()
            || waits::has_seen(conn, &cx, found.run_id, found.change_id).await?
            || !waits::answer(conn, &cx, found.run_id, &found.path, &found.output).await?
        {
            self.tx.leave().await?;
            return Ok(false);
        }
        sqlx::query(
            "update workflow_run set status = 'queued', wake_at = $3 \
             where organization_id = $1 and id = $2 and status = 'waiting'",
        )
        .bind(found.organization_id)
        .bind(found.run_id)
        .bind(now)
        .execute(conn)
        .await?;
        self.tx.leave().await?;
        Ok(true)
    }
}

struct Answer {
    organization_id: OrganizationId,
    run_id: Uuid,
    path: String,
    change_id: ChangeId,
    /// Its transaction.
    position: i64,
    output: Value,
}

/// The dispatcher in an organization.
fn dispatching(organization_id: OrganizationId, now: Timestamp) -> Cx {
    let actor = Actor::System { reason: "dispatch" };
    Cx::at(
        organization_id,
        actor,
        Permissions::NONE,
        now,
        Entropy::System,
    )
}

async fn move_cursor(tx: &mut SystemTx, position: i64) -> Result<(), StoreError> {
    sqlx::query("update workflow_cursor set position = $1 where name = 'dispatch'")
        .bind(position)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// One more than the limit, if there are more.
async fn read(
    tx: &mut SystemTx,
    position: i64,
    upto: i64,
    limit: u32,
) -> Result<Vec<FeedChange>, StoreError> {
    let rows = sqlx::query(
        "select organization_id, id, kind, subject_kind, subject_id, at, payload, \
           transaction_id::text::bigint as position \
         from change where transaction_id > $1::text::xid8 and transaction_id <= $2::text::xid8 \
         order by transaction_id, sequence limit $3",
    )
    .bind(position)
    .bind(upto)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.conn())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(FeedChange {
                organization_id: row.try_get("organization_id")?,
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                subject_kind: row.try_get("subject_kind")?,
                subject_id: row.try_get("subject_id")?,
                at: row.try_get("at")?,
                payload: row.try_get("payload")?,
                position: row.try_get("position")?,
            })
        })
        .collect()
}
