//! The ticket as callers see it, and what a new one needs.

use domain::{
    Cx, EmailAddress, EventId, Name, OrderId, OrderItemId, TicketId, TicketTypeId, Timestamp,
    Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::code::TicketCode;
use crate::people::{email_for, name_for};

domain::text_enum! {
    /// The state of a ticket.
    pub enum TicketStatus {
        /// It admits.
        Valid = "valid",
        /// It no longer admits.
        Void = "void",
    }
}

domain::sqlx_as_text!(TicketStatus);

/// A right of admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The code on it; only its end for those who may not see personal data.
    pub code: String,
    /// Whether it admits.
    pub status: TicketStatus,
    /// Whether its holder was admitted.
    pub is_checked_in: bool,
    /// Its event.
    pub event_id: EventId,
    /// Its event's title.
    pub event_title: String,
    /// Its ticket type.
    pub ticket_type_id: TicketTypeId,
    /// Its ticket type's name, as it was bought.
    pub ticket_type: String,
    /// Its reserved seat, or the one it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// Its order.
    pub order_id: OrderId,
    /// Its order's number.
    pub order_number: String,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attendee_name: Option<Untrusted>,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attendee_email: Option<Untrusted>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it was made void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voided_at: Option<Timestamp>,
    /// Why it was made void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_reason: Option<String>,
}

/// A row of `ticket` with what it belongs to.
#[derive(Clone)]
pub(crate) struct TicketRow {
    pub(crate) id: TicketId,
    pub(crate) code: String,
    pub(crate) status: TicketStatus,
    pub(crate) is_checked_in: bool,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) ticket_type: String,
    pub(crate) seat: Option<String>,
    pub(crate) order_id: OrderId,
    pub(crate) order_number: String,
    pub(crate) attendee_name: Option<Untrusted>,
    pub(crate) attendee_email: Option<EmailAddress>,
    pub(crate) issued_at: Timestamp,
    pub(crate) voided_at: Option<Timestamp>,
    pub(crate) void_reason: Option<String>,
}

impl TicketRow {
    /// As the caller may see it.
    pub(crate) fn seen(self, cx: &Cx) -> Ticket {
        Ticket {
            id: self.id,
            code: TicketCode::stored(self.code).for_caller(cx),
            status: self.status,
            is_checked_in: self.is_checked_in,
            event_id: self.event_id,
            event_title: self.event_title,
            ticket_type_id: self.ticket_type_id,
            ticket_type: self.ticket_type,
            seat: self.seat,
            order_id: self.order_id,
            order_number: self.order_number,
            attendee_name: self.attendee_name.map(|name| name_for(cx, &name)),
            attendee_email: self.attendee_email.map(|email| email_for(cx, &email)),
            issued_at: self.issued_at,
            voided_at: self.voided_at,
            void_reason: self.void_reason,
        }
    }
}

/// Who will hold a ticket, as far as it is known.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Attendee {
    /// Their name.
    pub name: Option<Name>,
    /// Their e-mail address.
    pub email: Option<EmailAddress>,
}

impl Attendee {
    /// Who holds a ticket.
    pub(crate) fn of(ticket: &TicketRow) -> Self {
        let name = ticket.attendee_name.as_ref();
        Self {
            name: name.and_then(|name| name.as_str().parse().ok()),
            email: ticket.attendee_email.clone(),
        }
    }
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for Attendee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attendee(…)")
    }
}

/// A ticket to be issued.
pub(crate) struct NewTicket {
    pub(crate) row: TicketRow,
    pub(crate) order_item_id: OrderItemId,
}

/// What the tickets of an order have in common.
pub(crate) struct Bought<'a> {
    pub(crate) event_id: EventId,
    pub(crate) event_title: &'a str,
    pub(crate) order_id: OrderId,
    pub(crate) order_number: &'a str,
}

impl NewTicket {
    /// A ticket for an attendee of a line of an order, with a new code.
    pub(crate) fn of(
        cx: &Cx,
        bought: &Bought<'_>,
        (order_item_id, ticket_type_id, ticket_type): (OrderItemId, TicketTypeId, &str),
        attendee: Attendee,
    ) -> Self {
        let row = TicketRow {
            id: cx.new_id(),
            code: TicketCode::generate(cx).as_str().to_owned(),
            status: TicketStatus::Valid,
            is_checked_in: false,
            event_id: bought.event_id,
            event_title: bought.event_title.to_owned(),
            ticket_type_id,
            ticket_type: ticket_type.to_owned(),
            seat: None,
            order_id: bought.order_id,
            order_number: bought.order_number.to_owned(),
            attendee_name: attendee.name.map(|name| Untrusted::new(name.as_str())),
            attendee_email: attendee.email,
            issued_at: cx.now,
            voided_at: None,
            void_reason: None,
        };
        Self { row, order_item_id }
    }
}
