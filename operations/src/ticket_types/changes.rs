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

/// Ticket types are sold one after the other from now on.
#[derive(Debug, Serialize)]
pub struct TiersSet {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    /// In the order in which they are sold.
    pub(super) tiers: Vec<String>,
    /// How many tickets of them were sold before.
    pub(super) sold_count: i32,
}

impl Change for TiersSet {
    const KIND: &'static str = "ticket_type.tiers_set";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let title = &self.event_title;
        match &self.tiers[..] {
            [alone] => format!("Sells {alone:?} for {title:?} by itself"),
            tiers => format!(
                "Sells tickets for {title:?} one tier after the other: {}",
                tiers.join(", then ")
            ),
        }
    }
}

/// A ticket type is an add-on to others from now on, or is sold by itself.
#[derive(Debug, Serialize)]
pub struct AddOnSet {
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) name: String,
    /// What it is sold with; nothing when by itself.
    pub(super) to: Vec<String>,
    /// The most for each of those.
    pub(super) per_ticket: Option<i32>,
    /// How many of it were sold before.
    pub(super) sold_count: i32,
}

impl Change for AddOnSet {
    const KIND: &'static str = "ticket_type.add_on_set";
    fn subject(&self) -> Subject {
        self.ticket_type_id.into()
    }
    fn summary(&self) -> String {
        let (name, title) = (&self.name, &self.event_title);
        match self.per_ticket {
            None => format!("Sells {name:?} for {title:?} by itself"),
            Some(most) => format!(
                "Sells {name:?} for {title:?} only with {}, at most {most} for each",
                self.to.join(" or ")
            ),
        }
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
