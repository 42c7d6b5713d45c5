//! `list_attendees`: who is expected, and who is in.

use domain::{
    Cursor, Cx, EventId, Page, PageRequest, Permission, Reference, TicketId, TicketTypeId,
    Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::Admission,
    sql::{self, AttendeeRow, Filter},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    people,
};

/// Holders of valid tickets of an event, by name, with who is checked in. `query` searches names, addresses and
/// order numbers and forgives typos; without the scope attendees:personal people are masked and only whole order
/// numbers are found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListAttendees {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Part of a name or address, or an order number.
    pub query: Option<String>,
    /// Only this ticket type: id or exact name.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// Only those who are in, or only those who are not.
    pub checked_in: Option<bool>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

/// The holder of a valid ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attendee {
    /// The ticket's id; `check_in` takes it.
    pub ticket_id: TicketId,
    /// Who holds the ticket; the buyer where no other name was given.
    pub name: Untrusted,
    /// Their address; the buyer's where no other was given.
    pub email: Untrusted,
    /// The ticket type.
    pub ticket_type: String,
    /// The order it came with.
    pub order_number: String,
    /// Whether they are in.
    pub checked_in: bool,
    /// When and where they came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
}

impl Operation for ListAttendees {
    const NAME: &'static str = "list_attendees";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AttendeesRead;
    type Output = Page<Attendee>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Attendee>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let ticket_type_id = match &self.ticket_type {
            Some(reference) => Some(sql::resolve_type(tx.conn(), event.id, reference).await?),
            None => None,
        };
        let filter = Filter {
            event_id: event.id,
            query: self
                .query
                .as_deref()
                .map(str::trim)
                .filter(|q| !q.is_empty()),
            personal: cx.may(Permission::AttendeesPersonal),
            ticket_type_id,
            checked_in: self.checked_in,
            page: self.page,
        };
        let rows = sql::attendees(tx.conn(), &filter).await?;
        let rows = rows.into_iter().map(|row| seen(cx, &event, row)).collect();
        Ok(Page::cut(rows, self.page, |attendee: &Attendee| Cursor {
            key: 0,
            id: attendee.ticket_id.into(),
        }))
    }
}

fn seen(cx: &Cx, event: &Event, row: AttendeeRow) -> Attendee {
    let name = row.attendee_name.unwrap_or(row.buyer_name);
    let email = row.attendee_email.unwrap_or(row.buyer_email);
    let admission = row
        .scanned_at
        .map(|at| Admission::new(at, row.gate, &event.zone));
    Attendee {
        ticket_id: row.ticket_id,
        name: people::name_for(cx, &name),
        email: people::email_for(cx, &email),
        ticket_type: row.ticket_type,
        order_number: row.order_number,
        checked_in: admission.is_some(),
        admission,
    }
}
