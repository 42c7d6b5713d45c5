//! What follows when an event gets another time or place.

use sqlx::PgConnection;

use crate::{
    events::{self, CreatedEvent, Event, Schedule},
    orders,
};

/// How many valid tickets were sold for another time or place than the event has now. Tells of a new venue that is
/// too small for them.
pub(super) async fn holders_moved(
    conn: &mut PgConnection,
    before: &Event,
    answer: &mut CreatedEvent,
) -> sqlx::Result<i64> {
    let after = &answer.event;
    let same_time = before.starts_at == after.starts_at && before.ends_at == after.ends_at;
    if same_time && before.venue == after.venue {
        return Ok(0);
    }
    let totals = orders::totals(conn, before.id, before.currency).await?;
    let tickets = totals.valid_tickets;
    let venue = after.venue.as_ref();
    let capacity = venue.and_then(|venue| venue.capacity).map(i64::from);
    if let (Some(venue), Some(capacity)) = (venue, capacity)
        && tickets > capacity
    {
        answer.warnings.push(format!(
            "{tickets} valid tickets are out, and {} has {capacity} places.",
            venue.name
        ));
    }
    Ok(tickets)
}

/// Tells of other events at the venue when place or time are new.
pub(super) async fn warn_of_overlaps(
    conn: &mut PgConnection,
    before: &Event,
    answer: &mut CreatedEvent,
) -> sqlx::Result<()> {
    let after = &answer.event;
    let same_time = before.starts_at == after.starts_at && before.ends_at == after.ends_at;
    let Some(venue) = after
        .venue
        .as_ref()
        .filter(|venue| !same_time || before.venue.as_ref() != Some(*venue))
    else {
        return Ok(());
    };
    let schedule = Schedule::derived(after.starts, after.ends, after.zone.clone());
    let others = events::overlapping(conn, venue.id, &schedule, Some(after.id)).await?;
    let warning = |title| format!("{title:?} is at {} at the same time.", venue.name);
    answer.warnings.extend(others.iter().map(warning));
    Ok(())
}
