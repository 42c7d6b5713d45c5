//! What can happen to a hold. Nothing here says who buys.

use domain::{Change, EventId, HoldId, Money, Subject, Timestamp};
use serde::Serialize;

/// `1 place`, `2 places`.
fn places(count: i32) -> String {
    if count == 1 {
        "1 place".to_owned()
    } else {
        format!("{count} places")
    }
}

/// Places were set aside for somebody who buys.
#[derive(Debug, Serialize)]
pub struct HoldPlaced {
    pub(super) hold_id: HoldId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) ticket_count: i32,
    pub(super) total: Money,
    pub(super) expires_at: Timestamp,
}

impl Change for HoldPlaced {
    const KIND: &'static str = "hold.placed";
    fn subject(&self) -> Subject {
        self.hold_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Holds {} of {:?} while somebody buys",
            places(self.ticket_count),
            self.event_title
        )
    }
}

/// A hold got more time.
#[derive(Debug, Serialize)]
pub struct HoldExtended {
    pub(super) hold_id: HoldId,
    pub(super) event_id: EventId,
    pub(super) ticket_count: i32,
    pub(super) expires_at: Timestamp,
}

impl Change for HoldExtended {
    const KIND: &'static str = "hold.extended";
    fn subject(&self) -> Subject {
        self.hold_id.into()
    }
    fn summary(&self) -> String {
        format!("Holds {} for longer", places(self.ticket_count))
    }
}

/// The places of a hold were given back.
#[derive(Debug, Serialize)]
pub struct HoldReleased {
    pub(super) hold_id: HoldId,
    pub(super) event_id: EventId,
    pub(super) ticket_count: i32,
    /// Whether anybody is on the waiting list of the event.
    pub(super) is_waited_for: bool,
}

impl Change for HoldReleased {
    const KIND: &'static str = "hold.released";
    fn subject(&self) -> Subject {
        self.hold_id.into()
    }
    fn summary(&self) -> String {
        format!("Gives back {} that were held", places(self.ticket_count))
    }
}

/// The time of a hold was over; its places are free again.
#[derive(Debug, Serialize)]
pub struct HoldExpired {
    pub(super) hold_id: HoldId,
    pub(super) event_id: EventId,
    pub(super) ticket_count: i32,
    /// Whether anybody is on the waiting list of the event.
    pub(super) is_waited_for: bool,
}

impl Change for HoldExpired {
    const KIND: &'static str = "hold.expired";
    fn subject(&self) -> Subject {
        self.hold_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Frees {} that nobody ordered in time",
            places(self.ticket_count)
        )
    }
}
