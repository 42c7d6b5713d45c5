//! Every query on `hold` and `hold_item`.

use std::collections::HashMap;

use domain::{
    Cx, EventId, FeeId, HoldId, HoldItemId, Money, OrderId, OrganizationId, PromoCodeId,
    TicketTypeId, Timestamp, TurnId,
};
use sqlx::PgConnection;

use super::{hold_tickets::New, model::HoldRow};
use crate::{
    lookup::LookupError,
    taxes::{AppliedTax, FeeLine, LineTax},
    ticket_types::{Basket, Line},
};

/// A hold with what it holds, at its prices.
pub(crate) type Held = (HoldRow, Basket);

/// The hold of an id.
pub(super) async fn get(conn: &mut PgConnection, id: HoldId) -> Result<Held, LookupError> {
    let mut found = get_all(conn, &[id]).await?;
    found.remove(&id).ok_or_else(|| missing(id))
}

/// The hold of an id, kept from others until the transaction ends.
pub(super) async fn lock(conn: &mut PgConnection, id: HoldId) -> Result<Held, LookupError> {
    let mut found = lock_all(conn, &[id]).await?;
    found.remove(&id).ok_or_else(|| missing(id))
}

/// There is no such hold.
pub(crate) fn missing(id: HoldId) -> LookupError {
    LookupError::NotFound {
        noun: "hold",
        given: id.to_string(),
        candidates: Vec::new(),
    }
}

/// Holds by their ids, kept from others until the transaction ends. Locked in the order of their ids, so that no two who
/// lock several wait for each other.
pub(crate) async fn lock_all(
    conn: &mut PgConnection,
    ids: &[HoldId],
) -> sqlx::Result<HashMap<HoldId, Held>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // Read after they are locked: whoever had them before may have ended them.
    sqlx::query!(
        "select id from hold where id = any($1) order by id for update",
        ids as _
    )
    .fetch_all(&mut *conn)
    .await?;
    get_all(conn, ids).await
}

/// Holds by their ids.
async fn get_all(conn: &mut PgConnection, ids: &[HoldId]) -> sqlx::Result<HashMap<HoldId, Held>> {
    let rows = sqlx::query_as!(
        HoldRow,
        r#"select hold.id, hold.event_id, hold.status, hold.currency, hold.total_amount, hold.ticket_count,
             hold.expires_at, hold.is_extended, hold.order_id, hold.promo_code_id,
             (select code from promo_code where id = hold.promo_code_id) as promo_code, hold.discount_amount
           from hold where hold.id = any($1)"#,
        ids as _
    )
    .fetch_all(&mut *conn)
    .await?;
    let lines = sqlx::query!(
        "select hold_id, ticket_type_id, name, quantity, unit_amount, listed_amount, tax_name, tax_code, tax_rate, net_amount,
           tax_amount, gross_amount
         from hold_item where hold_id = any($1) order by id",
        ids as _
    )
    .fetch_all(&mut *conn)
    .await?;
    let fees = sqlx::query!(
        r#"select hold_id as "hold_id: HoldId", fee_id as "fee_id: FeeId", name, tax_name, tax_code, tax_rate, net_amount,
             tax_amount, gross_amount
           from hold_fee where hold_id = any($1) order by fee_id"#,
        ids as _
    )
    .fetch_all(conn)
    .await?;
    let of = |row: HoldRow| {
        let basket = Basket {
            lines: Vec::new(),
            total: row.total(),
            promo_code: row.applied(),
            discount: Money::new(row.discount_amount, row.currency),
            fees: Vec::new(),
        };
        (row.id, (row, basket))
    };
    let mut holds: HashMap<HoldId, Held> = rows.into_iter().map(of).collect();
    for line in lines {
        if let Some((_, basket)) = holds.get_mut(&line.hold_id) {
            basket.lines.push(Line {
                ticket_type_id: line.ticket_type_id,
                name: line.name,
                quantity: line.quantity,
                unit_amount: line.unit_amount,
                listed_amount: line.listed_amount,
                tax: LineTax::of(
                    AppliedTax::of(line.tax_name, line.tax_code, line.tax_rate),
                    [line.net_amount, line.tax_amount, line.gross_amount],
                ),
            });
        }
    }
    for fee in fees {
        if let Some((_, basket)) = holds.get_mut(&fee.hold_id) {
            basket.fees.push(FeeLine {
                fee_id: fee.fee_id,
                name: fee.name,
                tax: LineTax::of(
                    AppliedTax::of(fee.tax_name, fee.tax_code, fee.tax_rate),
                    [fee.net_amount, fee.tax_amount, fee.gross_amount],
                ),
            });
        }
    }
    Ok(holds)
}

