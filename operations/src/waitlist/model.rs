//! An entry of the waiting list as callers see it.

use domain::{
    Cx, EmailAddress, EventId, HoldId, LocalTime, Money, OrderId, TicketTypeId, Timestamp,
    Untrusted, WaitlistEntryId, Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people;

domain::text_enum! {
    /// The state of an entry of the waiting list.
    pub enum WaitlistStatus {
        /// No places were offered yet.
        Waiting = "waiting",
        /// Places are held for them.
        Offered = "offered",
        /// They ordered what was offered.
        Bought = "bought",
        /// They did not take the offer in time.
        Lapsed = "lapsed",
        /// They do not want any more.
        Left = "left",
    }
}

domain::sqlx_as_text!(WaitlistStatus);

/// Places held for somebody who waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlacesOffer {
    /// The hold, which `place_order` takes.
    pub hold_id: HoldId,
    /// What an order of it costs.
    pub total: Money,
    /// Until when.
    pub until: Timestamp,
    /// Until when, on the clock at the event.
    pub until_local: LocalTime,
    /// Where that clock is.
    pub zone: Zone,
}

/// Somebody, or a group, who waits for a ticket type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitlistEntry {
    /// Its id.
    pub id: WaitlistEntryId,
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub event_title: String,
    /// What they wait for.
    pub ticket_type_id: TicketTypeId,
    /// What that is called.
    pub ticket_type: String,
    /// How many come together.
    pub quantity: i32,
    /// Who waits.
    pub name: Untrusted,
    /// Their address.
    pub email: Untrusted,
    /// Who has more comes first.
    pub priority: i32,
    /// How far they have come.
    pub status: WaitlistStatus,
    /// How often places that were too few for them went to somebody behind.
    pub passed_over: i32,
    /// Since when they wait.
    pub joined_at: Timestamp,
    /// What they were offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<PlacesOffer>,
    /// What they ordered of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

/// A row of `waitlist_entry` with what became of its offer.
#[derive(Debug, Clone)]
pub(super) struct EntryRow {
    pub(super) id: WaitlistEntryId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) zone: Zone,
    pub(super) ticket_type_id: TicketTypeId,
    pub(super) ticket_type: String,
    pub(super) quantity: i32,
    pub(super) name: Untrusted,
    pub(super) email: EmailAddress,
    pub(super) priority: i32,
    pub(super) status: WaitlistStatus,
    pub(super) passed_over: i32,
    pub(super) joined_at: Timestamp,
    pub(super) hold_id: Option<HoldId>,
    pub(super) currency: Option<domain::Currency>,
    pub(super) total_amount: Option<i64>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) order_id: Option<OrderId>,
}

impl EntryRow {
    /// As the caller may see it.
    pub(super) fn seen(self, cx: &Cx) -> WaitlistEntry {
        WaitlistEntry {
            offer: self.offer(),
            id: self.id,
            event_id: self.event_id,
            event_title: self.event_title,
            ticket_type_id: self.ticket_type_id,
            ticket_type: self.ticket_type,
            quantity: self.quantity,
            name: people::name_for(cx, &self.name),
            email: people::email_for(cx, &self.email),
            priority: self.priority,
            status: self.status,
            passed_over: self.passed_over,
            joined_at: self.joined_at,
            order_id: self.order_id,
        }
    }

    fn offer(&self) -> Option<PlacesOffer> {
        let until = self.expires_at?;
        Some(PlacesOffer {
            hold_id: self.hold_id?,
            total: Money::new(self.total_amount?, self.currency?),
            until,
            until_local: until.in_zone(&self.zone),
            zone: self.zone.clone(),
        })
    }
}
