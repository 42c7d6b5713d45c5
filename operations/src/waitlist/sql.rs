//! Every query on `waitlist_entry`.

use domain::{
    Cx, EmailAddress, EventId, HoldId, Name, PageRequest, TicketTypeId, Timestamp, WaitlistEntryId,
};
use sqlx::PgConnection;

use super::model::{EntryRow, WaitlistStatus};
use crate::lookup::LookupError;

/// Selects entries as [`EntryRow`]; the text behind it starts with `where`. What became of an offer is read from its hold.
macro_rules! select_entries {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            EntryRow,
            r#"select e.id, e.event_id, event.title as event_title, event.zone as "zone: domain::Zone", e.ticket_type_id,
                 t.name as "ticket_type: String", e.quantity, e.name, e.email, e.priority,
                 case when e.status = 'offered' and h.status = 'ordered' then 'bought'
                      when e.status = 'offered' and h.status <> 'live' then 'lapsed'
                      else e.status end as "status!: WaitlistStatus",
                 e.passed_over, e.joined_at, e.hold_id, h.currency as "currency?: domain::Currency",
                 h.total_amount as "total_amount?", h.expires_at as "expires_at?",
                 h.order_id as "order_id?: domain::OrderId"
               from waitlist_entry e join event on event.id = e.event_id join ticket_type t on t.id = e.ticket_type_id
                 left join hold h on h.id = e.hold_id "# + $rest
            $(, $argument)*
        )
    };
}

/// The entry of an id.
pub(super) async fn get(
    conn: &mut PgConnection,
    id: WaitlistEntryId,
) -> Result<EntryRow, LookupError> {
    let found = select_entries!("where e.id = $1", id as _)
        .fetch_optional(conn)
        .await?;
    found.ok_or_else(|| LookupError::NotFound {
        noun: "entry",
        given: id.to_string(),
        candidates: Vec::new(),
    })
}

/// The entry that an address has open for a ticket type.
pub(super) async fn find_open(
    conn: &mut PgConnection,
    ticket_type_id: TicketTypeId,
    email: &EmailAddress,
) -> sqlx::Result<Option<EntryRow>> {
    select_entries!(
        "where e.ticket_type_id = $1 and lower(e.email) = lower($2) and e.status in ('waiting', 'offered')",
        ticket_type_id as _,
        email.as_str()
    )
    .fetch_optional(conn)
    .await
}

/// Which entries are listed.
pub(super) struct Filter {
    pub(super) event_id: EventId,
    pub(super) ticket_type_id: Option<TicketTypeId>,
    pub(super) status: Option<WaitlistStatus>,
    pub(super) page: PageRequest,
}