/// Adds live holds of one organization, each with what it holds.
pub(crate) async fn insert(conn: &mut PgConnection, new: &[(&Cx, &New)]) -> sqlx::Result<()> {
    let Some((cx, _)) = new.first() else {
        return Ok(());
    };
    let rows = || new.iter().map(|(_, new)| &new.row);
    let now: Vec<Timestamp> = new.iter().map(|(cx, _)| cx.now).collect();
    sqlx::query!(
        "insert into hold (organization_id, id, event_id, status, currency, total_amount, ticket_count, expires_at, created_at,
           promo_code_id, discount_amount, is_extended, turn_id)
         select $1, id, event_id, 'live', currency, total, count, expires_at, created_at, promo_code_id, discount, is_extended,
           turn_id
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::integer[], $7::timestamptz[], $8::timestamptz[],
                     $9::uuid[], $10::bigint[], $11::boolean[], $12::uuid[])
           as new (id, event_id, currency, total, count, expires_at, created_at, promo_code_id, discount, is_extended, turn_id)",
        cx.organization_id as _,
        rows().map(|row| row.id).collect::<Vec<HoldId>>() as _,
        rows().map(|row| row.event_id).collect::<Vec<EventId>>() as _,
        &rows().map(|row| row.currency.to_string()).collect::<Vec<_>>(),
        &rows().map(|row| row.total_amount).collect::<Vec<_>>(),
        &rows().map(|row| row.ticket_count).collect::<Vec<_>>(),
        rows().map(|row| row.expires_at).collect::<Vec<Timestamp>>() as _,
        now as _,
        rows().map(|row| row.promo_code_id).collect::<Vec<Option<PromoCodeId>>>() as _,
        &rows().map(|row| row.discount_amount).collect::<Vec<_>>(),
        &rows().map(|row| row.is_extended).collect::<Vec<_>>(),
        new.iter().map(|(_, new)| new.turn).collect::<Vec<Option<TurnId>>>() as _,
    )
    .execute(&mut *conn)
    .await?;
    let lines = || {
        let of = |(cx, new): &(&Cx, &'_ New)| (cx.new_id::<HoldItemId>(), new.row.id);
        new.iter()
            .flat_map(move |pair| pair.1.basket.lines.iter().map(move |line| (of(pair), line)))
    };
    let (ids, lines): (Vec<(HoldItemId, HoldId)>, Vec<&Line>) = lines().unzip();
    sqlx::query!(
        "insert into hold_item (organization_id, hold_id, id, ticket_type_id, name, quantity, unit_amount, listed_amount,
           tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount)
         select $1, hold_id, id, type_id, name, quantity, amount, listed, tax_name, tax_code, tax_rate, net, tax, gross
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[],
                     $9::text[], $10::text[], $11::integer[], $12::bigint[], $13::bigint[], $14::bigint[])
           as new (hold_id, id, type_id, name, quantity, amount, listed, tax_name, tax_code, tax_rate, net, tax, gross)",
        cx.organization_id as _,
        ids.iter().map(|(_, hold)| *hold).collect::<Vec<HoldId>>() as _,
        ids.iter().map(|(id, _)| *id).collect::<Vec<HoldItemId>>() as _,
        lines.iter().map(|line| line.ticket_type_id).collect::<Vec<TicketTypeId>>() as _,
        &lines.iter().map(|line| line.name.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.quantity).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.unit_amount).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.listed_amount).collect::<Vec<_>>(),
        lines.iter().map(|line| line.tax.name()).collect::<Vec<_>>() as _,
        lines.iter().map(|line| line.tax.code()).collect::<Vec<_>>() as _,
        &lines.iter().map(|line| line.tax.thousandths()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.tax.amounts.net).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.tax.amounts.tax).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.tax.amounts.gross).collect::<Vec<_>>(),
    )
    .execute(&mut *conn)
    .await?;
    insert_fees(conn, new).await
}

