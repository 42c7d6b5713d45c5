//! Every query on seat maps and on how events are seated.

use domain::{
    Cx, EventId, PageRequest, Reference, SeatId, SeatMapId, SeatSectionId, TicketTypeId, VenueId,
};
use sqlx::PgConnection;

use super::{
    model::{SeatMap, SeatRow},
    plan::{Planned, SectionPlan},
};
use crate::lookup::{Hit, LookupError, the_one};

/// Selects seat maps as [`SeatMap`]; the text behind it starts with `where`.
macro_rules! select_maps {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            SeatMap,
            r#"select seat_map.id, seat_map.name, seat_map.venue_id, venue.name as venue,
                 (select count(*) from seat where seat_map_id = seat_map.id) as "seat_count!",
                 (select count(*) from event_seating where seat_map_id = seat_map.id) as "event_count!"
               from seat_map join venue on venue.id = seat_map.venue_id "# + $rest
            $(, $argument)*
        )
    };
}

/// The map of an id.
pub(super) async fn map(conn: &mut PgConnection, id: SeatMapId) -> Result<SeatMap, LookupError> {
    let found = select_maps!("where seat_map.id = $1", id as _)
        .fetch_optional(conn)
        .await?;
    found.ok_or_else(|| LookupError::NotFound {
        noun: "seat map",
        given: id.to_string(),
        candidates: Vec::new(),
    })
}

/// The map a caller means: by id or exact name, of one venue if it is said.
pub(super) async fn resolve(
    conn: &mut PgConnection,
    reference: &Reference<SeatMapId>,
    venue: Option<VenueId>,
) -> Result<SeatMap, LookupError> {
    let id = match reference {
        Reference::Id(id) => *id,
        Reference::Name(name) => {
            let rows = sqlx::query!(
                r#"select seat_map.id, seat_map.name, venue.name as venue, lower(seat_map.name) = lower($1) as "exact!"
                   from seat_map join venue on venue.id = seat_map.venue_id
                   where $2::uuid is null or seat_map.venue_id = $2
                   order by similarity(search_form(seat_map.name), search_form($1)) desc, seat_map.name limit 5"#,
                name,
                venue as _
            )
            .fetch_all(&mut *conn)
            .await?;
            let hits = rows.into_iter().map(|row| Hit {
                id: row.id,
                label: format!("{}, {}", row.name, row.venue),
                exact: row.exact,
            });
            the_one("seat map", name, &hits.collect::<Vec<_>>())?
        }
    };
    map(conn, id).await
}

