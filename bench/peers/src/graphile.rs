//! graphile_worker.

use std::time::Duration;

use anyhow::Result;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, TaskHandler, Worker, WorkerContext, WorkerOptions,
};
use sqlx::PgPool;

use crate::{Step, sql};

impl TaskHandler for Step {
    const IDENTIFIER: &'static str = "step";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        done(self, context.pg_pool())
            .await
            .map_err(|error| error.to_string())
    }
}

async fn done(step: Step, pool: &PgPool) -> Result<()> {
    let began = crate::now_us();
    let mut tx = pool.begin().await?;
    sql::effect(&mut tx, step, began).await?;
    if let Some(next) = step.next() {
        sql::graphile_next(&mut tx, next).await?;
    }
    Ok(tx.commit().await?)
}

pub async fn prepared(pool: PgPool, concurrency: usize) -> Result<Worker> {
    let worker = WorkerOptions::default()
        .concurrency(concurrency)
        .poll_interval(Duration::from_secs(1))
        .schema("graphile_worker")
        .define_job::<Step>()
        .pg_pool(pool)
        .init()
        .await?;
    Ok(worker)
}

pub async fn add(worker: &Worker, step: Step) -> Result<()> {
    worker
        .create_utils()
        .add_job(step, JobSpec::default())
        .await?;
    Ok(())
}
