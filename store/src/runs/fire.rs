//! Schedules: a tick fires once, whatever the number of schedulers and wherever they crash.

use domain::{OrganizationId, Timestamp};
use sqlx::Row;

use super::{NewRun, Runs, insert};
use crate::StoreError;

/// One tick of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Whose schedule it is.
    pub organization_id: OrganizationId,
    /// The workflow.
    pub workflow: String,
    /// Which of its triggers, counted from 0.
    pub trigger: i16,
    /// When it was due.
    pub due_at: Timestamp,
}

/// The newest tick of a schedule that has fired.
pub type LastFire = Option<Timestamp>;

impl Runs {
    /// Starts the run of a tick; false if the tick has fired before.
    pub async fn fire(&self, tick: &Tick, run: &NewRun) -> Result<bool, StoreError> {
        let mut tx = self.store.system("fire a schedule").await?;
        tx.enter(tick.organization_id).await?;
        let fired = sqlx::query(
            "insert into workflow_fire (organization_id, workflow, trigger, due_at) values ($1, $2, $3, $4) \
             on conflict do nothing",
        )
        .bind(tick.organization_id)
        .bind(&tick.workflow)
        .bind(tick.trigger)
        .bind(tick.due_at)
        .execute(tx.conn())
        .await?;
        let shared = &self.store.shared;
        let mut run = run.clone();
        if shared.rig.lacks("fire") {
            run.idempotency_key = None;
        } else if fired.rows_affected() == 0 {
            return Ok(false);
        }
        insert(tx.conn(), &run).await?;
        shared.rig.cross("fire.before").await;
        tx.commit().await?;
        shared.rig.cross("fire.after").await;
        shared.bell.ring();
        Ok(true)
    }

    /// The newest tick of each schedule that has fired, in the order asked.
    pub async fn last_fires(
        &self,
        schedules: &[(OrganizationId, String, i16)],
    ) -> Result<Vec<LastFire>, StoreError> {
        let organizations: Vec<uuid::Uuid> =
            schedules.iter().map(|(o, _, _)| (*o).into()).collect();
        let workflows: Vec<&str> = schedules.iter().map(|(_, w, _)| w.as_str()).collect();
        let triggers: Vec<i16> = schedules.iter().map(|(_, _, t)| *t).collect();
        let mut tx = self.store.system("read the schedules' ticks").await?;
        let rows = sqlx::query(
            "select (select max(due_at) from workflow_fire f where f.organization_id = asked.organization_id \
               and f.workflow = asked.workflow and f.trigger = asked.trigger) as due_at \
             from unnest($1::uuid[], $2::text[], $3::smallint[]) with ordinality \
               as asked (organization_id, workflow, trigger, number) order by asked.number",
        )
        .bind(organizations)
        .bind(workflows)
        .bind(triggers)
        .fetch_all(tx.conn())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("due_at")?)).collect()
    }
}
