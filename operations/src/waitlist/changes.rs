//! What can happen on a waiting list. Nothing here says who waits.

use domain::{
    Change, EventId, HoldId, LocalTime, Money, Subject, TicketTypeId, Timestamp, WaitlistEntryId,
};
use serde::Serialize;

use super::model::EntryRow;

/// What every change of an entry tells.
#[derive(Debug, Serialize)]
pub(super) struct Which {
    entry_id: WaitlistEntryId,
    event_id: EventId,
    event_title: String,
    ticket_type_id: TicketTypeId,
    ticket_type: String,
    quantity: i32,
}

impl Which {
    pub(super) fn of(entry: &EntryRow) -> Self {
        Self {
            entry_id: entry.id,
            event_id: entry.event_id,
            event_title: entry.event_title.clone(),
            ticket_type_id: entry.ticket_type_id,
            ticket_type: entry.ticket_type.clone(),
            quantity: entry.quantity,
        }
    }

    /// `2 "Regular" for "Spring Gala"`.
    fn readable(&self) -> String {
        let Self {
            quantity,
            ticket_type,
            event_title,
            ..
        } = self;
        format!("{quantity} {ticket_type:?} for {event_title:?}")
    }
}

/// Somebody waits.
#[derive(Debug, Serialize)]
pub struct WaitlistJoined {
    #[serde(flatten)]
    pub(super) which: Which,
}

impl Change for WaitlistJoined {
    const KIND: &'static str = "waitlist.joined";
    fn subject(&self) -> Subject {
        self.which.entry_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Puts somebody on the waiting list: {}",
            self.which.readable()
        )
    }
}

/// Somebody does not wait any more; what they were offered is free.
#[derive(Debug, Serialize)]
pub struct WaitlistLeft {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) had_offer: bool,
}

impl Change for WaitlistLeft {
    const KIND: &'static str = "waitlist.left";
    fn subject(&self) -> Subject {
        self.which.entry_id.into()
    }
    fn summary(&self) -> String {
        let offer = if self.had_offer {
            "; the places offered to them are free"
        } else {
            ""
        };
        format!(
            "Takes somebody off the waiting list: {}{offer}",
            self.which.readable()
        )
    }
}

/// An organizer moved somebody up or down.
#[derive(Debug, Serialize)]
pub struct WaitlistMoved {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) before: i32,
    pub(super) after: i32,
}

impl Change for WaitlistMoved {
    const KIND: &'static str = "waitlist.moved";
    fn subject(&self) -> Subject {
        self.which.entry_id.into()
    }
    fn summary(&self) -> String {
        let Self { before, after, .. } = self;
        format!(
            "Changes the priority on the waiting list from {before} to {after}: {}",
            self.which.readable()
        )
    }
}

/// Places are held for somebody who waited.
#[derive(Debug, Serialize)]
pub struct WaitlistOffered {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) hold_id: HoldId,
    pub(super) total: Money,
    pub(super) until: Timestamp,
    pub(super) until_local: LocalTime,
}

impl Change for WaitlistOffered {
    const KIND: &'static str = "waitlist.offered";
    fn subject(&self) -> Subject {
        self.which.entry_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Offers to the next on the waiting list, until {}: {}",
            self.until_local.readable(),
            self.which.readable()
        )
    }
}

/// An offer was not taken.
#[derive(Debug, Serialize)]
pub struct WaitlistLapsed {
    #[serde(flatten)]
    pub(super) which: Which,
}

impl Change for WaitlistLapsed {
    const KIND: &'static str = "waitlist.lapsed";
    fn subject(&self) -> Subject {
        self.which.entry_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Ends an offer that was not taken: {}",
            self.which.readable()
        )
    }
}
