//! Every query on `ticket`.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{
    Cx, EventId, OrderId, OrderItemId, OrganizationId, Reference, TicketId, TicketTypeId,
};
use sqlx::PgConnection;

use super::{
    code::TicketCode,
    model::{NewTicket, TicketRow},
};
use crate::{codes::CodeLookupError, lookup::LookupError};

/// Selects tickets as [`TicketRow`]; the text behind it starts with `where`.
macro_rules! select_tickets {
    ($rest:literal, $argument:expr) => {
        sqlx::query_as!(
            TicketRow,
            r#"select ticket.id, ticket.code, ticket.status,
                 exists (select from check_in where check_in.ticket_id = ticket.id
                         and check_in.result = 'admitted' and check_in.undone_at is null) as "is_checked_in!",
                 ticket.event_id, event.title as event_title, ticket.ticket_type_id, item.name as ticket_type,
                 (select seat_name(c.seat_id) from seat_claim c where c.ticket_id = ticket.id) as seat,
                 ticket.order_id, orders.number as order_number, ticket.attendee_name,
                 ticket.attendee_email, ticket.issued_at, ticket.voided_at, ticket.void_reason
               from ticket
               join order_item item on item.id = ticket.order_item_id
               join orders on orders.id = ticket.order_id
               join event on event.id = ticket.event_id "#
                + $rest,
            $argument
        )
    };
}

/// The ticket a caller means: by id or code.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<TicketId>,
    field: &'static str,
) -> Result<TicketRow, CodeLookupError> {
    let found = match reference {
        Reference::Id(id) => {
            select_tickets!("where ticket.id = $1", *id as _)
                .fetch_optional(conn)
                .await?
        }
        Reference::Name(text) => {
            let code: TicketCode = text.parse().map_err(|error| CodeLookupError::Malformed {
                noun: "a ticket code",
                field,
                given: text.clone(),
                error,
            })?;
            select_tickets!("where ticket.code = $1", code.as_str())
                .fetch_optional(conn)
                .await?
        }
    };
    let missing = || LookupError::NotFound {
        noun: "ticket",
        given: reference.to_string(),
        candidates: Vec::new(),
    };
    Ok(found.ok_or_else(missing)?)
}

/// The tickets of an order, as they were issued.
pub(crate) async fn of_order(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<Vec<TicketRow>> {
    select_tickets!(
        "where ticket.order_id = $1 order by ticket.id",
        order_id as _
    )
    .fetch_all(conn)
    .await
}

/// Which line each ticket of an order was issued for.
pub(crate) async fn lines(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> sqlx::Result<HashMap<TicketId, OrderItemId>> {
    let rows = sqlx::query!(
        r#"select id as "id: TicketId", order_item_id as "item_id: OrderItemId" from ticket where order_id = $1"#,
        order_id as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.item_id)).collect())
}

/// Issues tickets of orders of one organization.
pub(crate) async fn issue(
    conn: &mut PgConnection,
    organization_id: OrganizationId,
    tickets: &[&NewTicket],
) -> sqlx::Result<()> {
    if tickets.is_empty() {
        return Ok(());
    }
    let rows = || tickets.iter().map(|ticket| &ticket.row);
    sqlx::query!(
        "insert into ticket (organization_id, order_id, event_id, id, order_item_id, ticket_type_id, code, status,
           attendee_name, attendee_email, issued_at)
         select $1, order_id, event_id, id, item_id, type_id, code, 'valid', name, email, issued_at
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[],
                     $10::timestamptz[])
           as new (order_id, event_id, id, item_id, type_id, code, name, email, issued_at)",
        organization_id as _,
        rows().map(|row| row.order_id).collect::<Vec<_>>() as _,
        rows().map(|row| row.event_id).collect::<Vec<_>>() as _,
        rows().map(|row| row.id).collect::<Vec<_>>() as _,
        tickets.iter().map(|ticket| ticket.order_item_id).collect::<Vec<_>>() as _,
        rows().map(|row| row.ticket_type_id).collect::<Vec<_>>() as _,
        &rows().map(|row| row.code.clone()).collect::<Vec<_>>(),
        rows().map(|row| row.attendee_name.clone()).collect::<Vec<_>>() as _,
        rows().map(|row| row.attendee_email.clone()).collect::<Vec<_>>() as _,
        rows().map(|row| row.issued_at).collect::<Vec<_>>() as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes one ticket void; returns whether it was valid until now.
pub(crate) async fn void(
    conn: &mut PgConnection,
    cx: &Cx,
    id: TicketId,
    reason: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update ticket set status = 'void', voided_at = $2, void_reason = $3 where id = $1 and status = 'valid'",
        id as _,
        cx.now as _,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes all tickets of an order void that are still valid; how many of which types.
pub(crate) async fn void_for_order(
    conn: &mut PgConnection,
    cx: &Cx,
    order_id: OrderId,
    reason: Option<&str>,
) -> sqlx::Result<Vec<(TicketTypeId, i32)>> {
    let rows = sqlx::query!(
        "update ticket set status = 'void', voided_at = $2, void_reason = $3
         where order_id = $1 and status = 'valid'
         returning ticket_type_id",
        order_id as _,
        cx.now as _,
        reason
    )
    .fetch_all(conn)
    .await?;
    let mut counts = BTreeMap::<TicketTypeId, i32>::new();
    for row in &rows {
        *counts.entry(row.ticket_type_id).or_default() += 1;
    }
    Ok(counts.into_iter().collect())
}

/// How many of an order's tickets are checked in. Holds the tickets, so that no door admits one until the
/// transaction ends.
pub(crate) async fn checked_in(conn: &mut PgConnection, order_id: OrderId) -> sqlx::Result<i64> {
    sqlx::query!(
        "select id from ticket where order_id = $1 order by id for update",
        order_id as _
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from ticket join check_in on check_in.ticket_id = ticket.id
           where ticket.order_id = $1 and check_in.result = 'admitted' and check_in.undone_at is null"#,
        order_id as _
    )
    .fetch_one(conn)
    .await
}

/// Holds one ticket until the transaction ends, so that no door admits it meanwhile.
pub(super) async fn lock(conn: &mut PgConnection, id: TicketId) -> sqlx::Result<()> {
    sqlx::query!("select id from ticket where id = $1 for update", id as _)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// Which of some addresses hold valid tickets of an event already, in lower case.
pub(crate) async fn named_already(
    conn: &mut PgConnection,
    event_id: EventId,
    emails: &[String],
) -> sqlx::Result<HashSet<String>> {
    let found = sqlx::query_scalar!(
        r#"select distinct lower(attendee_email) as "email!" from ticket
           where event_id = $1 and status = 'valid' and lower(attendee_email) = any($2)"#,
        event_id as _,
        emails
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().collect())
}

/// Writes an admission, for tests of what happens to people who are inside.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn admit(conn: &mut PgConnection, cx: &Cx, id: TicketId) -> sqlx::Result<()> {
    sqlx::query(
        "insert into check_in (organization_id, id, event_id, ticket_id, result, scanned_at)
         select organization_id, $2, event_id, id, 'admitted', $3 from ticket where id = $1",
    )
    .bind(id)
    .bind(cx.new_id::<domain::CheckInId>())
    .bind(cx.now)
    .execute(conn)
    .await?;
    Ok(())
}
