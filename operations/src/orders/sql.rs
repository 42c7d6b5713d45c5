//! Every query on `orders`, `order_item`, `payment` and `refund`.

use std::collections::HashMap;

use domain::{
    Currency, Cx, EventId, FeeId, Money, OrderId, OrganizationId, PageRequest, Reference,
    TicketTypeId, Timestamp,
};
use sqlx::{PgConnection, types::Json};

use super::{
    model::{ItemRow, OrderRow, OrderStatus},
    number::OrderNumber,
};
use crate::{
    codes::CodeLookupError,
    lookup::LookupError,
    taxes::{AppliedTax, FeeLine, LineTax},
    tickets::Attendee,
};

/// Selects orders as [`OrderRow`]; the text behind it starts with `where`.
macro_rules! select_orders {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            OrderRow,
            r#"select orders.id, orders.number, orders.status, orders.event_id, event.title as event_title,
                 orders.buyer_name, orders.buyer_email, orders.currency, orders.total_amount, orders.paid_amount,
                 orders.refunded_amount, orders.ticket_count, orders.note, orders.placed_at, orders.pay_by,
                 orders.paid_at, orders.cancelled_at, orders.cancellation_reason, orders.promo_code_id,
                 (select code from promo_code where id = orders.promo_code_id) as promo_code, orders.discount_amount
               from orders join event on event.id = orders.event_id "# + $rest
            $(, $argument)*
        )
    };
}

/// The order of an id.
pub(super) async fn get(conn: &mut PgConnection, id: OrderId) -> Result<OrderRow, LookupError> {
    let found = select_orders!("where orders.id = $1", id as _)
        .fetch_optional(conn)
        .await?;
    found.ok_or_else(|| missing(&id.to_string()))
}

fn missing(given: &str) -> LookupError {
    LookupError::NotFound {
        noun: "order",
        given: given.to_owned(),
        candidates: Vec::new(),
    }
}

/// The order a caller means: by id or number.
pub(super) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<OrderId>,
) -> Result<OrderRow, CodeLookupError> {
    let text = match reference {
        Reference::Id(id) => return Ok(get(conn, *id).await?),
        Reference::Name(text) => text,
    };
    let number: OrderNumber = text.parse().map_err(|error| CodeLookupError::Malformed {
        noun: "an order number",
        field: "order",
        given: text.clone(),
        error,
    })?;
    let found = select_orders!("where orders.number = $1", number.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    Ok(found.ok_or_else(|| missing(text))?)
}

/// The order of an id, held until the transaction ends.
pub(super) async fn lock(conn: &mut PgConnection, id: OrderId) -> Result<OrderRow, LookupError> {
    sqlx::query!("select id from orders where id = $1 for update", id as _)
        .fetch_optional(&mut *conn)
        .await?;
    get(conn, id).await
}

/// The lines of an order, but for those of which nothing is left.
pub(super) async fn items(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<Vec<ItemRow>> {
    let rows = sqlx::query!(
        r#"select id, ticket_type_id, name, quantity, unit_amount, listed_amount, attendees as "attendees: Json<Vec<Attendee>>",
             tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount
           from order_item where order_id = $1 and quantity > 0 order by id"#,
        id as _
    )
    .fetch_all(conn)
    .await?;
    let items = rows.into_iter().map(|row| ItemRow {
        id: row.id,
        ticket_type_id: row.ticket_type_id,
        name: row.name,
        quantity: row.quantity,
        unit_amount: row.unit_amount,
        listed_amount: row.listed_amount,
        attendees: row.attendees.0,
        tax: LineTax::of(
            AppliedTax::of(row.tax_name, row.tax_code, row.tax_rate),
            [row.net_amount, row.tax_amount, row.gross_amount],
        ),
    });
    Ok(items.collect())
}

/// What is charged beside the lines of an order.
pub(super) async fn fees(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<Vec<FeeLine>> {
    let rows = sqlx::query!(
        r#"select fee_id as "fee_id: FeeId", name, tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount
           from order_fee where order_id = $1 order by fee_id"#,
        id as _
    )
    .fetch_all(conn)
    .await?;
    let fees = rows.into_iter().map(|row| FeeLine {
        fee_id: row.fee_id,
        name: row.name,
        tax: LineTax::of(
            AppliedTax::of(row.tax_name, row.tax_code, row.tax_rate),
            [row.net_amount, row.tax_amount, row.gross_amount],
        ),
    });
    Ok(fees.collect())
}

/// Which orders are wanted.
pub(super) struct Filter<'a> {
    pub(super) query: Option<&'a str>,
    /// The query as an order number, if it is one.
    pub(super) number: Option<&'a str>,
    /// Whether names and addresses are searched, or order numbers only.
    pub(super) personal: bool,
    pub(super) event_id: Option<EventId>,
    pub(super) status: Option<OrderStatus>,
    pub(super) placed_before: Option<Timestamp>,
    pub(super) page: PageRequest,
}

/// Orders, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
) -> sqlx::Result<Vec<OrderRow>> {
    let (key, id) = filter.page.after();
    let key = key.map(Timestamp::from_microseconds);
    select_orders!(
        "where ($1::text is null or orders.number = $2
                or $9 and (orders.search_text like '%' || search_form($1) || '%'
                           or word_similarity(search_form($1), orders.search_text) > 0.5))
           and ($3::uuid is null or orders.event_id = $3)
           and ($4::text is null or orders.status = $4)
           and ($5::timestamptz is null or orders.placed_at <= $5)
           and ($6::timestamptz is null or (orders.placed_at, orders.id) < ($6, $7))
         order by orders.placed_at desc, orders.id desc limit $8",
        filter.query,
        filter.number,
        filter.event_id as _,
        filter.status as _,
        filter.placed_before as _,
        key as _,
        id,
        filter.page.fetch(),
        filter.personal,
    )
    .fetch_all(conn)
    .await
}

