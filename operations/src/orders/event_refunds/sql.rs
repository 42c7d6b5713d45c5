//! Every query on `event_refund`, and those on the orders it is about.

use domain::{Cx, EventId, Money, OrderId};
use sqlx::PgConnection;

use super::model::{FailedRefund, RefundRow};
use crate::orders::RefundChoice;

/// The refund of an event, if it was begun.
pub(super) async fn find(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RefundRow>> {
    sqlx::query_as!(
        RefundRow,
        "select event_id, refund, keep_amount, currency, reason, batch, cancelled_count, refunded_amount, started_at, finished_at
         from event_refund where event_id = $1",
        event_id as _
    )
    .fetch_optional(conn)
    .await
}

/// The refund of an event, if it was begun, held until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RefundRow>> {
    sqlx::query!(
        "select event_id from event_refund where event_id = $1 for update",
        event_id as _
    )
    .fetch_optional(&mut *conn)
    .await?;
    find(conn, event_id).await
}

/// Begins the refund of an event.
pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, row: &RefundRow) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into event_refund (organization_id, event_id, refund, keep_amount, currency, reason, batch, cancelled_count,
           refunded_amount, started_at, updated_at, finished_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)",
        cx.organization_id as _,
        row.event_id as _,
        row.refund as _,
        row.keep_amount,
        row.currency as _,
        row.reason,
        row.batch,
        row.cancelled_count,
        row.refunded_amount,
        row.started_at as _,
        row.finished_at as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down how far it is.
pub(super) async fn update(conn: &mut PgConnection, cx: &Cx, row: &RefundRow) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_refund set batch = $2, cancelled_count = $3, refunded_amount = $4, finished_at = $5, updated_at = $6
         where event_id = $1",
        row.event_id as _,
        row.batch,
        row.cancelled_count,
        row.refunded_amount,
        row.finished_at as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The next orders of an event that are neither cancelled nor expired, held until the transaction ends.
pub(super) async fn next(
    conn: &mut PgConnection,
    event_id: EventId,
    most: i64,
) -> sqlx::Result<Vec<OrderId>> {
    let ids = sqlx::query_scalar!(
        r#"select id as "id: OrderId" from orders where event_id = $1 and status in ('pending', 'paid')
           order by id limit $2 for update"#,
        event_id as _,
        most
    );
    ids.fetch_all(conn).await
}

/// What is still to be done.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) paid: i64,
    pub(super) pending: i64,
    /// What is still to be given back, and what of it goes back the way it was paid.
    pub(super) amount: i64,
    pub(super) by_itself: i64,
}

/// What is still to be done: the same rule as [`RefundRow::of`] and the split of `give_back`, for all orders at once.
pub(super) async fn ahead(conn: &mut PgConnection, refund: &RefundRow) -> sqlx::Result<Ahead> {
    let is_full = refund.refund == RefundChoice::Full;
    sqlx::query_as!(
        Ahead,
        r#"select count(*) filter (where o.status = 'paid') as "paid!",
             count(*) filter (where o.status = 'pending') as "pending!",
             coalesce(sum(back.amount), 0)::bigint as "amount!",
             coalesce(sum(least(back.amount, online.amount)), 0)::bigint as "by_itself!"
           from orders o
           cross join lateral (select case when not $2 then 0
               else greatest(o.paid_amount - o.refunded_amount
                 - case when o.status = 'paid' then $3::bigint * o.ticket_count else 0 end, 0) end as amount) back
           cross join lateral (select coalesce(sum(p.amount - coalesce((
                 select sum(r.amount) from refund r where r.payment_id = p.id and r.status <> 'failed'), 0)), 0) as amount
               from payment p where p.order_id = o.id and p.method <> 'manual') online
           where o.event_id = $1 and o.status in ('pending', 'paid')"#,
        refund.event_id as _,
        is_full,
        refund.keep_amount
    )
    .fetch_one(conn)
    .await
}

/// What the processor has still to confirm of the refunds of an event's orders.
pub(super) async fn unconfirmed(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<i64> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(r.amount), 0)::bigint as "sum!" from refund r join orders o on o.id = r.order_id
           where o.event_id = $1 and r.status = 'pending'"#,
        event_id as _
    );
    sum.fetch_one(conn).await
}

/// Refunds of an event's orders that failed and were not made good by another: the first twenty.
pub(super) async fn failed(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<FailedRefund>> {
    let rows = sqlx::query!(
        r#"select o.number, r.amount, r.currency, r.failure as "failure!" from refund r join orders o on o.id = r.order_id
           where o.event_id = $1 and r.status = 'failed' and o.refunded_amount < o.paid_amount
           order by r.created_at, r.id limit 20"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let failed = rows.into_iter().map(|row| FailedRefund {
        order: row.number,
        amount: Money::new(row.amount, row.currency),
        failure: row.failure,
    });
    Ok(failed.collect())
}
