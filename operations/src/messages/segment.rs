//! Segments: which people of an event a message goes to.

use domain::{EmailAddress, OrderId, Reference, TicketId, TicketTypeId, Untrusted};
use sqlx::PgConnection;

use super::sql;
use crate::lookup::{Hit, LookupError, the_one};

domain::text_enum! {
    /// Which people of an event.
    pub enum Segment {
        /// Everyone with a valid ticket.
        All = "all",
        /// Those who have been let in.
        CheckedIn = "checked_in",
        /// Those with a valid ticket who have not been let in.
        NotCheckedIn = "not_checked_in",
        /// Buyers of orders that are not paid yet.
        Unpaid = "unpaid",
    }
}

impl Segment {
    /// In words, for the person who confirms.
    pub(super) fn readable(self, ticket_type: Option<&str>) -> String {
        let who = match self {
            Self::All => "everyone with a ticket",
            Self::CheckedIn => "those who were let in",
            Self::NotCheckedIn => "those with a ticket who were not let in",
            Self::Unpaid => "buyers who have not paid",
        };
        match ticket_type {
            Some(name) => format!("{who}, {name:?} only"),
            None => who.to_owned(),
        }
    }
}

/// One person of a segment.
pub(super) struct Addressee {
    pub(super) address: EmailAddress,
    pub(super) name: Untrusted,
    pub(super) order_id: OrderId,
    pub(super) order_number: String,
    /// None for buyers who have not paid.
    pub(super) ticket_id: Option<TicketId>,
    pub(super) ticket_type: Option<String>,
}

/// The ticket type a caller means, among all an event ever had.
pub(super) async fn resolve_type(
    conn: &mut PgConnection,
    event_id: domain::EventId,
    reference: &Reference<TicketTypeId>,
) -> Result<(TicketTypeId, String), LookupError> {
    let types = sql::ticket_types(conn, event_id).await?;
    let hits = types.iter().map(|(id, name)| Hit {
        exact: match reference {
            Reference::Id(wanted) => wanted == id,
            Reference::Name(wanted) => wanted.to_lowercase() == name.to_lowercase(),
        },
        id: *id,
        label: name.clone(),
    });
    let id = the_one(
        "ticket type",
        &reference.to_string(),
        &hits.collect::<Vec<_>>(),
    )?;
    let name = types.into_iter().find(|(found, _)| *found == id);
    Ok((id, name.map(|(_, name)| name).unwrap_or_default()))
}