/// Maps by name, of one venue if it is said.
pub(super) async fn maps(
    conn: &mut PgConnection,
    venue: Option<VenueId>,
    page: PageRequest,
) -> sqlx::Result<Vec<SeatMap>> {
    let (_, after) = page.after();
    select_maps!(
        "where ($1::uuid is null or seat_map.venue_id = $1)
           and ($2::uuid is null or (lower(seat_map.name), seat_map.id) > (select lower(name), id from seat_map where id = $2))
         order by lower(seat_map.name), seat_map.id limit $3",
        venue as _,
        after,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// Adds a map without seats. Violates `seat_map_name_key` when the venue has one of that name.
pub(super) async fn insert_map(
    conn: &mut PgConnection,
    cx: &Cx,
    map: &SeatMap,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into seat_map (organization_id, id, venue_id, name, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)",
        cx.organization_id as _,
        map.id as _,
        map.venue_id as _,
        map.name,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives a map another name, and keeps it from others until the transaction ends.
pub(super) async fn rename_map(
    conn: &mut PgConnection,
    cx: &Cx,
    map: &SeatMap,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update seat_map set name = $2, updated_at = $3 where id = $1",
        map.id as _,
        map.name,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a map as it is until the transaction ends.
pub(super) async fn share_map(conn: &mut PgConnection, id: SeatMapId) -> sqlx::Result<()> {
    sqlx::query!(
        "select id from seat_map where id = $1 for key share",
        id as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Keeps a map from others until the transaction ends.
pub(super) async fn lock_map(conn: &mut PgConnection, id: SeatMapId) -> sqlx::Result<()> {
    sqlx::query!("select id from seat_map where id = $1 for update", id as _)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// Takes all seats out of a map that is locked, and that no event uses.
pub(super) async fn clear_map(conn: &mut PgConnection, id: SeatMapId) -> sqlx::Result<()> {
    sqlx::query!("delete from seat where seat_map_id = $1", id as _)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("delete from seat_section where seat_map_id = $1", id as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds the sections and seats of a map that has none.
pub(super) async fn insert_seats(
    conn: &mut PgConnection,
    cx: &Cx,
    map: SeatMapId,
    sections: &[SectionPlan],
    seats: &[Planned],
) -> sqlx::Result<()> {
    let section_ids: Vec<SeatSectionId> = sections.iter().map(|_| cx.new_id()).collect();
    sqlx::query!(
        "insert into seat_section (organization_id, seat_map_id, id, name, position)
         select $1, $2, id, name, position from unnest($3::uuid[], $4::text[]) with ordinality as new (id, name, position)",
        cx.organization_id as _,
        map as _,
        &section_ids as _,
        &sections.iter().map(|section| section.name.to_string()).collect::<Vec<_>>(),
    )
    .execute(&mut *conn)
    .await?;
    let ids: Vec<SeatId> = seats.iter().map(|_| cx.new_id()).collect();
    sqlx::query!(
        "insert into seat (organization_id, seat_map_id, id, section_id, row_label, row_position, label, position, kind, companion_of)
         select $1, $2, id, section_id, row_label, row_position, label, position, kind, companion_of
         from unnest($3::uuid[], $4::uuid[], $5::text[], $6::integer[], $7::text[], $8::integer[], $9::text[], $10::uuid[])
           as new (id, section_id, row_label, row_position, label, position, kind, companion_of)",
        cx.organization_id as _,
        map as _,
        &ids as _,
        seats.iter().map(|seat| section_ids[seat.section]).collect::<Vec<_>>() as _,
        &seats.iter().map(|seat| seat.row.clone()).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.row_position).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.label.clone()).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.position).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.kind.to_string()).collect::<Vec<_>>(),
        seats.iter().map(|seat| seat.companion_of.map(|at| ids[at])).collect::<Vec<_>>() as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The seats of a map in their order, as one event has taken them; of some sections only, if they are said.
pub(super) async fn seats(
    conn: &mut PgConnection,
    map: SeatMapId,
    event: Option<EventId>,
    sections: Option<&[SeatSectionId]>,
) -> sqlx::Result<Vec<SeatRow>> {
    sqlx::query_as!(
        SeatRow,
        r#"select seat.id, seat.section_id, section.name as section, section.position as section_position,
             seat.row_label, seat.row_position, seat.label, seat.position, seat.kind,
             claim.id is not null as "is_taken!", claim.id is not null and claim.ticket_type_id is null as "is_blocked!"
           from seat join seat_section section on section.id = seat.section_id
             left join seat_claim claim on claim.event_id = $2 and claim.seat_id = seat.id and claim.status = 'live'
           where seat.seat_map_id = $1 and ($3::uuid[] is null or seat.section_id = any($3))
           order by section.position, seat.row_position, seat.position"#,
        map as _,
        event as _,
        sections as _,
    )
    .fetch_all(conn)
    .await
}

/// The map that an event uses.
pub(super) async fn map_of(
    conn: &mut PgConnection,
    event: EventId,
) -> sqlx::Result<Option<SeatMapId>> {
    sqlx::query_scalar!(
        r#"select seat_map_id as "id: SeatMapId" from event_seating where event_id = $1"#,
        event as _
    )
    .fetch_optional(conn)
    .await
}

/// Lets nobody else look for the best available seats of an event until the transaction ends: all would find the same.
/// Whoever names seats goes on: their claims refer to the same row, which a stronger lock would keep from them.
pub(super) async fn take_turn(conn: &mut PgConnection, event: EventId) -> sqlx::Result<()> {
    sqlx::query!(
        "select event_id from event_seating where event_id = $1 for no key update",
        event as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Which sections the ticket types of an event sell, with their names in the order of the house.
pub(super) async fn sections_of(
    conn: &mut PgConnection,
    event: EventId,
) -> sqlx::Result<Vec<(TicketTypeId, SeatSectionId, String)>> {
    let rows = sqlx::query!(
        r#"select sold.ticket_type_id, sold.section_id, section.name
           from ticket_type_section sold join seat_section section on section.id = sold.section_id
           where sold.event_id = $1 order by section.position, sold.ticket_type_id"#,
        event as _
    )
    .fetch_all(conn)
    .await?;
    let sections = rows
        .into_iter()
        .map(|row| (row.ticket_type_id, row.section_id, row.name));
    Ok(sections.collect())
}

/// The sections of a map.
pub(super) async fn sections(
    conn: &mut PgConnection,
    map: SeatMapId,
) -> sqlx::Result<Vec<(SeatSectionId, String)>> {
    let rows = sqlx::query!(
        "select id, name from seat_section where seat_map_id = $1 order by position",
        map as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// How many live claims people have of a ticket type, or of a whole event.
pub(super) async fn claimed(
    conn: &mut PgConnection,
    event: EventId,
    kind: Option<TicketTypeId>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from seat_claim
           where event_id = $1 and ticket_type_id is not null and ($2::uuid is null or ticket_type_id = $2)
             and (status = 'live' or ticket_id is not null)"#,
        event as _,
        kind as _
    )
    .fetch_one(conn)
    .await
}

/// Gives an event, which is locked and of whose seats nobody has one, another map, or none.
pub(super) async fn set_map(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    map: Option<SeatMapId>,
) -> sqlx::Result<()> {
    // Blocks, and what holds had that came to nothing.
    sqlx::query!("delete from seat_claim where event_id = $1", event as _)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("delete from event_seating where event_id = $1", event as _)
        .execute(&mut *conn)
        .await?;
    if let Some(map) = map {
        sqlx::query!(
            "insert into event_seating (organization_id, event_id, seat_map_id) values ($1, $2, $3)",
            cx.organization_id as _,
            event as _,
            map as _
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Lets the ticket types of an event, which is locked, sell these sections and no others.
pub(super) async fn set_sections(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    map: SeatMapId,
    sold: &[(TicketTypeId, SeatSectionId)],
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from ticket_type_section where event_id = $1",
        event as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into ticket_type_section (organization_id, event_id, seat_map_id, ticket_type_id, section_id)
         select $1, $2, $3, ticket_type_id, section_id from unnest($4::uuid[], $5::uuid[]) as new (ticket_type_id, section_id)",
        cx.organization_id as _,
        event as _,
        map as _,
        sold.iter().map(|(kind, _)| *kind).collect::<Vec<_>>() as _,
        sold.iter().map(|(_, section)| *section).collect::<Vec<_>>() as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies the seating of an event to a copy of it at the same venue, whose ticket types have the names of the first;
/// never what was taken or blocked.
pub(crate) async fn copy(conn: &mut PgConnection, from: EventId, to: EventId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into event_seating (organization_id, event_id, seat_map_id)
         select s.organization_id, copy.id, s.seat_map_id
         from event_seating s join event copy on copy.id = $2 join seat_map m on m.id = s.seat_map_id
         where s.event_id = $1 and m.venue_id = copy.venue_id",
        from as _,
        to as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into ticket_type_section (organization_id, event_id, seat_map_id, ticket_type_id, section_id)
         select s.organization_id, seating.event_id, s.seat_map_id, new.id, s.section_id
         from event_seating seating
           join ticket_type_section s on s.event_id = $1 and s.seat_map_id = seating.seat_map_id
           join ticket_type old on old.id = s.ticket_type_id and old.archived_at is null
           join ticket_type new on new.event_id = $2 and lower(new.name) = lower(old.name) and new.archived_at is null
         where seating.event_id = $2",
        from as _,
        to as _
    )
    .execute(conn)
    .await?;
    Ok(())
}