/// Entries in the order in which they are served.
pub(super) async fn list(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Vec<EntryRow>> {
    let (_, id) = filter.page.after();
    select_entries!(
        "where e.event_id = $1 and ($2::uuid is null or e.ticket_type_id = $2)
           and ($3::text is null or $3 = case when e.status = 'offered' and h.status = 'ordered' then 'bought'
                                              when e.status = 'offered' and h.status <> 'live' then 'lapsed'
                                              else e.status end)
           and ($4::uuid is null or (- e.priority, e.joined_at, e.id)
                  > (select - priority, joined_at, id from waitlist_entry where id = $4))
         order by e.priority desc, e.joined_at, e.id limit $5",
        filter.event_id as _,
        filter.ticket_type_id as _,
        filter.status as _,
        id,
        filter.page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// The most entries that are looked at in one go.
pub(super) const MOST: i64 = 1_000;

/// Those who wait for something of an event, in their turn.
pub(super) async fn in_turn(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<EntryRow>> {
    select_entries!(
        "where e.event_id = $1 and e.status = 'waiting' order by e.priority desc, e.joined_at, e.id limit $2",
        event_id as _,
        MOST
    )
    .fetch_all(conn)
    .await
}

/// What people of an event wait for that is off the list of ticket types or no longer sold: how many wait for which.
pub(super) async fn waiting_by_type(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<(TicketTypeId, String, i64)>> {
    let rows = sqlx::query!(
        r#"select t.id, t.name as "name: String", count(*) as "count!"
           from waitlist_entry e join ticket_type t on t.id = e.ticket_type_id
           where e.event_id = $1 and e.status = 'waiting' group by t.id order by t.position, t.id"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| (row.id, row.name, row.count));
    Ok(rows.collect())
}

/// The events that people wait for or have offers of, by id; all, or one.
pub(super) async fn events(
    conn: &mut PgConnection,
    only: Option<EventId>,
) -> sqlx::Result<Vec<EventId>> {
    sqlx::query_scalar!(
        "select id from event where ($1::uuid is null or id = $1) and exists (
           select from waitlist_entry e where e.event_id = event.id and e.status in ('waiting', 'offered'))
         order by id",
        only as _
    )
    .fetch_all(conn)
    .await
}

/// What a new entry needs.
pub(super) struct NewEntry<'a> {
    pub(super) id: WaitlistEntryId,
    pub(super) event_id: EventId,
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) quantity: i32,
    pub(super) name: &'a Name,
    pub(super) email: &'a EmailAddress,
}

/// Adds somebody who waits. The event must be locked.
pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    entry: &NewEntry<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into waitlist_entry (organization_id, id, event_id, ticket_type_id, quantity, name, email, status, joined_at)
         values ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8)",
        cx.organization_id as _,
        entry.id as _,
        entry.event_id as _,
        entry.ticket_type_id as _,
        entry.quantity,
        entry.name.as_str(),
        entry.email.as_str(),
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what became of the offers of an event, which is locked; those that were not taken.
pub(super) async fn settle(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
) -> sqlx::Result<Vec<EntryRow>> {
    let lapsed = sqlx::query_scalar!(
        r#"update waitlist_entry e
           set status = case hold.status when 'ordered' then 'bought' else 'lapsed' end, ended_at = coalesce(hold.ended_at, $2)
           from hold where hold.id = e.hold_id and e.event_id = $1 and e.status = 'offered' and hold.status <> 'live'
           returning case when e.status = 'lapsed' then e.id end as "id: WaitlistEntryId""#,
        event_id as _,
        cx.now as _
    )
    .fetch_all(&mut *conn)
    .await?;
    let lapsed: Vec<WaitlistEntryId> = lapsed.into_iter().flatten().collect();
    if lapsed.is_empty() {
        return Ok(Vec::new());
    }
    select_entries!("where e.id = any($1) order by e.id", &lapsed as _)
        .fetch_all(conn)
        .await
}

/// Writes down to whom places are offered, each with the hold.
pub(super) async fn offer(
    conn: &mut PgConnection,
    cx: &Cx,
    offered: &[(WaitlistEntryId, HoldId)],
) -> sqlx::Result<()> {
    let (ids, holds): (Vec<WaitlistEntryId>, Vec<HoldId>) = offered.iter().copied().unzip();
    sqlx::query!(
        "update waitlist_entry e set status = 'offered', hold_id = new.hold_id, offered_at = $3
         from unnest($1::uuid[], $2::uuid[]) as new (id, hold_id) where e.id = new.id and e.status = 'waiting'",
        ids as _,
        holds as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down how often people were passed over.
pub(super) async fn pass_over(
    conn: &mut PgConnection,
    passed: &[(WaitlistEntryId, i32)],
) -> sqlx::Result<()> {
    let (ids, times): (Vec<WaitlistEntryId>, Vec<i32>) = passed.iter().copied().unzip();
    sqlx::query!(
        "update waitlist_entry e set passed_over = new.times
         from unnest($1::uuid[], $2::integer[]) as new (id, times) where e.id = new.id",
        ids as _,
        &times,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes somebody off the list, whose event is locked.
pub(super) async fn leave(
    conn: &mut PgConnection,
    at: Timestamp,
    id: WaitlistEntryId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update waitlist_entry set status = 'left', ended_at = $2 where id = $1 and status in ('waiting', 'offered')",
        id as _,
        at as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves somebody up or down.
pub(super) async fn prioritize(
    conn: &mut PgConnection,
    id: WaitlistEntryId,
    priority: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update waitlist_entry set priority = $2 where id = $1",
        id as _,
        priority
    )
    .execute(conn)
    .await?;
    Ok(())
}
