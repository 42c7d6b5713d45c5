//! What the engines' databases are asked: to be filled, to be emptied, and what was done in them.

use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};

use super::engines::{Kind, WORKFLOW};

/// One engine's database.
#[derive(Clone)]
pub(crate) struct Database {
    kind: Kind,
    pool: PgPool,
}

/// What was done since the database was emptied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Steps whose effect is there, each counted as often as it is.
    pub(crate) effects: i64,
    /// Steps whose effect is there, each counted once.
    pub(crate) steps: i64,
    /// From when the first step began until the last run was done.
    pub(crate) seconds: f64,
}

/// Makes a database, unless it is there.
pub(crate) async fn create(any: &str, name: &str) -> sqlx::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).connect(any).await?;
    let known = sqlx::query("select from pg_database where datname = $1").bind(name);
    if known.fetch_optional(&pool).await?.is_none() {
        let statement = AssertSqlSafe(format!("create database {name}"));
        sqlx::query(statement).execute(&pool).await?;
    }
    pool.close().await;
    Ok(())
}

impl Database {
    pub(crate) async fn connect(kind: Kind, url: &str) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
        Ok(Self { kind, pool })
    }

    async fn execute(&self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::query(statement).execute(&self.pool).await?;
        Ok(())
    }

    /// The server's version, and whether what it commits survives a power cut.
    pub(crate) async fn server(&self) -> sqlx::Result<(String, bool)> {
        let row = sqlx::query(
            "select current_setting('server_version') as version, \
               current_setting('fsync')::bool and current_setting('synchronous_commit') = 'on' as is_durable",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((row.try_get("version")?, row.try_get("is_durable")?))
    }

    /// The organization whose runs are measured.
    pub(crate) async fn organization(&self) -> sqlx::Result<domain::OrganizationId> {
        let id = sqlx::query_scalar("select id from organization order by id limit 1");
        id.fetch_one(&self.pool).await
    }

    /// Forgets all runs. Workers that look at them just then may be in the way, and it in theirs.
    pub(crate) async fn empty(&self) -> sqlx::Result<()> {
        let statement = match self.kind {
            Kind::EventOs => "truncate workflow_run, workflow_step, workflow_wait, change cascade",
            Kind::Apalis | Kind::ApalisSingle => "truncate apalis.jobs, effect cascade",
            Kind::Graphile => "truncate graphile_worker._private_jobs, effect cascade",
        };
        for _ in 0..20 {
            match self.execute(statement).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01") => {}
                outcome => return outcome,
            }
        }
        self.execute(statement).await
    }

    /// Brings what the planner knows up to date, and clears away what is gone.
    pub(crate) async fn settle(&self) -> sqlx::Result<()> {
        self.execute("vacuum analyze").await
    }

    /// EventOS's runs that are due at once, in one commit: what a change that starts many does.
    pub(crate) async fn batch(&self, runs: i32) -> sqlx::Result<()> {
        self.insert("queued", "0", runs).await
    }

    /// EventOS's runs that wait for another day: half for their start, half in the middle.
    pub(crate) async fn wait(&self, runs: i32) -> sqlx::Result<()> {
        self.insert("queued", "30", runs / 2).await?;
        self.insert("waiting", "30", runs - runs / 2).await
    }

    async fn insert(&self, status: &str, days: &str, runs: i32) -> sqlx::Result<()> {
        sqlx::query(
            "insert into workflow_run (organization_id, id, workflow, version, title, status, trigger, params, wake_at, \
               created_at) \
             select organization.id, gen_random_uuid(), $4, 1, 'Bench', $1, '{}', '{}', \
               now() + make_interval(days => $2::int, secs => number * 0.001 * ($2::int > 0)::int), now() \
             from (select id from organization order by id limit 1) organization, generate_series(1, $3) number",
        )
        .bind(status)
        .bind(days)
        .bind(runs)
        .bind(WORKFLOW)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets EventOS's runs that were claimed.
    pub(crate) async fn drop_claimed(&self) -> sqlx::Result<()> {
        self.execute("delete from workflow_run where status = 'running'")
            .await
    }

    /// How many runs are through.
    pub(crate) async fn finished(&self) -> sqlx::Result<i64> {
        let count = match self.kind {
            Kind::EventOs => "select count(*) from workflow_run where status = 'done'",
            _ => "select count(*) from effect where step = 2",
        };
        sqlx::query_scalar(count).fetch_one(&self.pool).await
    }

    /// How many runs gave up or were taken over, which no bench expects.
    pub(crate) async fn troubled(&self) -> sqlx::Result<i64> {
        let count = match self.kind {
            Kind::EventOs => {
                "select count(*) from workflow_run where status = 'dead' or takeovers > 0 or error is not null"
            }
            Kind::Apalis | Kind::ApalisSingle => {
                "select count(*) from apalis.jobs where status in ('Failed', 'Killed')"
            }
            Kind::Graphile => {
                "select count(*) from graphile_worker._private_jobs where last_error is not null"
            }
        };
        sqlx::query_scalar(count).fetch_one(&self.pool).await
    }

    /// What was done.
    pub(crate) async fn done(&self) -> sqlx::Result<Done> {
        let row = sqlx::query(match self.kind {
            // Every step tells a fact: a row of its own, in the transaction in which the step is written down.
            Kind::EventOs => {
                "select count(*) as effects, count(distinct (subject_id, payload ->> 'name')) as steps, \
                   (select extract(epoch from max(finished_at)) from workflow_run)::float8 \
                     - (select extract(epoch from min(started_at)) from workflow_step)::float8 as seconds \
                 from change where kind = 'workflow.emitted'"
            }
            _ => {
                "select count(*) as effects, count(distinct (run, step)) as steps, \
                   extract(epoch from max(done_at))::float8 - min(began_us) / 1e6::float8 as seconds \
                 from effect"
            }
        })
        .fetch_one(&self.pool)
        .await?;
        Ok(Done {
            effects: row.try_get("effects")?,
            steps: row.try_get("steps")?,
            seconds: row.try_get("seconds")?,
        })
    }

    /// For every run that was asked for, in order: microseconds from when it was asked for until its first step began.
    pub(crate) async fn wake_ups(&self) -> sqlx::Result<Vec<i64>> {
        let latencies = match self.kind {
            Kind::EventOs => {
                "select (extract(epoch from min(s.started_at)) * 1000000)::bigint - (r.params ->> 'asked_us')::bigint \
                 from workflow_run r join workflow_step s on s.run_id = r.id \
                 where r.params ? 'asked_us' group by r.id, r.params order by r.params ->> 'asked_us'"
            }
            _ => "select began_us - asked_us from effect where step = 0 order by asked_us",
        };
        sqlx::query_scalar(latencies).fetch_all(&self.pool).await
    }
}
