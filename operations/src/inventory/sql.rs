//! Every query on `capacity_pool`. Counters move in guarded updates: the database decides who gets the last place.

use domain::{CapacityPoolId, Cx, EventId, Name};
use sqlx::PgConnection;

use super::model::{Places, Pool, Shortage, Step};

/// The shared pools of an event, by name.
pub(crate) async fn shared(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Vec<Pool>> {
    sqlx::query_as!(
        Pool,
        "select id, name, capacity, held_count, sold_count, blocked_count from capacity_pool
         where event_id = $1 and name is not null order by lower(name)",
        event_id as _
    )
    .fetch_all(conn)
    .await
}

/// What a new row of `capacity_pool` needs.
pub(crate) struct NewPool<'a> {
    pub(crate) id: CapacityPoolId,
    pub(crate) event_id: EventId,
    /// None: the pool of one ticket type alone.
    pub(crate) name: Option<&'a Name>,
    /// None: unlimited.
    pub(crate) capacity: Option<i32>,
}

/// Adds a pool with nothing taken. Violates `capacity_pool_name_key` when the event has a pool of that name.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    pool: &NewPool<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into capacity_pool (organization_id, id, event_id, name, capacity, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        cx.organization_id as _,
        pool.id as _,
        pool.event_id as _,
        pool.name as _,
        pool.capacity,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a pool another capacity; returns false when more than that is taken already.
pub(crate) async fn resize(
    conn: &mut PgConnection,
    id: CapacityPoolId,
    capacity: Option<i32>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update capacity_pool set capacity = $2
         where id = $1 and ($2::integer is null or held_count + sold_count + blocked_count <= $2)",
        id as _,
        capacity
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes a pool that no ticket type and no order has ever used.
pub(crate) async fn remove_unused(conn: &mut PgConnection, id: CapacityPoolId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from capacity_pool
         where id = $1 and not exists (select from ticket_type where pool_id = $1)
           and not exists (select from order_item where pool_id = $1)",
        id as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves places of pools, in the order of their ids. Stops at the first pool that has too few left; the caller
/// then gives the transaction up.
///
/// Call it as late as possible: from here to the commit everybody else who wants the pool waits.
pub(crate) async fn move_places(
    conn: &mut PgConnection,
    step: Step,
    places: &Places,
) -> sqlx::Result<Result<(), Shortage>> {
    for (&pool_id, &count) in places {
        let (held, sold) = step.deltas(count);
        let done = sqlx::query!(
            "update capacity_pool set held_count = held_count + $2, sold_count = sold_count + $3
             where id = $1
               and ($2::integer + $3::integer <= 0 or capacity is null or held_count + sold_count + blocked_count + $2 + $3 <= capacity)",
            pool_id as _,
            held,
            sold
        )
        .execute(&mut *conn)
        .await?;
        if done.rows_affected() == 0 {
            let left = left(conn, pool_id).await?;
            return Ok(Err(Shortage { pool_id, left }));
        }
    }
    Ok(Ok(()))
}

/// Moves places that are taken: gives them back, or sells those that are held. Unlike free places they cannot run out.
pub(crate) async fn move_taken(
    conn: &mut PgConnection,
    step: Step,
    places: &Places,
) -> sqlx::Result<()> {
    let moved = move_places(conn, step, places).await?;
    // The counters are at least what their rows say (a test reconciles them); the pool cannot be gone either.
    moved.map_err(|_| sqlx::Error::RowNotFound)
}

async fn left(conn: &mut PgConnection, id: CapacityPoolId) -> sqlx::Result<i32> {
    let left = sqlx::query_scalar!(
        "select greatest(capacity - held_count - sold_count - blocked_count, 0) from capacity_pool where id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(left.flatten().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::testing::Scene;

    #[tokio::test]
    async fn the_database_itself_refuses_more_than_there_is() {
        let scene = Scene::new().await;
        scene.on_sale(2500, 5).await;
        let mut owner = scene.database.owner().await;
        let unguarded = sqlx::query("update capacity_pool set sold_count = 6");
        let error = unguarded.execute(&mut owner).await.unwrap_err();
        let constraint = error.as_database_error().and_then(|e| e.constraint());
        assert_eq!(constraint, Some("capacity_pool_not_oversold"));
    }
}
