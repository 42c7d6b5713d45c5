//! `undo_check_in`: a scan that was a mistake.

use domain::{Cx, Facts, Fault, FaultSpec, Name, Permission, Reference, TicketId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::CheckInUndone,
    check_in::{CheckInError, held_out},
    model::DoorCounts,
    sql,
};
use crate::{App, Effect, Operation, events};

/// Take back the admission of a ticket, so that it can be let in again. The scans stay on record.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UndoCheckIn {
    /// Ticket: its code or id.
    pub ticket: Reference<TicketId>,
    /// Why, for the audit trail; no names or addresses.
    pub reason: Option<Name>,
}

/// A ticket that is not in (any more).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndoneCheckIn {
    /// The ticket's id.
    pub ticket_id: TicketId,
    /// Whether it was in before.
    pub undone: bool,
    /// How full the house is now.
    pub counts: DoorCounts,
}

impl Operation for UndoCheckIn {
    const NAME: &'static str = "undo_check_in";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::CheckInsWrite;
    type Output = UndoneCheckIn;
    type Error = UndoCheckInError;

    async fn run(self, app: &App, cx: &Cx) -> Result<UndoneCheckIn, UndoCheckInError> {
        let mut tx = app.store().write(cx).await?;
        let ticket = held_out(&mut tx, &self.ticket).await?;
        let undone = sql::undo(tx.conn(), cx, ticket.ticket_id).await?;
        let answer = UndoneCheckIn {
            ticket_id: ticket.ticket_id,
            undone: undone.is_some(),
            counts: sql::counts(tx.conn(), ticket.event_id).await?,
        };
        let Some(check_in_id) = undone else {
            return Ok(tx.unchanged(answer).await?);
        };
        let event = events::get(tx.conn(), cx, ticket.event_id)
            .await
            .map_err(CheckInError::from)?;
        let change = CheckInUndone {
            check_in_id,
            ticket_id: ticket.ticket_id,
            event_id: event.id,
            event: event.title,
            reason: self.reason.map(|reason| reason.to_string()),
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `undo_check_in` refuses: as `check_in` does when it cannot find the ticket.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct UndoCheckInError(#[from] CheckInError);

impl Fault for UndoCheckInError {
    fn specs() -> Vec<FaultSpec> {
        let found = |spec: &FaultSpec| spec.code.starts_with("ticket_");
        CheckInError::specs().into_iter().filter(found).collect()
    }

    fn facts(&self) -> Facts {
        self.0.facts()
    }
}

impl From<StoreError> for UndoCheckInError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<sqlx::Error> for UndoCheckInError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check_ins::CheckIn,
        permission::Role,
        testing::{Scene, assert_refused},
        tickets::Ticket,
    };

    fn undoing(ticket: &Ticket) -> UndoCheckIn {
        UndoCheckIn {
            ticket: ticket.code.parse().unwrap(),
            reason: Some("wrong person".parse().unwrap()),
        }
    }

    async fn inside(scene: &Scene) -> Ticket {
        let (event, _) = scene.on_sale(0, 10).await;
        let ticket = scene.order(event.id, 1).await.tickets.remove(0);
        assert!(scene.run(entering(&ticket)).await.unwrap().admitted);
        ticket
    }

    fn entering(ticket: &Ticket) -> CheckIn {
        CheckIn {
            ticket: ticket.id.into(),
            event: None,
            gate: None,
            device: None,
        }
    }

    #[tokio::test]
    async fn frees_a_ticket_to_be_admitted_again() {
        let scene = Scene::new().await;
        let ticket = inside(&scene).await;
        let undone = scene.run(undoing(&ticket)).await.unwrap();
        assert!(undone.undone);
        assert_eq!((undone.counts.admitted, undone.counts.expected), (0, 1));
        let count = scene.changes().await.len();
        assert!(!scene.run(undoing(&ticket)).await.unwrap().undone);
        let changes = scene.changes().await;
        assert_eq!(changes.len(), count);
        assert_eq!(
            changes[count - 1].summary,
            "Takes back the admission of a ticket to \"Spring Gala\": wrong person"
        );
        assert!(scene.run(entering(&ticket)).await.unwrap().admitted);
    }

    #[tokio::test]
    async fn refuses_unknown_codes_other_organizations_and_viewers() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let ticket = inside(&scene).await;
        let outcome = scene.app.run(&other, undoing(&ticket)).await;
        assert_refused(outcome, "ticket_not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, undoing(&ticket)).await, "forbidden");
        let mut misread = undoing(&ticket);
        misread.ticket = "ABC".parse().unwrap();
        assert_refused(scene.run(misread).await, "ticket_code_misread");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let ticket = inside(&scene).await;
        scene.assert_idempotent(undoing(&ticket)).await;
    }
}
