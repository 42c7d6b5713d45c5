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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_ins::CheckIn,
        permission::Role,
        testing::{Scene, assert_refused, buying, selling},
    };

    #[tokio::test]
    async fn counts_by_type_and_shows_the_last_scans_masked() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        scene
            .run(selling(event.id, "Backstage", 0, 5))
            .await
            .unwrap();
        let order = scene.order(event.id, 2).await;
        scene.run(buying(event.id, "Backstage", 1)).await.unwrap();
        for _ in 0..2 {
            let scan = CheckIn {
                ticket: order.tickets[0].id.into(),
                event: None,
                gate: Some("North".parse().unwrap()),
                device: Some("phone 1".parse().unwrap()),
            };
            scene.run(scan).await.unwrap();
        }
        let command = GetDoorStatus {
            event: event.id.into(),
        };
        let viewer = scene.as_role(Role::Viewer);
        let status = scene.app.run(&viewer, command).await.unwrap();
        assert_eq!((status.counts.admitted, status.counts.expected), (1, 3));
        let by_type: Vec<_> = status
            .by_type
            .iter()
            .map(|t| (t.ticket_type.as_str(), t.admitted, t.expected))
            .collect();
        assert_eq!(by_type, [("Regular", 1, 2), ("Backstage", 0, 1)]);
        assert_eq!(status.refused_count, 1);
        let results: Vec<_> = status.last_scans.iter().map(|s| s.result).collect();
        assert_eq!(results.len(), 2);
        assert!(results.contains(&CheckInResult::AlreadyCheckedIn));
        let scan = &status.last_scans[0];
        assert_eq!(scan.attendee.as_str(), "A… L…");
        assert_eq!(scan.at.to_string(), "2027-01-11T10:00");
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let command = GetDoorStatus {
            event: event.id.into(),
        };
        assert_refused(scene.app.run(&other, command).await, "not_found");
    }
}
