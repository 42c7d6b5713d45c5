//! Every query on `check_in`, and the tickets it needs.

use domain::{
    CheckInId, Cx, EmailAddress, EventId, PageRequest, Reference, TicketId, TicketTypeId,
    Timestamp, Untrusted,
};
use sqlx::PgConnection;

use super::model::{CheckInResult, DoorCounts, HeldOut};
use crate::lookup::{Hit, LookupError, the_one};

/// The ticket of an id or code. It cannot be voided until the transaction ends; other scans do not wait for this one.
pub(super) async fn find_ticket(
    conn: &mut PgConnection,
    id: Option<TicketId>,
    code: Option<&str>,
) -> sqlx::Result<Option<HeldOut>> {
    sqlx::query_as!(
        HeldOut,
        r#"select ticket.id as ticket_id, ticket.event_id, ticket.status, ticket_type.name as ticket_type,
             (select seat_name(c.seat_id) from seat_claim c where c.ticket_id = ticket.id) as seat,
             orders.number as order_number, ticket.attendee_name, orders.buyer_name
           from ticket
             join orders on orders.id = ticket.order_id
             join ticket_type on ticket_type.id = ticket.ticket_type_id
           where ticket.id = $1 or ticket.code = $2
           for share of ticket"#,
        id as _,
        code,
    )
    .fetch_optional(conn)
    .await
}

/// One scan to be written.
pub(super) struct Scan<'a> {
    pub(super) id: CheckInId,
    pub(super) event_id: EventId,
    pub(super) ticket_id: TicketId,
    pub(super) gate: Option<&'a str>,
    pub(super) device: Option<&'a str>,
}

