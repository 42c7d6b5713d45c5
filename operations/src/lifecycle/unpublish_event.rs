//! `unpublish_event`: an event nobody has ordered becomes a draft again.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::changes::EventUnpublished;
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus, StatusMove},
    faults::EVENT_CLOSED,
    lookup::LookupError,
    orders,
};

/// Take a published event off sale and make it a draft again. Only while nobody has a pending or paid order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnpublishEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for UnpublishEvent {
    const NAME: &'static str = "unpublish_event";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = Event;
    type Error = UnpublishEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Event, UnpublishEventError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        match event.status {
            EventStatus::Draft => return Ok(tx.unchanged(event).await?),
            EventStatus::Published => {}
            EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived => {
                return Err(UnpublishEventError::Closed {
                    title: event.title,
                    status: event.status,
                });
            }
        }
        let totals = orders::totals(tx.conn(), event.id, event.currency).await?;
        if totals.paid_orders + totals.pending_orders > 0 {
            return Err(UnpublishEventError::HasOrders {
                title: event.title,
                paid: totals.paid_orders,
                pending: totals.pending_orders,
            });
        }
        events::set_status(tx.conn(), cx, event.id, StatusMove::Unpublish).await?;
        let event = events::get(tx.conn(), cx, event.id).await?;
        let change = EventUnpublished {
            event_id: event.id,
            title: event.title.clone(),
        };
        Ok(tx.commit(change, event).await?)
    }
}

/// How `unpublish_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum UnpublishEventError {
    /// People have ordered.
    #[error("{title:?} has {paid} paid and {pending} pending orders")]
    HasOrders {
        /// Its title.
        title: String,
        /// How many are paid.
        paid: i64,
        /// How many are pending.
        pending: i64,
    },
    /// It is over, cancelled or archived.
    #[error("{title:?} is {status} and cannot become a draft again")]
    Closed {
        /// Its title.
        title: String,
        /// Its state.
        status: EventStatus,
    },
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const HAS_ORDERS: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "event_has_orders",
    "End the sale with the sales windows of its ticket types instead, or cancel the event with cancel_event.",
);

impl Fault for UnpublishEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![HAS_ORDERS, EVENT_CLOSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::HasOrders { .. } => HAS_ORDERS.into(),
            Self::Closed { .. } => EVENT_CLOSED.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for UnpublishEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};

    fn unpublishing(event: &Event) -> UnpublishEvent {
        UnpublishEvent {
            event: event.id.into(),
        }
    }

    #[tokio::test]
    async fn makes_an_event_nobody_ordered_a_draft_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let draft = scene.run(unpublishing(&event)).await.unwrap();
        assert_eq!(draft.status, EventStatus::Draft);
        let count = scene.changes().await.len();
        assert_eq!(scene.run(unpublishing(&event)).await.unwrap(), draft);
        assert_eq!(scene.changes().await.len(), count);
    }

    #[tokio::test]
    async fn refuses_while_anybody_has_an_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 1).await;
        let outcome = scene.run(unpublishing(&event)).await;
        let said = outcome.as_ref().unwrap_err().to_string();
        assert_eq!(said, "\"Spring Gala\" has 0 paid and 1 pending orders");
        assert_refused(outcome, "event_has_orders");
        let cancel = crate::orders::CancelOrder {
            order: order.order.id.into(),
            reason: None,
            refund: None,
            even_if_checked_in: false,
        };
        scene.run(cancel).await.unwrap();
        scene.run(unpublishing(&event)).await.unwrap();
    }

    #[tokio::test]
    async fn refuses_an_event_that_is_cancelled_or_over() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let later = scene.at("2027-03-01T09:00:00Z");
        let outcome = scene.app.run(&later, unpublishing(&event)).await;
        assert_refused(outcome, "event_closed");
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(unpublishing(&event)).await, "event_closed");
    }

    #[tokio::test]
    async fn another_organizations_event_is_not_there() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let outcome = scene.app.run(&other, unpublishing(&event)).await;
        assert_refused(outcome, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.assert_idempotent(unpublishing(&event)).await;
    }
}
