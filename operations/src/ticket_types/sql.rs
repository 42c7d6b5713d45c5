//! Every query on `ticket_type`.

use domain::{
    CapacityPoolId, Currency, Cx, EventId, LocalTime, Name, TaxRuleId, TicketTypeId, Timestamp,
};
use sqlx::PgConnection;

use super::model::{Offer, Visibility};
use crate::{inventory, taxes::AppliedTax};

/// The ticket types of an event that are not archived, each with its pools, in their order.
pub(crate) async fn offers(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Vec<Offer>> {
    offers_and(conn, event_id, None).await
}

/// Like [`offers`], and one more even if it is archived.
pub(super) async fn offers_and(
    conn: &mut PgConnection,
    event_id: EventId,
    also: Option<TicketTypeId>,
) -> sqlx::Result<Vec<Offer>> {
    let rows = sqlx::query!(
        r#"select t.id, t.event_id, t.name as "name: Name", t.description, t.price_amount,
             t.price_currency as "price_currency: Currency", t.position, t.visibility as "visibility: Visibility",
             t.sales_start_local, t.sales_end_local, t.sales_start_at, t.sales_end_at,
             t.min_per_order, t.max_per_order, t.version, t.pool_id, p.capacity,
             p.held_count, p.sold_count, p.blocked_count, p.stopped_at is not null as "is_stopped!",
             t.follows_id as "follows: TicketTypeId", t.archived_at is not null as "is_archived!",
             t.tax_rule_id, r.name as "tax_name?", r.code as tax_code, r.rate as "tax_rate?",
             array(select m.pool_id from ticket_type_pool m where m.ticket_type_id = t.id order by m.pool_id)
               as "shared!: Vec<CapacityPoolId>",
             coalesce((select sum(w.quantity) from waitlist_entry w where w.ticket_type_id = t.id and w.status = 'waiting'), 0)::integer
               as "waited_for!",
             exists (select from ticket_type_section s where s.ticket_type_id = t.id) as "is_seated!", t.per_ticket,
             t.most_amount, t.max_per_buyer,
             array(select a.base_id from add_on a where a.ticket_type_id = t.id order by a.base_id) as "bases!: Vec<TicketTypeId>"
           from ticket_type t join capacity_pool p on p.id = t.pool_id left join tax_rule r on r.id = t.tax_rule_id
           where t.event_id = $1 and (t.archived_at is null or t.id = $2)
           order by t.position, t.id"#,
        event_id as _,
        also as _
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut shared: Vec<CapacityPoolId> = rows.iter().flat_map(|row| row.shared.clone()).collect();
    shared.sort_unstable();
    shared.dedup();
    let pools = if shared.is_empty() {
        Vec::new()
    } else {
        inventory::pools(conn, &shared).await?
    };
    let offers = rows.into_iter().map(|row| Offer {
        id: row.id,
        event_id: row.event_id,
        name: row.name,
        description: row.description,
        price_amount: row.price_amount,
        price_currency: row.price_currency,
        position: row.position,
        visibility: row.visibility,
        sales_start_local: row.sales_start_local,
        sales_end_local: row.sales_end_local,
        sales_start_at: row.sales_start_at,
        sales_end_at: row.sales_end_at,
        min_per_order: row.min_per_order,
        max_per_order: row.max_per_order,
        version: row.version,
        pool_id: row.pool_id,
        capacity: row.capacity,
        held_count: row.held_count,
        sold_count: row.sold_count,
        blocked_count: row.blocked_count,
        is_stopped: row.is_stopped,
        shared: pools
            .iter()
            .filter(|pool| row.shared.contains(&pool.id))
            .cloned()
            .collect(),
        follows: row.follows,
        is_archived: row.is_archived,
        tax_rule_id: row.tax_rule_id,
        tax: AppliedTax::of(row.tax_name, row.tax_code, row.tax_rate.unwrap_or_default()),
        waited_for: row.waited_for,
        is_seated: row.is_seated,
        per_ticket: row.per_ticket,
        bases: row.bases,
        most_amount: row.most_amount,
        max_per_buyer: row.max_per_buyer,
    });
    Ok(offers.collect())
}

/// The promo codes that sell a ticket type at a price of their own, with that price; the first few.
pub(super) async fn fixed_prices(
    conn: &mut PgConnection,
    offer: &Offer,
) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"select code, amount as "amount!" from promo_code c
           where c.event_id = $1 and c.effect = 'fixed_price' and c.archived_at is null
             and (not exists (select from promo_code_ticket_type where promo_code_id = c.id)
                  or exists (select from promo_code_ticket_type where promo_code_id = c.id and ticket_type_id = $2))
           order by code limit 3"#,
        offer.event_id as _,
        offer.id as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.code, row.amount)).collect())
}

