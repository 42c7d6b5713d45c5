//! What the peers' steps write, and how they are followed by the next one.

use sqlx::{PgConnection, PgPool};

use crate::Step;

/// Makes the table of effects. It has no key: what is done twice must show.
pub async fn set_up(pool: &PgPool) -> sqlx::Result<()> {
    let statement = "create table if not exists effect \
        (run integer not null, step integer not null, asked_us bigint not null, began_us bigint not null, \
         done_at timestamptz not null default clock_timestamp())";
    sqlx::query(statement).execute(pool).await?;
    Ok(())
}

/// What a step is there for.
pub async fn effect(conn: &mut PgConnection, step: Step, began_us: i64) -> sqlx::Result<()> {
    sqlx::query("insert into effect (run, step, asked_us, began_us) values ($1, $2, $3, $4)")
        .bind(step.run)
        .bind(step.step)
        .bind(step.asked_us)
        .bind(began_us)
        .execute(conn)
        .await?;
    Ok(())
}

/// The next step of a chain, for graphile_worker, in the transaction of the one before.
pub async fn graphile_next(conn: &mut PgConnection, step: Step) -> sqlx::Result<()> {
    sqlx::query("select graphile_worker.add_job('step', $1::jsonb::json)")
        .bind(sqlx::types::Json(step))
        .execute(conn)
        .await?;
    Ok(())
}