/// Adds what is charged beside the lines of new holds.
async fn insert_fees(conn: &mut PgConnection, new: &[(&Cx, &New)]) -> sqlx::Result<()> {
    let of = |(_, new): &(&Cx, &'_ New)| new.row.id;
    let fees = new
        .iter()
        .flat_map(|pair| pair.1.basket.fees.iter().map(move |fee| (of(pair), fee)));
    let (ids, fees): (Vec<HoldId>, Vec<&FeeLine>) = fees.unzip();
    let Some((cx, _)) = new.first().filter(|_| !fees.is_empty()) else {
        return Ok(());
    };
    sqlx::query!(
        "insert into hold_fee (organization_id, hold_id, fee_id, name, tax_name, tax_code, tax_rate, net_amount, tax_amount,
           gross_amount)
         select $1, hold_id, fee_id, name, tax_name, tax_code, tax_rate, net, tax, gross
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::bigint[], $9::bigint[],
                     $10::bigint[])
           as new (hold_id, fee_id, name, tax_name, tax_code, tax_rate, net, tax, gross)",
        cx.organization_id as _,
        ids as _,
        fees.iter().map(|fee| fee.fee_id).collect::<Vec<_>>() as _,
        &fees.iter().map(|fee| fee.name.clone()).collect::<Vec<_>>(),
        fees.iter().map(|fee| fee.tax.name()).collect::<Vec<_>>() as _,
        fees.iter().map(|fee| fee.tax.code()).collect::<Vec<_>>() as _,
        &fees.iter().map(|fee| fee.tax.thousandths()).collect::<Vec<_>>(),
        &fees.iter().map(|fee| fee.tax.amounts.net).collect::<Vec<_>>(),
        &fees.iter().map(|fee| fee.tax.amounts.tax).collect::<Vec<_>>(),
        &fees.iter().map(|fee| fee.tax.amounts.gross).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a hold that is locked more time.
pub(super) async fn extend(
    conn: &mut PgConnection,
    id: HoldId,
    expires_at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update hold set expires_at = $2, is_extended = true where id = $1",
        id as _,
        expires_at as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a live hold that is locked: its places are given back.
pub(super) async fn release(conn: &mut PgConnection, cx: &Cx, id: HoldId) -> sqlx::Result<()> {
    sqlx::query!(
        "update hold set status = 'released', ended_at = $2 where id = $1 and status = 'live'",
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Hands the places of live holds that are locked to orders of one organization.
pub(crate) async fn order(
    conn: &mut PgConnection,
    ordered: &[(&Cx, HoldId, OrderId)],
) -> sqlx::Result<()> {
    if ordered.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update hold set status = 'ordered', ended_at = new.at, order_id = new.order_id
         from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as new (hold_id, order_id, at)
         where hold.id = new.hold_id and hold.status = 'live'",
        ordered.iter().map(|&(_, hold, _)| hold).collect::<Vec<_>>() as _,
        ordered.iter().map(|&(.., order)| order).collect::<Vec<_>>() as _,
        ordered.iter().map(|(cx, ..)| cx.now).collect::<Vec<_>>() as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many holds of an event are ended at once.
const MOST_EXPIRED: i64 = 1_000;

/// A hold whose time was over.
pub(super) struct Expired {
    pub(super) id: HoldId,
    pub(super) ticket_count: i32,
    pub(super) promo_code_id: Option<PromoCodeId>,
}

/// Ends the live holds of an event whose time is over, but for those that somebody is about to order.
pub(super) async fn expire(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
) -> sqlx::Result<Vec<Expired>> {
    sqlx::query_as!(
        Expired,
        r#"update hold set status = 'expired', ended_at = $3
           from (select id from hold
                 where organization_id = $1 and event_id = $2 and status = 'live' and expires_at <= $3
                 order by expires_at limit $4 for update skip locked) as due
           where hold.id = due.id
           returning hold.id as "id", hold.ticket_count, hold.promo_code_id"#,
        cx.organization_id as _,
        event_id as _,
        cx.now as _,
        MOST_EXPIRED,
    )
    .fetch_all(conn)
    .await
}

/// Whether the time of any live hold of an event is over.
pub(super) async fn has_run_out(
    conn: &mut PgConnection,
    event_id: EventId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from hold where event_id = $1 and status = 'live' and expires_at <= $2) as "exists!""#,
        event_id as _,
        now as _
    )
    .fetch_one(conn)
    .await
}

/// How many of which ticket types holds hold.
pub(super) async fn counts(
    conn: &mut PgConnection,
    ids: &[HoldId],
) -> sqlx::Result<Vec<(TicketTypeId, i32)>> {
    let rows = sqlx::query!(
        r#"select ticket_type_id as "ticket_type_id: TicketTypeId", sum(quantity)::integer as "count!"
           from hold_item where hold_id = any($1) group by ticket_type_id"#,
        ids as _
    )
    .fetch_all(conn)
    .await?;
    let counts = rows.into_iter().map(|row| (row.ticket_type_id, row.count));
    Ok(counts.collect())
}

/// The events of all organizations that have holds whose time is over.
pub(super) async fn due(
    conn: &mut PgConnection,
    now: Timestamp,
) -> sqlx::Result<Vec<(OrganizationId, EventId)>> {
    let rows = sqlx::query!(
        r#"select distinct organization_id as "organization_id: OrganizationId", event_id as "event_id: EventId"
           from hold where status = 'live' and expires_at <= $1"#,
        now as _
    )
    .fetch_all(conn)
    .await?;
    let events = rows
        .into_iter()
        .map(|row| (row.organization_id, row.event_id));
    Ok(events.collect())
}
