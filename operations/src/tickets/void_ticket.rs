//! `void_ticket`: one ticket no longer admits.

use domain::{Cx, Facts, Fault, FaultSpec, Name, Permission, Reference, TicketId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::TicketVoided,
    model::{Ticket, TicketStatus},
    sql,
};
use crate::{
    App, Effect, Operation,
    codes::CodeLookupError,
    events,
    faults::CHECKED_IN,
    inventory::{self, Step},
};

/// Make one ticket void: it no longer admits and its place can be sold again. The order and its total stay; to
/// give money back for a whole order use `cancel_order`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VoidTicket {
    /// Ticket: id or code.
    pub ticket: Reference<TicketId>,
    /// Why, for the record.
    pub reason: Name,
    /// Void it though its holder was admitted.
    #[serde(default)]
    pub even_if_checked_in: bool,
}

/// The ticket that no longer admits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VoidedTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// Whether it was void before, so that nothing changed.
    pub was_void_already: bool,
}

impl Operation for VoidTicket {
    const NAME: &'static str = "void_ticket";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = VoidedTicket;
    type Error = VoidTicketError;

    async fn run(self, app: &App, cx: &Cx) -> Result<VoidedTicket, VoidTicketError> {
        let mut tx = app.store().write(cx).await?;
        let found = sql::resolve(tx.conn(), &self.ticket, "ticket").await?;
        // Its ticket type keeps its pools until the commit.
        let event = events::share(tx.conn(), cx, &found.event_id.into()).await;
        event.map_err(CodeLookupError::from)?;
        sql::lock(tx.conn(), found.id).await?;
        let before = sql::resolve(tx.conn(), &found.id.into(), "ticket").await?;
        if before.status == TicketStatus::Void {
            let answer = VoidedTicket {
                ticket: before.seen(cx),
                was_void_already: true,
            };
            return Ok(tx.unchanged(answer).await?);
        }
        if before.is_checked_in && !self.even_if_checked_in {
            return Err(VoidTicketError::CheckedIn {
                order_number: before.order_number,
            });
        }
        sql::void(tx.conn(), cx, before.id, self.reason.as_str()).await?;
        let change = TicketVoided {
            ticket_id: before.id,
            event_id: before.event_id,
            event_title: before.event_title,
            ticket_type_id: before.ticket_type_id,
            ticket_type: before.ticket_type,
            order_id: before.order_id,
            order_number: before.order_number,
        };
        let after = sql::resolve(tx.conn(), &before.id.into(), "ticket").await?;
        let answer = VoidedTicket {
            ticket: after.seen(cx),
            was_void_already: false,
        };
        let places = inventory::places_of(tx.conn(), &[(before.ticket_type_id, 1)]).await?;
        inventory::move_taken(tx.conn(), Step::ReleaseSold, &places).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `void_ticket` refuses.
#[derive(Debug, thiserror::Error)]
pub enum VoidTicketError {
    /// Its holder was admitted.
    #[error("the holder of this ticket of order {order_number} was admitted already")]
    CheckedIn {
        /// The order it belongs to.
        order_number: String,
    },
    /// The ticket was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

impl Fault for VoidTicketError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![CHECKED_IN];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::CheckedIn { .. } => CHECKED_IN.at("even_if_checked_in"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for VoidTicketError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for VoidTicketError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused},
    };

    fn voiding(ticket: &Ticket) -> VoidTicket {
        VoidTicket {
            ticket: ticket.code.parse().unwrap(),
            reason: "lost phone".parse().unwrap(),
            even_if_checked_in: false,
        }
    }

    #[tokio::test]
    async fn frees_the_place_and_leaves_the_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 2).await;
        let order = scene.order(event.id, 2).await;
        let done = scene.run(voiding(&order.tickets[0])).await.unwrap();
        assert_eq!(done.ticket.status, TicketStatus::Void);
        assert_eq!(done.ticket.void_reason.as_deref(), Some("lost phone"));
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "ticket.voided");
        let again = scene.run(voiding(&order.tickets[0])).await.unwrap();
        assert!(again.was_void_already);
        scene.order(event.id, 1).await;
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_when_the_holder_is_inside() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 2).await;
        let order = scene.order(event.id, 2).await;
        scene.admit(&order.tickets[0]).await;
        let command = voiding(&order.tickets[0]);
        assert_refused(scene.run(command.clone()).await, "checked_in");
        let anyway = VoidTicket {
            even_if_checked_in: true,
            ..command
        };
        scene.run(anyway).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn another_organization_and_a_viewer_cannot_void() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 2).await;
        let order = scene.order(event.id, 1).await;
        let command = voiding(&order.tickets[0]);
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, command).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 2).await;
        let order = scene.order(event.id, 1).await;
        scene.assert_idempotent(voiding(&order.tickets[0])).await;
    }
}