/// Lets buyers choose what a ticket type costs, up to an amount, or not. Its event is locked.
pub(super) async fn set_most(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
    most_amount: Option<i64>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set most_amount = $2, version = version + 1, updated_at = $3 where id = $1",
        id as _,
        most_amount,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Limits how many of a ticket type one buyer may have, or does not. Its event is locked.
pub(super) async fn set_max_per_buyer(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
    most: Option<i32>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set max_per_buyer = $2, version = version + 1, updated_at = $3 where id = $1",
        id as _,
        most,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a ticket type an add-on to others, or sells it by itself. Its event is locked.
pub(super) async fn set_add_on(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
    bases: &[TicketTypeId],
    per_ticket: Option<i32>,
) -> sqlx::Result<()> {
    sqlx::query!("delete from add_on where ticket_type_id = $1", id as _)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "insert into add_on (organization_id, ticket_type_id, base_id) select $1, $2, unnest($3::uuid[])",
        cx.organization_id as _,
        id as _,
        bases as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update ticket_type set per_ticket = $2, version = version + 1, updated_at = $3 where id = $1",
        id as _,
        per_ticket,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a ticket type. Violates `ticket_type_name_key` when the event has one of that name.
pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, offer: &Offer) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into ticket_type (organization_id, id, event_id, pool_id, name, description, price_amount, price_currency,
           position, visibility, sales_start_local, sales_end_local, sales_start_at, sales_end_at,
           min_per_order, max_per_order, created_at, updated_at, tax_rule_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18)",
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
        offer.tax_rule_id as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a ticket type whose event is locked.
pub(super) async fn update(conn: &mut PgConnection, cx: &Cx, offer: &Offer) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set name = $2, description = $3, price_amount = $4, price_currency = $5,
           position = $6, visibility = $7, sales_start_local = $8, sales_end_local = $9, sales_start_at = $10,
           sales_end_at = $11, min_per_order = $12, max_per_order = $13, version = version + 1, updated_at = $14
         where id = $1",
        offer.id as _,
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

/// Sets which tier is sold before each of the given ones.
pub(super) async fn set_tiers(
    conn: &mut PgConnection,
    cx: &Cx,
    tiers: &[(TicketTypeId, Option<TicketTypeId>)],
) -> sqlx::Result<()> {
    let (ids, follows): (Vec<TicketTypeId>, Vec<Option<TicketTypeId>>) =
        tiers.iter().copied().unzip();
    // A unique index is checked row by row; nobody follows anybody in between.
    sqlx::query!(
        "update ticket_type set follows_id = null where id = any($1)",
        &ids as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update ticket_type t set follows_id = n.follows_id, version = version + 1, updated_at = $3
         from unnest($1::uuid[], $2::uuid[]) as n (id, follows_id) where t.id = n.id",
        &ids as _,
        &follows as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
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

/// Gives a ticket type whose event is locked another tax rule, or none.
pub(super) async fn set_tax(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketTypeId,
    tax_rule_id: Option<TaxRuleId>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update ticket_type set tax_rule_id = $2, version = version + 1, updated_at = $3 where id = $1",
        id as _,
        tax_rule_id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}
