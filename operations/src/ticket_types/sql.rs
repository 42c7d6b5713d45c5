//! Every query on `ticket_type`.

use std::collections::HashMap;

use domain::{Cx, EventId, LocalTime, TicketTypeId, Timestamp};
use sqlx::PgConnection;

use super::model::{Offer, Taken};

/// The ticket types of an event that are not archived, each with its pool, in their order.
pub(crate) async fn offers(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Vec<Offer>> {
    offers_and(conn, event_id, None).await
}

/// Like [`offers`], and one more even if it is archived.
pub(super) async fn offers_and(
    conn: &mut PgConnection,
    event_id: EventId,
    also: Option<TicketTypeId>,
) -> sqlx::Result<Vec<Offer>> {
    sqlx::query_as!(
        Offer,
        r#"select t.id, t.event_id, t.name as "name: _", t.description, t.price_amount, t.price_currency, t.position,
             t.visibility, t.sales_start_local, t.sales_end_local, t.sales_start_at, t.sales_end_at,
             t.min_per_order, t.max_per_order, t.version, t.pool_id, p.name as pool_name, p.capacity,
             p.held_count, p.sold_count, p.blocked_count, t.archived_at is not null as "is_archived!"
           from ticket_type t join capacity_pool p on p.id = t.pool_id
           where t.event_id = $1 and (t.archived_at is null or t.id = $2)
           order by t.position, t.id"#,
        event_id as _,
        also as _
    )
    .fetch_all(conn)
    .await
}

/// What was taken of each ticket type of an event: valid tickets, and places of orders that are not paid yet.
/// Counted; where a ticket type has its pool for itself, the pool's counters say the same.
pub(super) async fn taken(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<HashMap<TicketTypeId, Taken>> {
    let rows = sqlx::query!(
        r#"select t.id, coalesce(pending.held, 0) as "held!", issued.sold as "sold!"
           from ticket_type t
           left join (select i.ticket_type_id, sum(i.quantity)::integer as held
                      from orders o join order_item i on i.order_id = o.id
                      where o.event_id = $1 and o.status = 'pending' group by 1) pending on pending.ticket_type_id = t.id
           cross join lateral (select count(*)::integer as sold
                               from ticket where ticket_type_id = t.id and status = 'valid') issued
           where t.event_id = $1"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let taken = rows.into_iter().map(|row| {
        let taken = Taken {
            held: row.held,
            sold: row.sold,
        };
        (row.id, taken)
    });
    Ok(taken.collect())
}

/// Adds a ticket type. Violates `ticket_type_name_key` when the event has one of that name.
pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, offer: &Offer) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ticket_type (organization_id, id, event_id, pool_id, name, description, price_amount, price_currency,
           position, visibility, sales_start_local, sales_end_local, sales_start_at, sales_end_at,
           min_per_order, max_per_order, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)",
        cx.organization_id as _,
        offer.id as _,
        offer.event_id as _,
        offer.pool_id as _,
        &offer.name as _,
        offer.description,
        offer.price_amount,
        offer.price_currency as _,
        offer.position,
        offer.visibility as _,
        offer.sales_start_local as _,
        offer.sales_end_local as _,
        offer.sales_start_at as _,
        offer.sales_end_at as _,
        offer.min_per_order,
        offer.max_per_order,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a ticket type whose event is locked.
pub(super) async fn update(conn: &mut PgConnection, cx: &Cx, offer: &Offer) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set pool_id = $2, name = $3, description = $4, price_amount = $5, price_currency = $6,
           position = $7, visibility = $8, sales_start_local = $9, sales_end_local = $10, sales_start_at = $11,
           sales_end_at = $12, min_per_order = $13, max_per_order = $14, version = version + 1, updated_at = $15
         where id = $1",
        offer.id as _,
        offer.pool_id as _,
        &offer.name as _,
        offer.description,
        offer.price_amount,
        offer.price_currency as _,
        offer.position,
        offer.visibility as _,
        offer.sales_start_local as _,
        offer.sales_end_local as _,
        offer.sales_start_at as _,
        offer.sales_end_at as _,
        offer.min_per_order,
        offer.max_per_order,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a ticket type out of the sale for good; returns whether it was still in it.
pub(super) async fn archive(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update ticket_type set archived_at = $2, version = version + 1, updated_at = $2
         where id = $1 and archived_at is null",
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The sales windows of an event's ticket types as the clock shows them, archived ones too: id, name, start, end.
pub(super) async fn windows(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<(TicketTypeId, String, Option<LocalTime>, Option<LocalTime>)>> {
    let rows = sqlx::query!(
        r#"select id, name as "name: String", sales_start_local, sales_end_local from ticket_type
         where event_id = $1 and (sales_start_local is not null or sales_end_local is not null)"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let windows = rows
        .into_iter()
        .map(|row| (row.id, row.name, row.sales_start_local, row.sales_end_local));
    Ok(windows.collect())
}

/// Writes the instants of a sales window whose clock times stay.
pub(super) async fn set_instants(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set sales_start_at = $2, sales_end_at = $3, version = version + 1, updated_at = $4
         where id = $1",
        id as _,
        starts_at as _,
        ends_at as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}