/// The most orders that a statement is compared with.
const MOST_WAITING: i64 = 5_000;

/// The orders that wait for money, newest first.
pub(super) async fn waiting(conn: &mut PgConnection) -> sqlx::Result<Vec<OrderRow>> {
    select_orders!(
        "where orders.status = 'pending' order by orders.placed_at desc limit $1",
        MOST_WAITING
    )
    .fetch_all(conn)
    .await
}

/// Adds orders of one organization, each by whoever places it; how many, for those whose number another order has are
/// left out.
pub(super) async fn insert(
    conn: &mut PgConnection,
    new: &[(&Cx, &OrderRow)],
) -> sqlx::Result<usize> {
    let Some((cx, _)) = new.first() else {
        return Ok(0);
    };
    let rows = || new.iter().map(|(_, row)| row);
    let done = sqlx::query!(
        "insert into orders (organization_id, id, event_id, number, status, buyer_name, buyer_email, currency,
           total_amount, ticket_count, note, placed_at, paid_at, pay_by, updated_at, promo_code_id, discount_amount)
         select $1, id, event_id, number, status, name, email, currency, total, count, note, placed_at, paid_at, pay_by,
           placed_at, promo_code_id, discount
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                     $10::integer[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
                     $15::uuid[], $16::bigint[])
           as new (id, event_id, number, status, name, email, currency, total, count, note, placed_at, paid_at, pay_by,
                   promo_code_id, discount)
         on conflict on constraint orders_number_key do nothing",
        cx.organization_id as _,
        rows().map(|row| row.id).collect::<Vec<_>>() as _,
        rows().map(|row| row.event_id).collect::<Vec<_>>() as _,
        &rows().map(|row| row.number.clone()).collect::<Vec<_>>(),
        &rows().map(|row| row.status.to_string()).collect::<Vec<_>>(),
        rows().map(|row| row.buyer_name.clone()).collect::<Vec<_>>() as _,
        rows().map(|row| row.buyer_email.clone()).collect::<Vec<_>>() as _,
        &rows().map(|row| row.currency.to_string()).collect::<Vec<_>>(),
        &rows().map(|row| row.total_amount).collect::<Vec<_>>(),
        &rows().map(|row| row.ticket_count).collect::<Vec<_>>(),
        rows().map(|row| row.note.clone()).collect::<Vec<_>>() as _,
        rows().map(|row| row.placed_at).collect::<Vec<_>>() as _,
        rows().map(|row| row.paid_at).collect::<Vec<_>>() as _,
        rows().map(|row| row.pay_by).collect::<Vec<_>>() as _,
        rows().map(|row| row.promo_code_id).collect::<Vec<_>>() as _,
        &rows().map(|row| row.discount_amount).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Adds lines of orders of one organization.
pub(super) async fn insert_items(
    conn: &mut PgConnection,
    organization_id: OrganizationId,
    new: &[(&OrderRow, &ItemRow)],
) -> sqlx::Result<()> {
    let orders = || new.iter().map(|(order, _)| order);
    let items = || new.iter().map(|(_, item)| item);
    sqlx::query!(
        "insert into order_item (organization_id, id, order_id, event_id, ticket_type_id, name, quantity, unit_amount,
           currency, attendees, listed_amount, tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount)
         select $1, id, order_id, event_id, type_id, name, quantity, amount, currency, attendees, listed, tax_name, tax_code,
           tax_rate, net, tax, gross
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::integer[], $8::bigint[], $9::text[],
                     $10::jsonb[], $11::bigint[], $12::text[], $13::text[], $14::integer[], $15::bigint[], $16::bigint[],
                     $17::bigint[])
           as new (id, order_id, event_id, type_id, name, quantity, amount, currency, attendees, listed, tax_name, tax_code,
                   tax_rate, net, tax, gross)",
        organization_id as _,
        items().map(|item| item.id).collect::<Vec<_>>() as _,
        orders().map(|order| order.id).collect::<Vec<_>>() as _,
        orders().map(|order| order.event_id).collect::<Vec<_>>() as _,
        items().map(|item| item.ticket_type_id).collect::<Vec<_>>() as _,
        &items().map(|item| item.name.clone()).collect::<Vec<_>>(),
        &items().map(|item| item.quantity).collect::<Vec<_>>(),
        &items().map(|item| item.unit_amount).collect::<Vec<_>>(),
        &orders().map(|order| order.currency.to_string()).collect::<Vec<_>>(),
        items().map(|item| Json(&item.attendees)).collect::<Vec<_>>() as _,
        &items().map(|item| item.listed_amount).collect::<Vec<_>>(),
        items().map(|item| item.tax.name()).collect::<Vec<_>>() as _,
        items().map(|item| item.tax.code()).collect::<Vec<_>>() as _,
        &items().map(|item| item.tax.thousandths()).collect::<Vec<_>>(),
        &items().map(|item| item.tax.amounts.net).collect::<Vec<_>>(),
        &items().map(|item| item.tax.amounts.tax).collect::<Vec<_>>(),
        &items().map(|item| item.tax.amounts.gross).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds what is charged beside the lines of orders of one organization.
pub(super) async fn insert_fees(
    conn: &mut PgConnection,
    organization_id: OrganizationId,
    new: &[(&OrderRow, &FeeLine)],
) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let orders = || new.iter().map(|(order, _)| order);
    let fees = || new.iter().map(|(_, fee)| fee);
    sqlx::query!(
        "insert into order_fee (organization_id, order_id, event_id, fee_id, name, tax_name, tax_code, tax_rate, net_amount,
           tax_amount, gross_amount)
         select $1, order_id, event_id, fee_id, name, tax_name, tax_code, tax_rate, net, tax, gross
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
                     $10::bigint[], $11::bigint[])
           as new (order_id, event_id, fee_id, name, tax_name, tax_code, tax_rate, net, tax, gross)",
        organization_id as _,
        orders().map(|order| order.id).collect::<Vec<_>>() as _,
        orders().map(|order| order.event_id).collect::<Vec<_>>() as _,
        fees().map(|fee| fee.fee_id).collect::<Vec<_>>() as _,
        &fees().map(|fee| fee.name.clone()).collect::<Vec<_>>(),
        fees().map(|fee| fee.tax.name()).collect::<Vec<_>>() as _,
        fees().map(|fee| fee.tax.code()).collect::<Vec<_>>() as _,
        &fees().map(|fee| fee.tax.thousandths()).collect::<Vec<_>>(),
        &fees().map(|fee| fee.tax.amounts.net).collect::<Vec<_>>(),
        &fees().map(|fee| fee.tax.amounts.tax).collect::<Vec<_>>(),
        &fees().map(|fee| fee.tax.amounts.gross).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Leaves so many of a line of an order that is locked, with what those were charged and names for no more of them.
