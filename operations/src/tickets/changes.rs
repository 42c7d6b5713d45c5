//! What can happen to one ticket.

use domain::{Change, EventId, OrderId, Subject, TicketId, TicketTypeId};
use serde::Serialize;

/// A ticket no longer admits; its place is free again.
#[derive(Debug, Serialize)]
pub struct TicketVoided {
    pub(super) ticket_id: TicketId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) ticket_type: String,
    pub(super) order_id: OrderId,
    pub(super) order_number: String,
}

impl Change for TicketVoided {
    const KIND: &'static str = "ticket.voided";
    fn subject(&self) -> Subject {
        self.ticket_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Voids one {:?} ticket of order {} for {:?}; the place can be sold again, the order's total stays",
            self.ticket_type, self.order_number, self.event_title
        )
    }
}
