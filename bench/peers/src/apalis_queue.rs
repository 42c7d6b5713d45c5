//! apalis on PostgreSQL.

use std::time::Duration;

use anyhow::Result;
use apalis::{layers::WorkerBuilderExt as _, prelude::*};
use apalis_postgres::{Config, PostgresStorage, queries::push_tasks};
use sqlx::{PgConnection, PgPool};

use crate::{Step, sql};

const QUEUE: &str = "step";

pub async fn set_up(pool: &PgPool) -> Result<()> {
    Ok(PostgresStorage::setup(pool).await?)
}

pub async fn push(conn: &mut PgConnection, steps: &[Step], delayed: bool) -> Result<()> {
    let tasks = steps.iter().map(|step| {
        let task = TaskBuilder::new(serde_json::to_vec(step).expect("a step is plain data"));
        if delayed {
            task.run_after(crate::MONTH).build()
        } else {
            task.build()
        }
    });
    Ok(push_tasks(conn, QUEUE, tasks.collect()).await?)
}

pub async fn work(pool: PgPool, concurrency: usize) -> Result<()> {
    // Woken by what is pushed, and looking by itself as often as EventOS does; a batch as large as there is room for.
    let config = Config::default().queue(QUEUE).batch_size(concurrency);
    let backend = PostgresStorage::new(&pool)
        .with_config(config)
        .with_pubsub()
        .poll_with_interval(Duration::from_secs(1));
    WorkerBuilder::new(format!("worker-{}", std::process::id()))
        .backend(backend)
        .data(pool)
        .concurrency(concurrency)
        .parallelize(tokio::spawn)
        .build(step)
        .run()
        .await?;
    Ok(())
}

async fn step(step: Step, pool: Data<PgPool>) -> Result<(), BoxDynError> {
    let began = crate::now_us();
    if !step.is_chained {
        for number in 0..step.steps {
            let step = Step {
                step: number,
                ..step
            };
            sql::effect(&mut *pool.acquire().await?, step, began).await?;
        }
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    sql::effect(&mut tx, step, began).await?;
    if let Some(next) = step.next() {
        push(&mut tx, &[next], false).await?;
    }
    Ok(tx.commit().await?)
}
