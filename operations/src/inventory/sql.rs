//! Every query on `capacity_pool`, and those on the counters of `promo_code`. Counters move in guarded updates: the database decides who gets the last place.

use domain::{CapacityPoolId, Cx, EventId, Name, PromoCodeId, TicketTypeId};
use sqlx::PgConnection;

use super::{
    model::{Moves, Places, Pool, Recount, SeatsRecount, Sharer, Shortage, Step},
    uses::{UsedUp, Uses, UsesRecount},
};

/// Pools by their ids.
pub(crate) async fn pools(
    conn: &mut PgConnection,
    ids: &[CapacityPoolId],
) -> sqlx::Result<Vec<Pool>> {
    sqlx::query_as!(
        Pool,
        r#"select id, name, capacity, held_count, sold_count, blocked_count, stopped_at is not null as "is_stopped!"
           from capacity_pool where id = any($1)"#,
        ids as _
    )
    .fetch_all(conn)
    .await
}

/// The shared pools of an event, by name.
pub(crate) async fn shared(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Vec<Pool>> {
    sqlx::query_as!(
        Pool,
        r#"select id, name, capacity, held_count, sold_count, blocked_count, stopped_at is not null as "is_stopped!"
           from capacity_pool where event_id = $1 and name is not null order by lower(name)"#,
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

/// Removes a shared pool that no ticket type draws on any more.
async fn remove_unused(conn: &mut PgConnection, id: CapacityPoolId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from capacity_pool where id = $1 and not exists (select from ticket_type_pool where pool_id = $1)",
        id as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps pools, whose places are about to move, from others until the transaction ends; in the order of their ids.
pub(crate) async fn keep(conn: &mut PgConnection, moves: &Moves) -> sqlx::Result<()> {
    let ids: Vec<CapacityPoolId> = moves.iter().map(|(id, ..)| id).collect();
    sqlx::query!(
        "select id from capacity_pool where id = any($1) order by id for update",
        &ids as _
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// Moves places of pools, in the order of their ids. Stops at the first pool that has too few left; the caller
/// then gives the transaction up.
///
/// Call it as late as possible: from here to the commit everybody else who wants the pool waits.
pub(crate) async fn move_places(
    conn: &mut PgConnection,
    moves: &Moves,
) -> sqlx::Result<Result<(), Shortage>> {
    for (pool_id, held, sold) in moves.iter() {
        if !shift(conn, pool_id, held, sold).await? {
            return Ok(Err(shortage(conn, pool_id).await?));
        }
    }
    Ok(Ok(()))
}

/// Changes the counters of a pool; returns false when it has too few places left, or sells nothing.
async fn shift(
    conn: &mut PgConnection,
    id: CapacityPoolId,
    held: i32,
    sold: i32,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update capacity_pool set held_count = held_count + $2, sold_count = sold_count + $3
         where id = $1
           and ($2::integer + $3::integer <= 0
                or stopped_at is null and (capacity is null or held_count + sold_count + blocked_count + $2 + $3 <= capacity))",
        id as _,
        held,
        sold
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Moves places that are taken: gives them back, or sells those that are held. Unlike free places they cannot run out.
pub(crate) async fn move_taken(
    conn: &mut PgConnection,
    step: Step,
    places: &Places,
) -> sqlx::Result<()> {
    let moved = move_places(conn, &Moves::of(step, places)).await?;
    // The counters are at least what their rows say (a test reconciles them); the pool cannot be gone either.
    moved.map_err(|_| sqlx::Error::RowNotFound)
}

/// What places of ticket types take: one of their own pool, and one of each pool they share.
///
/// The event must be shared or locked: ticket types cannot change their pools then.
pub(crate) async fn places_of(
    conn: &mut PgConnection,
    counts: &[(TicketTypeId, i32)],
) -> sqlx::Result<Places> {
    let (types, counts): (Vec<TicketTypeId>, Vec<i32>) = counts.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"select pool_id as "pool_id!: CapacityPoolId", sum(count)::integer as "count!"
           from (select t.pool_id, c.count from unnest($1::uuid[], $2::integer[]) as c (ticket_type_id, count)
                 join ticket_type t on t.id = c.ticket_type_id
                 union all
                 select m.pool_id, c.count from unnest($1::uuid[], $2::integer[]) as c (ticket_type_id, count)
                 join ticket_type_pool m on m.ticket_type_id = c.ticket_type_id) as taken
           group by pool_id"#,
        types as _,
        &counts,
    )
    .fetch_all(conn)
    .await?;
    let places = rows.into_iter().map(|row| (row.pool_id, row.count));
    Ok(places.collect())
}

/// Lets a ticket type, whose event is locked, draw on a shared pool, which then counts what was taken of it before.
pub(crate) async fn join(
    conn: &mut PgConnection,
    cx: &Cx,
    sharer: &Sharer,
    pool_id: CapacityPoolId,
) -> sqlx::Result<Result<(), Shortage>> {
    sqlx::query!(
        "insert into ticket_type_pool (organization_id, event_id, ticket_type_id, pool_id) values ($1, $2, $3, $4)",
        cx.organization_id as _,
        sharer.event_id as _,
        sharer.ticket_type_id as _,
        pool_id as _,
    )
    .execute(&mut *conn)
    .await?;
    if shift(conn, pool_id, sharer.held, sharer.sold).await? {
        return Ok(Ok(()));
    }
    Ok(Err(shortage(conn, pool_id).await?))
}

/// Takes a ticket type, whose event is locked, and what was taken of it out of a shared pool. The last one takes the
/// pool with it.
pub(crate) async fn leave(
    conn: &mut PgConnection,
    sharer: &Sharer,
    pool_id: CapacityPoolId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from ticket_type_pool where ticket_type_id = $1 and pool_id = $2",
        sharer.ticket_type_id as _,
        pool_id as _,
    )
    .execute(&mut *conn)
    .await?;
    shift(conn, pool_id, -sharer.held, -sharer.sold).await?;
    remove_unused(conn, pool_id).await
}

/// Whether anybody is on the waiting list of an event, or was offered places.
pub(crate) async fn is_waited_for(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from waitlist_entry where event_id = $1 and status in ('waiting', 'offered')) as "found!""#,
        event_id as _
    );
    found.fetch_one(conn).await
}

/// The most that an event can sell; none when a ticket type has no limit at all.
pub(crate) async fn capacity(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!("select event_capacity($1)", event_id as _)
        .fetch_one(conn)
        .await
}

/// Why places of a pool cannot be had.
async fn shortage(conn: &mut PgConnection, pool_id: CapacityPoolId) -> sqlx::Result<Shortage> {
    let pool = pools(conn, &[pool_id]).await?.pop();
    Ok(Shortage {
        pool_id,
        left: pool.as_ref().and_then(Pool::left).unwrap_or(0),
        is_stopped: pool.is_some_and(|pool| pool.is_stopped),
    })
}

/// The counters of all pools of events, each with what its rows add up to. One statement, so that both are of the same
/// moment: whoever changes the one changes the other in the same transaction.
pub(crate) async fn recount(
    conn: &mut PgConnection,
    events: &[EventId],
) -> sqlx::Result<Vec<Recount>> {
    sqlx::query_as!(
        Recount,
        r#"with held as (
             select ticket_type_id, sum(quantity) as count from (
               select i.ticket_type_id, i.quantity from order_item i join orders o on o.id = i.order_id
               where o.event_id = any($1) and o.status = 'pending'
               union all
               select i.ticket_type_id, i.quantity from hold_item i join hold on hold.id = i.hold_id
               where hold.event_id = any($1) and hold.status = 'live') as taken
             group by ticket_type_id),
           sold as (
             select ticket_type_id, count(*) as count from ticket
             where event_id = any($1) and status = 'valid' group by ticket_type_id),
           draws as (
             select id as ticket_type_id, pool_id from ticket_type where event_id = any($1)
             union all
             select ticket_type_id, pool_id from ticket_type_pool where event_id = any($1))
           select p.id as pool_id, p.event_id, event.title as event_title,
             coalesce(p.name, (select name from ticket_type t where t.pool_id = p.id), '') as "name!",
             p.capacity, p.blocked_count, p.held_count, p.sold_count, p.stopped_at is not null as "is_stopped!",
             coalesce(sum(held.count), 0)::integer as "held!", coalesce(sum(sold.count), 0)::integer as "sold!"
           from capacity_pool p join event on event.id = p.event_id
             left join draws on draws.pool_id = p.id
             left join held on held.ticket_type_id = draws.ticket_type_id
             left join sold on sold.ticket_type_id = draws.ticket_type_id
           where p.event_id = any($1)
           group by p.id, event.title
           order by p.id"#,
        events as _
    )
    .fetch_all(conn)
    .await
}

/// The ticket types of events that have reserved seats, where what is held and sold differs from the seats that are
/// claimed, or a claim belongs to what has ended. One statement, as in [`recount`].
pub(crate) async fn recount_seats(
    conn: &mut PgConnection,
    events: &[EventId],
) -> sqlx::Result<Vec<SeatsRecount>> {
    sqlx::query_as!(
        SeatsRecount,
        r#"select t.id as ticket_type_id, t.event_id, t.name as "name: String", coalesce(held.count, 0)::integer as "held!",
             coalesce(sold.count, 0)::integer as "sold!", coalesce(claims.held, 0)::integer as "held_seats!",
             coalesce(claims.sold, 0)::integer as "sold_seats!", coalesce(claims.strays, 0)::integer as "strays!"
           from ticket_type t
             left join (
               select ticket_type_id, sum(quantity) as count from (
                 select i.ticket_type_id, i.quantity from order_item i join orders o on o.id = i.order_id
                 where o.event_id = any($1) and o.status = 'pending'
                 union all
                 select i.ticket_type_id, i.quantity from hold_item i join hold on hold.id = i.hold_id
                 where hold.event_id = any($1) and hold.status = 'live') as taken
               group by ticket_type_id) as held on held.ticket_type_id = t.id
             left join (
               select ticket_type_id, count(*) as count from ticket
               where event_id = any($1) and status = 'valid' group by ticket_type_id) as sold on sold.ticket_type_id = t.id
             left join (
               select c.ticket_type_id, count(*) filter (where c.ticket_id is null) as held,
                 count(c.ticket_id) as sold,
                 count(*) filter (where case
                   when c.ticket_id is not null then ticket.status <> 'valid'
                   when c.order_id is not null then orders.status <> 'pending'
                   else hold.status <> 'live' end) as strays
               from seat_claim c
                 left join hold on hold.id = c.hold_id
                 left join orders on orders.id = c.order_id
                 left join ticket on ticket.id = c.ticket_id
               where c.event_id = any($1) and c.status = 'live' and c.ticket_type_id is not null
               group by c.ticket_type_id) as claims on claims.ticket_type_id = t.id
           where t.event_id = any($1)
             and (claims.ticket_type_id is not null
                  or exists (select from ticket_type_section s where s.ticket_type_id = t.id))
             and (coalesce(held.count, 0) <> coalesce(claims.held, 0)
                  or coalesce(sold.count, 0) <> coalesce(claims.sold, 0) or claims.strays > 0)
           order by t.id"#,
        events as _
    )
    .fetch_all(conn)
    .await
}

/// Stops the sales of a pool; returns false when they were stopped already.
pub(crate) async fn stop(
    conn: &mut PgConnection,
    cx: &Cx,
    id: CapacityPoolId,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update capacity_pool set stopped_at = $2 where id = $1 and stopped_at is null",
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the counters of a pool, whose event is locked, to what its rows add up to, and lets it sell again.
pub(crate) async fn resume(conn: &mut PgConnection, recount: &Recount) -> sqlx::Result<()> {
    sqlx::query!(
        "update capacity_pool set held_count = $2, sold_count = $3, stopped_at = null where id = $1",
        recount.pool_id as _,
        recount.held,
        recount.sold
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves uses of promo codes, in the order of their ids. Stops at the first that cannot be used so often; the caller then
/// gives the transaction up.
pub(crate) async fn move_uses(
    conn: &mut PgConnection,
    uses: &Uses,
) -> sqlx::Result<Result<(), UsedUp>> {
    for (id, held, used) in uses.iter() {
        if !shift_uses(conn, id, held, used).await? {
            return Ok(Err(UsedUp(id)));
        }
    }
    Ok(Ok(()))
}

/// Gives uses back. Unlike those that are taken they cannot run out.
pub(crate) async fn release_uses(conn: &mut PgConnection, uses: &Uses) -> sqlx::Result<()> {
    let moved = move_uses(conn, uses).await?;
    moved.map_err(|_| sqlx::Error::RowNotFound)
}

/// Changes the counters of a promo code; returns false when it cannot be used so often.
async fn shift_uses(
    conn: &mut PgConnection,
    id: PromoCodeId,
    held: i32,
    used: i32,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update promo_code set held_count = held_count + $2, used_count = used_count + $3
         where id = $1
           and ($2::integer + $3::integer <= 0
                or max_uses is null or held_count + used_count + $2 + $3 <= max_uses)",
        id as _,
        held,
        used
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The counters of all promo codes of events, each with what its holds and orders add up to. One statement, as in
/// [`recount`].
pub(crate) async fn recount_uses(
    conn: &mut PgConnection,
    events: &[EventId],
) -> sqlx::Result<Vec<UsesRecount>> {
    sqlx::query_as!(
        UsesRecount,
        r#"select c.id as promo_code_id, c.event_id, event.title as event_title, c.code, c.held_count, c.used_count,
             coalesce(held.count, 0)::integer as "held!", coalesce(used.count, 0)::integer as "used!"
           from promo_code c join event on event.id = c.event_id
             left join (select promo_code_id, count(*) as count from hold
                        where event_id = any($1) and status = 'live' and promo_code_id is not null
                        group by promo_code_id) as held on held.promo_code_id = c.id
             left join (select promo_code_id, count(*) as count from orders
                        where event_id = any($1) and status in ('pending', 'paid') and promo_code_id is not null
                        group by promo_code_id) as used on used.promo_code_id = c.id
           where c.event_id = any($1)
           order by c.id"#,
        events as _
    )
    .fetch_all(conn)
    .await
}

/// Adds to the counters of a promo code what they were found to lack: that stays true whoever uses it meanwhile, because
/// rows and counters change together. Returns false when it was used more often than it may be.
pub(crate) async fn correct_uses(
    conn: &mut PgConnection,
    recount: &UsesRecount,
) -> sqlx::Result<bool> {
    let held = recount.held - recount.held_count;
    let used = recount.used - recount.used_count;
    shift_uses(conn, recount.promo_code_id, held, used).await
}

/// The event of a pool.
pub(crate) async fn event_of(
    conn: &mut PgConnection,
    id: CapacityPoolId,
) -> sqlx::Result<Option<EventId>> {
    sqlx::query_scalar!(
        r#"select event_id as "event_id: EventId" from capacity_pool where id = $1"#,
        id as _
    )
    .fetch_optional(conn)
    .await
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use crate::testing::{Scene, promo};

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

    #[tokio::test]
    async fn the_database_itself_refuses_more_uses_than_there_are() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        scene
            .run(promo(event.id, "TENTH", 10, Some(1)))
            .await
            .unwrap();
        let mut owner = scene.database.owner().await;
        let unguarded = sqlx::query("update promo_code set held_count = 1, used_count = 1");
        let error = unguarded.execute(&mut owner).await.unwrap_err();
        let constraint = error.as_database_error().and_then(|e| e.constraint());
        assert_eq!(constraint, Some("promo_code_not_overused"));
    }

    /// The control of the database's own guard: without the CHECK, what asks first and counts then goes beyond the limit.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_counting_without_the_check_overuses() {
        for guarded in [true, false] {
            let scene = Scene::new().await;
            let (event, _) = scene.on_sale(2500, 200).await;
            scene
                .run(promo(event.id, "RUSH", 20, Some(7)))
                .await
                .unwrap();
            if !guarded {
                let drop = "alter table promo_code drop constraint promo_code_not_overused";
                scene.database.tell(drop).await;
            }
            let mut people = JoinSet::new();
            let codes = scene.keep("promo_code").await;
            for _ in 0..16 {
                let mut owner = scene.database.owner().await;
                people.spawn(async move {
                    let free = "select count(*) from promo_code where held_count < max_uses";
                    let free: i64 = sqlx::query_scalar(free)
                        .fetch_one(&mut owner)
                        .await
                        .unwrap();
                    let count = "update promo_code set held_count = held_count + $1::integer";
                    let count = sqlx::query(count).bind(i32::try_from(free).unwrap());
                    count.execute(&mut owner).await.is_ok()
                });
            }
            scene.database.until_waiting(16).await;
            codes.let_go().await;
            let counted = people.join_all().await.into_iter().filter(|done| *done);
            assert_eq!(counted.count(), if guarded { 7 } else { 16 });
        }
    }
}
