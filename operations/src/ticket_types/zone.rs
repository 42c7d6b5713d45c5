//! Sales windows follow their event into another zone, for [`crate::lifecycle`].

use domain::{Cx, EventId, Zone};
use sqlx::PgConnection;

use super::sql;

/// Moves the sales windows of an event's ticket types to another zone: the clock times stay, the instants follow.
/// There is nobody to ask about clock changes, so times that do not exist or exist twice are taken leniently.
///
/// A window that would have no length then (an hour that the clocks skip) is left out of the move; returns the names
/// of the ticket types concerned. The event is locked.
pub(crate) async fn rezone(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
    zone: &Zone,
) -> sqlx::Result<Vec<String>> {
    let mut without_length = Vec::new();
    for (id, name, starts, ends) in sql::windows(conn, event_id).await? {
        let starts_at = starts.map(|local| local.resolve_leniently(zone));
        let ends_at = ends.map(|local| local.resolve_leniently(zone));
        if matches!((starts_at, ends_at), (Some(starts), Some(ends)) if ends <= starts) {
            without_length.push(name);
        } else {
            sql::set_instants(conn, cx, id, starts_at, ends_at).await?;
        }
    }
    Ok(without_length)
}
