//! The job queues that EventOS's engine is measured beside, as programs: `bench workflows` starts them.
//!
//! A run of three steps is three jobs in a chain. Each job writes its effect and adds the next job in one transaction,
//! so that a step that is done stays done when the worker dies: the nearest these queues come to what EventOS keeps.
//! `apalis-single` is one job that commits three times, which after a crash repeats all three.

mod apalis_queue;
mod graphile;
mod sql;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use graphile_worker::JobSpecBuilder;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;

/// Connections of a process, as EventOS keeps them.
const CONNECTIONS: u32 = 16;

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long)]
    engine: Engine,
    #[arg(long)]
    url: String,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Apalis,
    ApalisSingle,
    Graphile,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Act {
    /// Makes the tables.
    SetUp,
    /// Works until it is told to stop.
    Work { concurrency: usize },
    /// Adds runs one by one, so many at a time, each in a commit of its own; prints how many microseconds it took.
    Enqueue { runs: i32, at_once: usize },
    /// Adds runs at once.
    Batch { runs: i32 },
    /// Adds runs one by one, with a pause before each.
    Wake { runs: i32, pause_ms: u64 },
    /// Adds runs that are due in a month.
    Delayed { runs: i32 },
}

/// When delayed runs are due.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// The payload of a job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Step {
    run: i32,
    step: i32,
    steps: i32,
    is_chained: bool,
    /// When the run was asked for, in microseconds.
    asked_us: i64,
}

impl Step {
    fn next(self) -> Option<Self> {
        let step = self.step + 1;
        (step < self.steps).then_some(Self { step, ..self })
    }
}

/// What time it is, in microseconds.
#[expect(clippy::disallowed_methods, reason = "measuring, beside the product")]
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_micros()).expect("not for a long time")
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect(&cli.url)
        .await?;
    match cli.act {
        Act::SetUp => {
            sql::set_up(&pool).await?;
            match cli.engine {
                Engine::Graphile => drop(graphile::prepared(pool, 1).await?),
                Engine::Apalis | Engine::ApalisSingle => apalis_queue::set_up(&pool).await?,
            }
        }
        Act::Work { concurrency } => match cli.engine {
            Engine::Graphile => graphile::prepared(pool, concurrency).await?.run().await?,
            Engine::Apalis | Engine::ApalisSingle => apalis_queue::work(pool, concurrency).await?,
        },
        Act::Enqueue { runs, at_once } => {
            let queue = Arc::new(Queue::open(cli.engine, pool).await?);
            println!("{}", queue.enqueue(runs, at_once).await?.as_micros());
        }
        Act::Batch { runs } => {
            Queue::open(cli.engine, pool)
                .await?
                .batch(runs, false)
                .await?
        }
        Act::Delayed { runs } => {
            Queue::open(cli.engine, pool)
                .await?
                .batch(runs, true)
                .await?
        }
        Act::Wake { runs, pause_ms } => {
            let queue = Queue::open(cli.engine, pool).await?;
            for run in 0..runs {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                queue.add(run).await?;
            }
        }
    }
    Ok(())
}

/// The way into a queue.
struct Queue {
    engine: Engine,
    pool: PgPool,
    graphile: Option<graphile_worker::Worker>,
}

impl Queue {
    async fn open(engine: Engine, pool: PgPool) -> Result<Self> {
        let graphile = match engine {
            Engine::Graphile => Some(graphile::prepared(pool.clone(), 1).await?),
            Engine::Apalis | Engine::ApalisSingle => None,
        };
        Ok(Self {
            engine,
            pool,
            graphile,
        })
    }

    fn first_step(&self, run: i32) -> Step {
        Step {
            run,
            step: 0,
            steps: 3,
            is_chained: self.engine != Engine::ApalisSingle,
            asked_us: now_us(),
        }
    }

    async fn add(&self, run: i32) -> Result<()> {
        let step = self.first_step(run);
        if let Some(worker) = &self.graphile {
            return graphile::add(worker, step).await;
        }
        apalis_queue::push(&mut *self.pool.acquire().await?, &[step], false).await
    }

    async fn enqueue(self: &Arc<Self>, runs: i32, at_once: usize) -> Result<Duration> {
        let next = Arc::new(AtomicI32::new(0));
        let started = Instant::now();
        let mut adding = JoinSet::new();
        for _ in 0..at_once {
            let (queue, next) = (Arc::clone(self), Arc::clone(&next));
            adding.spawn(async move {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        return anyhow::Ok(());
                    }
                    queue.add(run).await?;
                }
            });
        }
        for added in adding.join_all().await {
            added?;
        }
        Ok(started.elapsed())
    }

    async fn batch(&self, runs: i32, is_delayed: bool) -> Result<()> {
        let steps: Vec<Step> = (0..runs).map(|run| self.first_step(run)).collect();
        if let Some(worker) = &self.graphile {
            let mut spec = JobSpecBuilder::new();
            if is_delayed {
                let now = Duration::from_micros(now_us().cast_unsigned());
                spec = spec.run_at(UNIX_EPOCH + now + MONTH);
            }
            let spec = spec.build();
            for part in steps.chunks(5_000) {
                let jobs: Vec<_> = part.iter().map(|step| (*step, &spec)).collect();
                worker.create_utils().add_jobs(&jobs).await?;
            }
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        for part in steps.chunks(5_000) {
            apalis_queue::push(&mut tx, part, is_delayed).await?;
        }
        Ok(tx.commit().await?)
    }
}