pub(super) async fn shrink_item(
    conn: &mut PgConnection,
    item: &ItemRow,
    left: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update order_item set quantity = $2, attendees = $3, net_amount = $4, tax_amount = $5, gross_amount = $6
         where id = $1",
        item.id as _,
        left,
        Json(&item.attendees) as _,
        item.tax.amounts.net,
        item.tax.amounts.tax,
        item.tax.amounts.gross,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds up an order that is locked and whose lines or fees have changed.
pub(super) async fn reprice(conn: &mut PgConnection, cx: &Cx, id: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set total_amount = sum.total, discount_amount = sum.discount, ticket_count = sum.quantity,
           updated_at = $2, version = version + 1
         from (select sum(gross_amount)::bigint + coalesce((select sum(gross_amount) from order_fee where order_id = $1), 0)::bigint
                   as total,
                 sum(quantity * (listed_amount - unit_amount))::bigint as discount, sum(quantity)::integer as quantity
               from order_item where order_id = $1) as sum
         where id = $1",
        id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes an order that has ended wait for its payment again, as long as the organizer likes. It is locked.
pub(super) async fn revive(conn: &mut PgConnection, cx: &Cx, id: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set status = 'pending', cancelled_at = null, cancellation_reason = null, pay_by = null,
           updated_at = $2, version = version + 1
         where id = $1",
        id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes an order paid that is locked, and for which enough came in.
pub(super) async fn mark_paid(conn: &mut PgConnection, cx: &Cx, id: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set status = 'paid', paid_at = $2, updated_at = $2, version = version + 1 where id = $1",
        id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets who was named when ordering: from now on the order's tickets say it.
pub(super) async fn forget_attendees(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "update order_item set attendees = '[]' where order_id = $1 and attendees <> '[]'",
        id as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Cancels an order that is locked.
pub(super) async fn cancel(
    conn: &mut PgConnection,
    cx: &Cx,
    id: OrderId,
    reason: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders set status = 'cancelled', cancelled_at = $2, cancellation_reason = $3, updated_at = $2,
           version = version + 1
         where id = $1",
        id as _,
        cx.now as _,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps buyers, in lower case, from ordering anything else of an event until the transaction ends.
pub(super) async fn lock_buyers(
    conn: &mut PgConnection,
    event_id: EventId,
    buyers: &[String],
) -> sqlx::Result<()> {
    sqlx::query!("select lock_buyers($1, $2)::text", event_id as _, buyers)
        .fetch_all(conn)
        .await?;
    Ok(())
}

/// How many tickets of some types buyers, in lower case, have in orders of an event that stand.
pub(super) async fn bought(
    conn: &mut PgConnection,
    event_id: EventId,
    buyers: &[String],
    types: &[TicketTypeId],
) -> sqlx::Result<HashMap<(String, TicketTypeId), i64>> {
    let rows = sqlx::query!(
        r#"select lower(o.buyer_email) as "buyer!", i.ticket_type_id, sum(i.quantity) as "count!"
           from orders o join order_item i on i.order_id = o.id
           where o.event_id = $1 and lower(o.buyer_email) = any($2) and o.status in ('pending', 'paid')
             and i.ticket_type_id = any($3)
           group by 1, 2"#,
        event_id as _,
        buyers,
        types as _,
    )
    .fetch_all(conn)
    .await?;
    let counts = rows
        .into_iter()
        .map(|row| ((row.buyer, row.ticket_type_id), row.count));
    Ok(counts.collect())
}

/// What the orders of an event add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Orders that wait for their payment.
    pub(crate) pending_orders: i64,
    /// Places those hold.
    pub(crate) held_tickets: i64,
    /// What they are to pay.
    pub(crate) pending: Money,
    /// Orders that are paid, or were free.
    pub(crate) paid_orders: i64,
    /// Tickets that admit.
    pub(crate) valid_tickets: i64,
    /// What was paid for the orders that are paid now, and not given back.
    pub(crate) kept: Money,
    /// What was given back.
    pub(crate) refunded: Money,
}

/// What the orders of an event add up to; all of them are in the event's currency.
pub(crate) async fn totals(
    conn: &mut PgConnection,
    event_id: EventId,
    currency: Currency,
) -> sqlx::Result<Totals> {
    let row = sqlx::query!(
        r#"select count(*) filter (where status = 'pending') as "pending_orders!",
             coalesce(sum(ticket_count) filter (where status = 'pending'), 0)::bigint as "held_tickets!",
             coalesce(sum(total_amount - paid_amount + refunded_amount) filter (where status = 'pending'), 0)::bigint as "pending!",
             count(*) filter (where status = 'paid') as "paid_orders!",
             (select count(*) from ticket where event_id = $1 and status = 'valid') as "valid_tickets!",
             coalesce(sum(paid_amount - refunded_amount) filter (where status = 'paid'), 0)::bigint as "kept!",
             coalesce(sum(refunded_amount), 0)::bigint as "refunded!"
           from orders where event_id = $1"#,
        event_id as _
    )
    .fetch_one(conn)
    .await?;
    Ok(Totals {
        pending_orders: row.pending_orders,
        held_tickets: row.held_tickets,
        pending: Money::new(row.pending, currency),
        paid_orders: row.paid_orders,
        valid_tickets: row.valid_tickets,
        kept: Money::new(row.kept, currency),
        refunded: Money::new(row.refunded, currency),
    })
}
