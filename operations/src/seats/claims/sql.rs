//! Every query on claims. The partial unique index decides who has a seat.

use domain::{Cx, EventId, HoldId, OrderId, SeatClaimId, SeatId, SeatMapId, TicketTypeId};
use sqlx::PgConnection;

/// What a claim is to be.
#[derive(Debug, Clone, Copy)]
pub(in crate::seats) struct NewClaim {
    pub(in crate::seats) seat: SeatId,
    /// Of what; a block when none.
    pub(in crate::seats) kind: Option<TicketTypeId>,
    pub(in crate::seats) hold: Option<HoldId>,
    pub(in crate::seats) order: Option<OrderId>,
}

/// Claims seats of an event that nobody has; says which. Whoever finds a seat about to be taken waits until that is
/// decided, in the order of the seats' ids, so that no two wait for each other.
pub(in crate::seats) async fn claim(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    map: SeatMapId,
    new: &[NewClaim],
) -> sqlx::Result<Vec<SeatId>> {
    let mut new = new.to_vec();
    new.sort_by_key(|claim| claim.seat);
    sqlx::query_scalar!(
        r#"insert into seat_claim (organization_id, event_id, seat_map_id, id, seat_id, ticket_type_id, hold_id, order_id, status, created_at)
           select $1, $2, $3, id, seat_id, ticket_type_id, hold_id, order_id, 'live', $4
           from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::uuid[])
             as new (id, seat_id, ticket_type_id, hold_id, order_id)
           on conflict do nothing returning seat_id as "seat_id: SeatId""#,
        cx.organization_id as _,
        event as _,
        map as _,
        cx.now as _,
        new.iter().map(|_| cx.new_id()).collect::<Vec<SeatClaimId>>() as _,
        new.iter().map(|claim| claim.seat).collect::<Vec<_>>() as _,
        new.iter().map(|claim| claim.kind).collect::<Vec<_>>() as _,
        new.iter().map(|claim| claim.hold).collect::<Vec<_>>() as _,
        new.iter().map(|claim| claim.order).collect::<Vec<_>>() as _,
    )
    .fetch_all(conn)
    .await
}

/// Ends the blocks of seats; says of which.
pub(in crate::seats) async fn unblock(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    seats: &[SeatId],
) -> sqlx::Result<Vec<SeatId>> {
    sqlx::query_scalar!(
        r#"update seat_claim set status = 'ended', ended_at = $3
           where event_id = $1 and seat_id = any($2) and status = 'live' and ticket_type_id is null
           returning seat_id as "seat_id: SeatId""#,
        event as _,
        seats as _,
        cx.now as _
    )
    .fetch_all(conn)
    .await
}

/// From here on what was claimed can be given back without the rest of the transaction, and whoever waits for it goes on.
pub(super) async fn begin_try(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("savepoint seats").execute(conn).await?;
    Ok(())
}

/// Gives back what was claimed since.
pub(super) async fn undo_try(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("rollback to savepoint seats")
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that a hold has seats, which follow it from now on.
pub(super) async fn mark_seated(conn: &mut PgConnection, hold: HoldId) -> sqlx::Result<()> {
    sqlx::query!("update hold set is_seated = true where id = $1", hold as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives the tickets of an order the seats it has.
pub(crate) async fn to_tickets(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select 1 as "done!" from seats_to_tickets($1)"#,
        order as _
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// The seats that an order had when it ended, with their ticket types.
pub(super) async fn lost(
    conn: &mut PgConnection,
    order: OrderId,
) -> sqlx::Result<Vec<(SeatId, TicketTypeId)>> {
    let rows = sqlx::query!(
        r#"select seat_id, ticket_type_id as "ticket_type_id!: TicketTypeId" from seat_claim
           where order_id = $1 and status = 'ended' and ticket_id is null"#,
        order as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.seat_id, row.ticket_type_id))
        .collect())
}

/// The seats that a hold has or had, in the order of the house.
pub(crate) async fn of_hold(conn: &mut PgConnection, hold: HoldId) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select section.name || ' ' || seat.row_label || ' ' || seat.label as "name!"
           from seat_claim claim join seat on seat.id = claim.seat_id join seat_section section on section.id = seat.section_id
           where claim.hold_id = $1 order by section.position, seat.row_position, seat.position"#,
        hold as _
    )
    .fetch_all(conn)
    .await
}

/// The seats that an order has, in the order of the house; once it has ended, those it had.
pub(crate) async fn of_order(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select section.name || ' ' || seat.row_label || ' ' || seat.label as "name!"
           from seat_claim claim join seat on seat.id = claim.seat_id join seat_section section on section.id = seat.section_id
           where claim.order_id = $1
             and (claim.status = 'live' or not exists (select from seat_claim where order_id = $1 and status = 'live'))
           group by section.id, seat.id order by section.position, seat.row_position, seat.position"#,
        order as _
    )
    .fetch_all(conn)
    .await
}

/// Claims that belong to what has ended, and seats that are missing. Empty when all is well.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn discrepancies(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select format('seat %s is live for a hold that is %s', seat_name(c.seat_id), h.status)
         from seat_claim c join hold h on h.id = c.hold_id
         where c.status = 'live' and c.order_id is null and h.status <> 'live'
         union all
         select format('seat %s is live for an order that is %s', seat_name(c.seat_id), o.status)
         from seat_claim c join orders o on o.id = c.order_id
         where c.status = 'live' and o.status <> (case when c.ticket_id is null then 'pending' else 'paid' end)
         union all
         select format('seat %s is live for a ticket that is %s', seat_name(c.seat_id), t.status)
         from seat_claim c join ticket t on t.id = c.ticket_id where c.status = 'live' and t.status <> 'valid'
         union all
         select format('ticket type %s: %s places are taken, %s seats', t.name, p.held_count + p.sold_count, count(c.id))
         from ticket_type t join capacity_pool p on p.id = t.pool_id
           left join seat_claim c on c.ticket_type_id = t.id and c.status = 'live'
         where exists (select from ticket_type_section where ticket_type_id = t.id)
         group by t.id, p.id having p.held_count + p.sold_count <> count(c.id)",
    )
    .fetch_all(conn)
    .await
}
