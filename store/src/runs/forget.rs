//! Forgetting: runs and ticks that nobody asks for any more.

use super::Runs;
use crate::StoreError;

/// Rows taken away in one transaction.
const BATCH: i64 = 2_000;

/// How much was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Runs, with their steps and the approvals they asked for.
    pub runs: u64,
    /// Ticks of schedules.
    pub ticks: u64,
}

impl Runs {
    /// Forgets runs that ended more than 90 days ago (those that gave up: a year) and the ticks of 90 days ago, but for
    /// the newest of each schedule, which says where it goes on. Runs that others began stay as long as those do. To be
    /// called once a day.
    pub async fn forget_old(&self) -> Result<Forgotten, StoreError> {
        // How old is the policies' to say: the role may delete nothing younger.
        let runs = "delete from workflow_run where id in (select r.id from workflow_run r \
             where r.finished_at < now() - case r.status when 'dead' then interval '365 days' else interval '90 days' end \
               and not exists (select from workflow_run child where child.parent_run_id = r.id) limit $1)";
        let ticks = "delete from workflow_fire where (organization_id, workflow, trigger, due_at) in ( \
             select f.organization_id, f.workflow, f.trigger, f.due_at from workflow_fire f \
             where f.due_at < now() - interval '90 days' and exists (select from workflow_fire newer \
               where newer.organization_id = f.organization_id and newer.workflow = f.workflow \
                 and newer.trigger = f.trigger and newer.due_at > f.due_at) limit $1)";
        Ok(Forgotten {
            runs: self.forget(runs).await?,
            ticks: self.forget(ticks).await?,
        })
    }

    /// Takes away what a statement finds, a batch at a time, until there is no more.
    async fn forget(&self, statement: &'static str) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let mut tx = self.store.system("forget old runs").await?;
            let gone = sqlx::query(statement).bind(BATCH).execute(tx.conn());
            let gone = gone.await?.rows_affected();
            tx.commit().await?;
            all += gone;
            if gone == 0 {
                return Ok(all);
            }
        }
    }
}
