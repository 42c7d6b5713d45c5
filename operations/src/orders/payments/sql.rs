//! Every query on `payment_attempt`, `payment` and `refund`.

use domain::{Cx, OrderId, OrganizationId, PaymentId, RefundId, Timestamp};
use payments::Checkout;
use sqlx::PgConnection;

use super::model::{
    Attempt, AttemptStatus, PaymentMethod, PaymentRow, Received, RefundRow, RefundStatus,
};

/// Selects attempts as [`Attempt`]; the text behind it starts with `where`.
macro_rules! select_attempts {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Attempt,
            "select id, order_id, attempt as number, status, amount, currency, return_url, started_at, closes_at, reference, page_url
             from payment_attempt " + $rest
            $(, $argument)*
        )
    };
}

/// Selects refunds as [`RefundRow`]; the text behind it starts with `where`.
macro_rules! select_refunds {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            RefundRow,
            "select id, order_id, payment_id, method, status, amount, currency, reason, processor_reference, failure,
               created_at
             from refund " + $rest
            $(, $argument)*
        )
    };
}

/// The last attempt of an order.
pub(super) async fn last_attempt(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Option<Attempt>> {
    select_attempts!(
        "where order_id = $1 order by attempt desc limit 1",
        order_id as _
    )
    .fetch_optional(conn)
    .await
}

/// The attempts of an order that may still be paid, or that nobody knows the end of.
pub(super) async fn unsettled(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Vec<Attempt>> {
    select_attempts!(
        "where order_id = $1 and status in ('asked', 'open', 'processing') order by attempt",
        order_id as _
    )
    .fetch_all(conn)
    .await
}

/// The last attempts of an order that are not known to have been paid: also those whose page is said to be closed, so that
/// whatever the processor tells of them later is seen.
pub(super) async fn unpaid(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Vec<Attempt>> {
    select_attempts!(
        "where order_id = $1 and status in ('asked', 'open', 'processing', 'expired') order by attempt desc limit 5",
        order_id as _
    )
    .fetch_all(conn)
    .await
}

/// Adds an attempt, before the processor is asked.
pub(super) async fn add_attempt(
    conn: &mut PgConnection,
    cx: &Cx,
    method: PaymentMethod,
    attempt: &Attempt,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into payment_attempt (organization_id, id, order_id, attempt, method, status, amount, currency,
           return_url, started_at, closes_at, updated_at)
         values ($1, $2, $3, $4, $5, 'asked', $6, $7, $8, $9, $10, $9)",
        cx.organization_id as _,
        attempt.id as _,
        attempt.order_id as _,
        attempt.number,
        method as _,
        attempt.amount,
        attempt.currency as _,
        attempt.return_url,
        attempt.started_at as _,
        attempt.closes_at as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what the processor says of an attempt. What has come in stays so, whatever older news say.
pub(super) async fn note_checkout(
    conn: &mut PgConnection,
    cx: &Cx,
    attempt: &Attempt,
    status: AttemptStatus,
    checkout: &Checkout,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update payment_attempt set status = $2, reference = $3, page_url = $4, updated_at = $6,
           payment_reference = coalesce($5, payment_reference)
         where id = $1 and status <> 'paid'",
        attempt.id as _,
        status as _,
        checkout.id.as_str(),
        checkout.page_url,
        checkout
            .payment
            .as_ref()
            .map(payments::PaymentReference::as_str),
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the processor makes no page for an attempt.
pub(super) async fn note_refused(
    conn: &mut PgConnection,
    cx: &Cx,
    attempt: &Attempt,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update payment_attempt set status = 'refused', updated_at = $2 where id = $1 and status = 'asked'",
        attempt.id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the processor knows nothing of the page of an attempt (any more), so that nobody can pay there.
pub(super) async fn note_gone(
    conn: &mut PgConnection,
    cx: &Cx,
    attempt: &Attempt,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update payment_attempt set status = 'expired', page_url = null, updated_at = $2
         where id = $1 and status in ('open', 'processing')",
        attempt.id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets an order that is locked, and that has an end, be paid at least until then.
pub(super) async fn pay_by(
    conn: &mut PgConnection,
    order_id: OrderId,
    until: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set pay_by = $2 where id = $1 and pay_by < $2",
        order_id as _,
        until as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a pending order that is locked.
pub(super) async fn expire(conn: &mut PgConnection, cx: &Cx, id: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set status = 'expired', updated_at = $2, version = version + 1 where id = $1",
        id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The most orders whose end is looked at in one round.
const MOST_DUE: i64 = 500;

/// The unpaid orders of all organizations whose time is over, the oldest first.
pub(super) async fn due(
    conn: &mut PgConnection,
    now: Timestamp,
) -> sqlx::Result<Vec<(OrganizationId, OrderId)>> {
    let rows = sqlx::query!(
        r#"select organization_id as "organization_id: OrganizationId", id as "id: OrderId"
           from orders where status = 'pending' and pay_by <= $1 order by pay_by limit $2"#,
        now as _,
        MOST_DUE,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.organization_id, row.id))
        .collect())
}

/// The orders of an organization of which something is not known to have ended, the oldest first.
pub(super) async fn unsettled_orders(
    conn: &mut PgConnection,
    before: Timestamp,
) -> sqlx::Result<Vec<OrderId>> {
    sqlx::query_scalar!(
        r#"select order_id as "order_id!: OrderId" from (
             select order_id, min(started_at) as since from payment_attempt
             where status in ('asked', 'open', 'processing') and started_at <= $1 group by order_id
             union all
             select order_id, min(created_at) from refund where status = 'pending' and created_at <= $1 group by order_id
           ) as open (order_id, since)
           group by order_id order by min(since) limit $2"#,
        before as _,
        MOST_DUE,
    )
    .fetch_all(conn)
    .await
}

/// What came in for an order, in that order, each with what was given back of it or moved to another order; and what was
/// moved, below zero. What was moved here goes back the way it once came in.
pub(in crate::orders) async fn payments(
    conn: &mut PgConnection,
    id: OrderId,
) -> sqlx::Result<Vec<PaymentRow>> {
    sqlx::query_as!(
        PaymentRow,
        r#"select p.id, p.method, p.amount, p.currency, p.reference as "reference: domain::Untrusted",
             coalesce(p.processor_reference, came.processor_reference) as processor_reference,
             coalesce(p.gift_card_id, came.gift_card_id) as "gift_card_id: domain::GiftCardId", p.received_at, p.moved_from,
             (select coalesce(sum(refund.amount), 0)::bigint from refund
              where refund.payment_id = p.id and refund.status <> 'failed')
             - (select coalesce(sum(part.amount), 0)::bigint from payment part
                where part.moved_from = p.id and part.order_id = p.order_id) as "gone!"
           from payment p left join payment came on came.id = p.moved_from
           where p.order_id = $1 order by p.id"#,
        id as _
    )
    .fetch_all(conn)
    .await
}

/// A payment through a processor or a part of it that was moved to another order: whose it is, and what is left of it.
pub(super) struct PartRow {
    pub(super) order_id: OrderId,
    pub(super) payment_id: PaymentId,
    pub(super) left: i64,
}

/// A payment and the parts of it that were moved to other orders, in that order.
pub(super) async fn parts(
    conn: &mut PgConnection,
    payment: PaymentId,
) -> sqlx::Result<Vec<PartRow>> {
    sqlx::query_as!(
        PartRow,
        r#"select p.order_id, p.id as payment_id,
             (p.amount + coalesce((select sum(part.amount) from payment part
                                   where part.moved_from = p.id and part.order_id = p.order_id), 0)
               - coalesce((select sum(r.amount) from refund r where r.payment_id = p.id and r.status <> 'failed'), 0)
             )::bigint as "left!"
           from payment p where (p.id = $1 or p.moved_from = $1) and p.amount > 0 order by p.id"#,
        payment as _
    )
    .fetch_all(conn)
    .await
}

/// What of a payment and its parts was given back through its processor, or is on its way.
pub(super) async fn given_back(conn: &mut PgConnection, payment: PaymentId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(r.amount), 0)::bigint as "sum!" from refund r join payment p on p.id = r.payment_id
           where (p.id = $1 or p.moved_from = $1) and r.status <> 'failed'"#,
        payment as _
    )
    .fetch_one(conn)
    .await
}

/// What was given back of an order, or is on its way, or could not be.
pub(in crate::orders) async fn refunds(
    conn: &mut PgConnection,
    id: OrderId,
) -> sqlx::Result<Vec<RefundRow>> {
    select_refunds!("where order_id = $1 order by id", id as _)
        .fetch_all(conn)
        .await
}

/// Counts money that came in for an order that is locked; none if it was counted before.
pub(in crate::orders) async fn receive(
    conn: &mut PgConnection,
    cx: &Cx,
    order_id: OrderId,
    received: &Received<'_>,
) -> sqlx::Result<Option<PaymentId>> {
    let id = cx.new_id::<PaymentId>();
    let done = sqlx::query!(
        "insert into payment (organization_id, id, order_id, method, amount, currency, reference, processor_reference,
           gift_card_id, moved_from, received_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (method, processor_reference) do nothing",
        cx.organization_id as _,
        id as _,
        order_id as _,
        received.method as _,
        received.amount.amount,
        received.amount.currency as _,
        received.reference,
        received.processor_reference,
        received.gift_card_id as _,
        received.moved_from as _,
        received.came_at as _,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query!(
        "update orders set paid_amount = paid_amount + $2, updated_at = $3, version = version + 1 where id = $1",
        order_id as _,
        received.amount.amount,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(Some(id))
}

/// Adds money that is given back for an order that is locked. Violates `orders_refunded_within_paid` when it is more
/// than came in.
pub(super) async fn add_refund(
    conn: &mut PgConnection,
    cx: &Cx,
    refund: &RefundRow,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into refund (organization_id, id, order_id, payment_id, method, status, amount, currency, reason,
           processor_reference, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        cx.organization_id as _,
        refund.id as _,
        refund.order_id as _,
        refund.payment_id as _,
        refund.method as _,
        refund.status as _,
        refund.amount,
        refund.currency as _,
        refund.reason,
        refund.processor_reference,
        refund.created_at as _,
    )
    .execute(&mut *conn)
    .await?;
    change_refunded(conn, cx, refund.order_id, refund.amount).await
}

async fn change_refunded(
    conn: &mut PgConnection,
    cx: &Cx,
    order_id: OrderId,
    by: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set refunded_amount = refunded_amount + $2, updated_at = $3, version = version + 1 where id = $1",
        order_id as _,
        by,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What became of a refund whose order is locked.
pub(super) struct RefundEnd<'a> {
    pub(super) status: RefundStatus,
    pub(super) processor_reference: Option<&'a str>,
    pub(super) failure: Option<&'a str>,
}

/// Notes what became of a refund whose order is locked; whether that is news. What has failed counts as kept again.
pub(super) async fn end_refund(
    conn: &mut PgConnection,
    cx: &Cx,
    refund: &RefundRow,
    end: &RefundEnd<'_>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update refund set status = $2, processor_reference = coalesce($3, processor_reference), failure = $4,
           updated_at = $5
         where id = $1 and status <> 'failed'
           and (status <> $2 or processor_reference is distinct from coalesce($3, processor_reference))",
        refund.id as _,
        end.status as _,
        end.processor_reference,
        end.failure,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    if end.status == RefundStatus::Failed {
        change_refunded(conn, cx, refund.order_id, -refund.amount).await?;
    }
    Ok(true)
}

/// The refund of an id, as it is now.
pub(super) async fn refund(conn: &mut PgConnection, id: RefundId) -> sqlx::Result<RefundRow> {
    select_refunds!("where id = $1", id as _)
        .fetch_one(conn)
        .await
}
