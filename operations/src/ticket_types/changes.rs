//! What can happen to a ticket type.

use domain::{Change, EventId, Money, Subject, TicketTypeId};
use serde::Serialize;

use super::model::costs;
use crate::field_change::{FieldChange, describe};

/// A ticket type was added to an event.
#[derive(Debug, Serialize)]
pub struct TicketTypeCreated {
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) event_id: EventId,
    pub(super) name: String,
    pub(super) price: Money,
    /// How many there are, in words.
    pub(super) capacity: String,
}

impl Change for TicketTypeCreated {
    const KIND: &'static str = "ticket_type.created";
    fn subject(&self) -> Subject {
        self.ticket_type_id.into()
    }
    fn summary(&self) -> String {
        let costs = costs(self.price);
        format!(
            "Adds the ticket type {:?}: {costs}, {}",
            self.name, self.capacity
        )
    }
}

/// A ticket type's details changed.
#[derive(Debug, Serialize)]
pub struct TicketTypeUpdated {
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) event_id: EventId,
    pub(super) name: String,
    pub(super) changed: Vec<FieldChange>,
    /// How many tickets of it were sold before.
    pub(super) sold_count: i32,
}

impl Change for TicketTypeUpdated {
    const KIND: &'static str = "ticket_type.updated";
    fn subject(&self) -> Subject {
        self.ticket_type_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Changes the ticket type {:?}: {}",
            self.name,
            describe(&self.changed)
        )
    }
}

/// A ticket type is no longer sold.
#[derive(Debug, Serialize)]
pub struct TicketTypeArchived {
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) event_id: EventId,
    pub(super) name: String,
}

impl Change for TicketTypeArchived {
    const KIND: &'static str = "ticket_type.archived";
    fn subject(&self) -> Subject {
        self.ticket_type_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Takes the ticket type {:?} off sale; tickets already sold stay valid",
            self.name
        )
    }
}
