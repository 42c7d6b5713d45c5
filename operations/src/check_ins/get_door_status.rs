//! `get_door_status`: how full the house is, and what the scanners saw last.

use domain::{Cx, EventId, LocalTime, Permission, Reference, TicketId, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{CheckInResult, DoorCounts},
    sql::{self, PastScan},
};
use crate::{App, Effect, Operation, events, lookup::LookupError, people};

/// How many are in and how many are expected, by ticket type, with the last ten scans.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetDoorStatus {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

/// The state of the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorStatus {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub title: String,
    /// When it takes place.
    pub when: String,
    /// How full the house is.
    pub counts: DoorCounts,
    /// The same by ticket type.
    pub by_type: Vec<TypeStatus>,
    /// Scans that let nobody in.
    pub refused_count: i64,
    /// The last scans, latest first.
    pub last_scans: Vec<RecentScan>,
}

/// One ticket type at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypeStatus {
    /// The ticket type.
    pub ticket_type: String,
    /// Tickets let in.
    pub admitted: i64,
    /// Valid tickets.
    pub expected: i64,
}

/// A scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecentScan {
    /// On the clock at the event.
    pub at: LocalTime,
    /// What it came to.
    pub result: CheckInResult,
    /// Whether it was undone.
    pub undone: bool,
    /// The ticket.
    pub ticket_id: TicketId,
    /// Who holds it, or who bought it.
    pub attendee: Untrusted,
    /// Its ticket type.
    pub ticket_type: String,
    /// Which door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Which scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub device: Option<String>,
}

impl Operation for GetDoorStatus {
    const NAME: &'static str = "get_door_status";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AttendeesRead;
    type Output = DoorStatus;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<DoorStatus, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let by_type = sql::counts_by_type(tx.conn(), event.id).await?;
        let seen = |scan: PastScan| RecentScan {
            at: scan.scanned_at.in_zone(&event.zone),
            result: scan.result,
            undone: scan.undone_at.is_some(),
            ticket_id: scan.ticket_id,
            attendee: people::name_for(cx, scan.attendee_name.as_ref().unwrap_or(&scan.buyer_name)),
            ticket_type: scan.ticket_type,
            gate: scan.gate,
            device: scan.device,
        };
        let last_scans = sql::latest(tx.conn(), event.id).await?;
        let by_type = by_type.into_iter().map(|row| TypeStatus {
            ticket_type: row.name,
            admitted: row.admitted,
            expected: row.expected,
        });
        Ok(DoorStatus {
            event_id: event.id,
            counts: sql::counts(tx.conn(), event.id).await?,
            by_type: by_type.collect(),
            refused_count: sql::refusals(tx.conn(), event.id).await?,
            last_scans: last_scans.into_iter().map(seen).collect(),
            title: event.title,
            when: event.when,
        })
    }
}