/// Lets a ticket in, unless somebody is in with it; returns whether it did. Two doors at the same moment meet at
/// the unique index: the later one waits for the earlier to commit, and then finds the ticket used.
pub(super) async fn admit(conn: &mut PgConnection, cx: &Cx, scan: &Scan<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into check_in (organization_id, id, event_id, ticket_id, result, gate, device, scanned_at)
         values ($1, $2, $3, $4, 'admitted', $5, $6, $7)
         on conflict (organization_id, ticket_id) where result = 'admitted' and undone_at is null do nothing",
        cx.organization_id as _,
        scan.id as _,
        scan.event_id as _,
        scan.ticket_id as _,
        scan.gate,
        scan.device,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down a scan as it is, in general one that let nobody in.
pub(super) async fn note(
    conn: &mut PgConnection,
    cx: &Cx,
    scan: &Scan<'_>,
    result: CheckInResult,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into check_in (organization_id, id, event_id, ticket_id, result, gate, device, scanned_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        cx.organization_id as _,
        scan.id as _,
        scan.event_id as _,
        scan.ticket_id as _,
        result as _,
        scan.gate,
        scan.device,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The admission that stands.
pub(super) struct Standing {
    pub(super) scanned_at: Timestamp,
    pub(super) gate: Option<String>,
}

/// The admission of a ticket that stands, if it is in.
pub(super) async fn standing(
    conn: &mut PgConnection,
    ticket_id: TicketId,
) -> sqlx::Result<Option<Standing>> {
    sqlx::query_as!(
        Standing,
        "select scanned_at, gate from check_in where ticket_id = $1 and result = 'admitted' and undone_at is null",
        ticket_id as _
    )
    .fetch_optional(conn)
    .await
}

/// Takes the standing admission of a ticket back; the id of the scan it was.
pub(super) async fn undo(
    conn: &mut PgConnection,
    cx: &Cx,
    ticket_id: TicketId,
) -> sqlx::Result<Option<CheckInId>> {
    sqlx::query_scalar!(
        "update check_in set undone_at = $2
         where ticket_id = $1 and result = 'admitted' and undone_at is null returning id",
        ticket_id as _,
        cx.now as _
    )
    .fetch_optional(conn)
    .await
}

/// How many are in and how many may come.
pub(super) async fn counts(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<DoorCounts> {
    sqlx::query_as!(
        DoorCounts,
        r#"select count(*) as "expected!", count(check_in.id) as "admitted!"
           from ticket left join check_in on check_in.ticket_id = ticket.id
             and check_in.result = 'admitted' and check_in.undone_at is null
           where ticket.event_id = $1 and ticket.status = 'valid'"#,
        event_id as _
    )
    .fetch_one(conn)
    .await
}

/// [`counts`] of one ticket type.
pub(super) struct TypeCounts {
    pub(super) name: String,
    pub(super) admitted: i64,
    pub(super) expected: i64,
}

/// How many are in and how many may come, by ticket type.
pub(super) async fn counts_by_type(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<TypeCounts>> {
    sqlx::query_as!(
        TypeCounts,
        r#"select ticket_type.name, count(ticket.id) as "expected!", count(check_in.id) as "admitted!"
           from ticket_type
             left join ticket on ticket.ticket_type_id = ticket_type.id and ticket.status = 'valid'
             left join check_in on check_in.ticket_id = ticket.id
               and check_in.result = 'admitted' and check_in.undone_at is null
           where ticket_type.event_id = $1
           group by ticket_type.id
           having ticket_type.archived_at is null or count(ticket.id) > 0
           order by ticket_type.position, ticket_type.id"#,
        event_id as _
    )
    .fetch_all(conn)
    .await
}

/// A scan that was written down.
pub(super) struct PastScan {
    pub(super) scanned_at: Timestamp,
    pub(super) undone_at: Option<Timestamp>,
    pub(super) result: CheckInResult,
    pub(super) gate: Option<String>,
    pub(super) device: Option<String>,
    pub(super) ticket_id: TicketId,
    pub(super) ticket_type: String,
    pub(super) attendee_name: Option<Untrusted>,
    pub(super) buyer_name: Untrusted,
}

/// The latest scans at the door of an event, latest first.
pub(super) async fn latest(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<PastScan>> {
    sqlx::query_as!(
        PastScan,
        r#"select check_in.scanned_at, check_in.undone_at, check_in.result, check_in.gate, check_in.device,
             ticket.id as ticket_id, ticket_type.name as ticket_type, ticket.attendee_name, orders.buyer_name
           from check_in
             join ticket on ticket.id = check_in.ticket_id
             join ticket_type on ticket_type.id = ticket.ticket_type_id
             join orders on orders.id = ticket.order_id
           where check_in.event_id = $1
           order by check_in.scanned_at desc, check_in.id desc limit 10"#,
        event_id as _
    )
    .fetch_all(conn)
    .await
}

/// How many scans at the door of an event let nobody in.
pub(super) async fn refusals(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from check_in where event_id = $1 and result <> 'admitted'"#,
        event_id as _
    )
    .fetch_one(conn)
    .await
}

/// The ticket type a caller means, among all an event ever had.
pub(super) async fn resolve_type(
    conn: &mut PgConnection,
    event_id: EventId,
    reference: &Reference<TicketTypeId>,
) -> Result<TicketTypeId, LookupError> {
    let given = reference.to_string();
    let hits = sqlx::query!(
        "select id, name from ticket_type where event_id = $1 order by position, id",
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let hits = hits.into_iter().map(|row| Hit {
        exact: match reference {
            Reference::Id(id) => *id == row.id,
            Reference::Name(name) => row.name.to_lowercase() == name.to_lowercase(),
        },
        id: row.id,
        label: row.name,
    });
    the_one("ticket type", &given, &hits.collect::<Vec<_>>())
}

/// Which attendees are wanted.
pub(super) struct Filter<'a> {
    pub(super) event_id: EventId,
    pub(super) query: Option<&'a str>,
    /// The query as an order number, if it is one.
    pub(super) number: Option<&'a str>,
    /// Whether names and addresses are searched, or order numbers only.
    pub(super) personal: bool,
    pub(super) ticket_type_id: Option<TicketTypeId>,
    pub(super) checked_in: Option<bool>,
    pub(super) page: PageRequest,
}

/// A valid ticket with its holder.
pub(super) struct AttendeeRow {
    pub(super) ticket_id: TicketId,
    pub(super) attendee_name: Option<Untrusted>,
    pub(super) attendee_email: Option<EmailAddress>,
    pub(super) buyer_name: Untrusted,
    pub(super) buyer_email: EmailAddress,
    pub(super) ticket_type: String,
    pub(super) seat: Option<String>,
    pub(super) order_number: String,
    pub(super) scanned_at: Option<Timestamp>,
    pub(super) gate: Option<String>,
}

/// Holders of valid tickets by name; the buyer's name stands in where no other is given.
pub(super) async fn attendees(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
) -> sqlx::Result<Vec<AttendeeRow>> {
    let (_, after) = filter.page.after();
    sqlx::query_as!(
        AttendeeRow,
        r#"select ticket.id as ticket_id, ticket.attendee_name, ticket.attendee_email, orders.buyer_name,
             orders.buyer_email, ticket_type.name as ticket_type, orders.number as order_number,
             (select seat_name(c.seat_id) from seat_claim c where c.ticket_id = ticket.id) as seat,
             check_in.scanned_at as "scanned_at?", check_in.gate as "gate?"
           from ticket
             join orders on orders.id = ticket.order_id
             join ticket_type on ticket_type.id = ticket.ticket_type_id
             left join check_in on check_in.ticket_id = ticket.id
               and check_in.result = 'admitted' and check_in.undone_at is null
           where ticket.event_id = $1 and ticket.status = 'valid'
             and ($2::text is null or orders.number = $8
                  or $3 and (ticket.search_text like '%' || search_form($2) || '%'
                    or orders.search_text like '%' || search_form($2) || '%'
                    or word_similarity(search_form($2), ticket.search_text) > 0.5
                    or word_similarity(search_form($2), orders.search_text) > 0.5))
             and ($4::uuid is null or ticket.ticket_type_id = $4)
             and ($5::boolean is null or (check_in.id is not null) = $5)
             and ($6::uuid is null
                  or (search_form(coalesce(ticket.attendee_name, orders.buyer_name)), ticket.id)
                     > (select search_form(coalesce(t.attendee_name, o.buyer_name)), t.id
                        from ticket t join orders o on o.id = t.order_id where t.id = $6))
           order by search_form(coalesce(ticket.attendee_name, orders.buyer_name)), ticket.id
           limit $7"#,
        filter.event_id as _,
        filter.query,
        filter.personal,
        filter.ticket_type_id as _,
        filter.checked_in,
        after,
        filter.page.fetch(),
        filter.number,
    )
    .fetch_all(conn)
    .await
}
