//! `undo_check_in`: a scan that was a mistake.

use domain::{Cx, Fault, FaultSpec, Name, Permission, Reference, TicketId};
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

    fn spec(&self) -> FaultSpec {
        self.0.spec()
    }

    fn field(&self) -> Option<String> {
        self.0.field()
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
