//! Claiming what is due: fairly between organizations, at a cost that does not grow with what waits.

use std::time::Duration;

use domain::{OrganizationId, Timestamp};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Lease, Run, Runs};
use crate::StoreError;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The worker's name.
    pub owner: &'a str,
    /// How many runs at most.
    pub wanted: u32,
    /// How many runs of one organization may be worked on at once, by all workers together.
    pub per_organization: u32,
    /// For how long without renewing.
    pub lease_for: Duration,
    /// Behind which organization the round goes on when more is due than one look takes in.
    pub behind: Uuid,
    /// The clock of the product.
    pub now: Timestamp,
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// Runs being worked on.
    pub running: i64,
    /// Runs that gave up and wait for a person.
    pub dead: i64,
    /// For how many seconds the run that is due longest has been due; 0 when none is.
    pub lag_seconds: f64,
}

/// How many of the longest due runs a claim looks at before it goes round the organizations.
const HEAD: i64 = 128;

/// How many organizations a claim visits at most when more than that is due.
const ROUND: i32 = 100;

/// One look at the head of the queue is enough while everything due fits into it. When it does not, one organization's
/// backlog may hide the others: then the claim also visits organization by organization. In both cases runs are taken
/// in turns, those of organizations that have the fewest under way first. What was chosen is looked up and locked row by
/// row: a join would let the planner read everything that is due.
const CLAIM: &str = "\
with recursive expired as materialized (\
  select organization_id, id, lease_until as due from workflow_run \
  where status = 'running' and lease_until < clock_timestamp()\
), busy as materialized (\
  select organization_id, count(*) as running from workflow_run \
  where status = 'running' and lease_until >= clock_timestamp() group by organization_id\
), head as materialized (\
  select organization_id, id, wake_at as due from workflow_run \
  where status in ('queued', 'waiting') and wake_at is not null and wake_at <= $1 \
  order by wake_at limit $2\
), visited (organization_id, number) as (\
  (select r.organization_id, 1 from workflow_run r \
   where (select count(*) from head) = $2 \
     and r.status in ('queued', 'waiting') and r.wake_at is not null and r.organization_id > $3 \
   order by r.organization_id limit 1) \
  union all \
  select (select r.organization_id from workflow_run r \
          where r.status in ('queued', 'waiting') and r.wake_at is not null and r.organization_id > v.organization_id \
          order by r.organization_id limit 1), v.number + 1 \
  from visited v where v.organization_id is not null and v.number < $4\
), open as materialized (\
  select v.organization_id, count(*) over () as number \
  from visited v left join busy b on b.organization_id = v.organization_id \
  where v.organization_id is not null and coalesce(b.running, 0) < $5\
), candidate as (\
  select * from expired union select * from head union \
  select due.* from open o cross join lateral (\
    select r.organization_id, r.id, r.wake_at as due from workflow_run r \
    where r.organization_id = o.organization_id and r.status in ('queued', 'waiting') and r.wake_at is not null \
      and r.wake_at <= $1 \
    order by r.wake_at limit least($5, 1 + 4 * $6 / o.number)) due\
), ranked as (\
  select c.id, c.due, coalesce(b.running, 0) + row_number() over (partition by c.organization_id order by c.due, c.id) \
    as place \
  from candidate c left join busy b on b.organization_id = c.organization_id\
), first as materialized (\
  select * from ranked where place <= $5 order by place, due, id limit 2 * $6\
), taken as (\
  select r.* from first p cross join lateral (\
    select r.id, r.status from workflow_run r \
    where r.id = p.id \
      and (r.status in ('queued', 'waiting') and r.wake_at <= $1 \
        or r.status = 'running' and r.lease_until < clock_timestamp()) \
    for no key update skip locked) r \
  limit $6\
) \
update workflow_run r set status = 'running', lease_owner = $7, \
  lease_until = clock_timestamp() + make_interval(secs => $8), epoch = r.epoch + 1, \
  takeovers = r.takeovers + (taken.status = 'running')::int, started_at = coalesce(r.started_at, $1) \
from taken where r.id = taken.id \
returning r.organization_id, r.id, r.epoch, r.workflow, r.version, r.definition, r.title, r.trigger, r.params, \
  r.variables, r.tries, r.takeovers, r.error, r.parent_run_id, r.on_behalf_of, r.started_at";

impl Runs {
    /// Takes runs that are due, or whose worker has let its lease run out.
    pub async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Run>, StoreError> {
        let mut tx = self.store.system("claim runs").await?;
        // Claims take turns, so that each counts what the others have under way; it is a matter of a millisecond. What
        // a crash of the database loses of a claim that was not flushed is claimed again, and nothing was done under
        // it: the first commit of the worker flushes the claim as well.
        //
        // The statement is planned once per connection: every part of it is an index scan with a limit, whatever the
        // parameters, and planning it took as long as executing it. The estimates, which know no parameters, would have
        // it compiled when very many runs wait.
        sqlx::query(
            "select pg_advisory_xact_lock(7236452), set_config('synchronous_commit', 'off', true), \
               set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true)",
        )
        .execute(tx.conn())
        .await?;
        let rows = sqlx::query(CLAIM)
            .bind(claim.now)
            .bind(HEAD)
            .bind(claim.behind)
            .bind(ROUND)
            .bind(i64::from(claim.per_organization))
            .bind(i64::from(claim.wanted))
            .bind(claim.owner)
            .bind(claim.lease_for.as_secs_f64())
            .fetch_all(tx.conn())
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.store.shared.rig.cross("claim.before").await;
        tx.commit().await?;
        self.store.shared.rig.cross("claim.after").await;
        rows.iter().map(run).collect()
    }

    /// How the queue stands.
    pub async fn health(&self, now: Timestamp) -> Result<Health, StoreError> {
        let mut tx = self.store.system("health of the queue").await?;
        let row = sqlx::query(
            "select (select count(*) from workflow_run where status = 'running') as running, \
               (select count(*) from workflow_run where status = 'dead') as dead, \
               coalesce(extract(epoch from $1 - (select wake_at from workflow_run \
                 where status in ('queued', 'waiting') and wake_at is not null and wake_at <= $1 \
                 order by wake_at limit 1)), 0)::float8 as lag_seconds",
        )
        .bind(now)
        .fetch_one(tx.conn())
        .await?;
        Ok(Health {
            running: row.try_get("running")?,
            dead: row.try_get("dead")?,
            lag_seconds: row.try_get("lag_seconds")?,
        })
    }
}

fn run(row: &PgRow) -> Result<Run, StoreError> {
    let organization_id: OrganizationId = row.try_get("organization_id")?;
    Ok(Run {
        lease: Lease {
            organization_id,
            run_id: row.try_get("id")?,
            epoch: row.try_get("epoch")?,
        },
        workflow: row.try_get("workflow")?,
        version: row.try_get("version")?,
        definition: row.try_get("definition")?,
        title: row.try_get("title")?,
        trigger: row.try_get("trigger")?,
        params: row.try_get("params")?,
        variables: row.try_get("variables")?,
        tries: row.try_get("tries")?,
        takeovers: row.try_get("takeovers")?,
        error: row.try_get("error")?,
        parent_run_id: row.try_get("parent_run_id")?,
        on_behalf_of: row.try_get("on_behalf_of")?,
        started_at: row.try_get("started_at")?,
    })
}
