//! Scans as callers see them.

use domain::{Cx, EventId, LocalTime, TicketId, Timestamp, Untrusted, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{events::EventStatus, people, tickets::TicketStatus};

domain::text_enum! {
    /// What a scan at the door came to.
    pub enum CheckInResult {
        /// Let in.
        Admitted = "admitted",
        /// Somebody was let in with this ticket before.
        AlreadyCheckedIn = "already_checked_in",
        /// The ticket is no longer valid.
        Void = "void",
        /// The ticket is for another event.
        WrongEvent = "wrong_event",
    }
}

domain::sqlx_as_text!(CheckInResult);

/// How full the house is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorCounts {
    /// Tickets let in.
    pub admitted: i64,
    /// Valid tickets.
    pub expected: i64,
}

/// When and where somebody was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Admission {
    /// On the clock at the event.
    pub at: LocalTime,
    /// Which door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
}

impl Admission {
    pub(super) fn new(at: Timestamp, gate: Option<String>, zone: &Zone) -> Self {
        Self {
            at: at.in_zone(zone),
            gate,
        }
    }

    /// `Thu 4 Feb 2027, 19:02 at "North"`.
    pub(super) fn readable(&self) -> String {
        let gate = self.gate.as_ref().map(|gate| format!(" at {gate:?}"));
        format!("{}{}", self.at.readable(), gate.unwrap_or_default())
    }
}

/// A ticket held out at the door, with what the person there needs to know.
#[derive(Debug, Clone)]
pub(super) struct HeldOut {
    pub(super) ticket_id: TicketId,
    pub(super) event_id: EventId,
    pub(super) status: TicketStatus,
    pub(super) ticket_type: String,
    pub(super) seat: Option<String>,
    pub(super) order_number: String,
    pub(super) attendee_name: Option<Untrusted>,
    pub(super) buyer_name: Untrusted,
}

impl HeldOut {
    /// Who holds the ticket, as the caller may see it; the buyer where nobody else is named.
    pub(super) fn attendee(&self, cx: &Cx) -> Untrusted {
        people::name_for(cx, self.attendee_name.as_ref().unwrap_or(&self.buyer_name))
    }
}

/// Whether the door of an event in this state is open at all.
pub(super) fn is_off(status: EventStatus) -> bool {
    matches!(status, EventStatus::Cancelled | EventStatus::Archived)
}
