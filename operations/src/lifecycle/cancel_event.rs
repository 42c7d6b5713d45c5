//! `cancel_event`: an event will not take place.

use domain::{Cx, EventId, Facts, Fault, FaultSpec, Money, Name, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::changes::EventCancelled;
use crate::{
    App, Effect, Operation,
    events::{self, Event, EventStatus, StatusMove},
    faults::EVENT_CLOSED,
    lookup::LookupError,
    orders::{self, Totals},
};

/// Cancel a whole event: no more tickets are sold and nobody is let in. Cannot be undone. Orders, tickets and
/// money stay as they are; the answer says how many are affected. Then refund them all with `refund_event`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelEvent {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Why, in words that buyers may read.
    pub reason: Name,
}

/// An event that will not take place, and who is affected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelledEvent {
    /// The event.
    pub event: Event,
    /// Paid orders.
    pub orders_paid: i64,
    /// Orders that still wait for money.
    pub orders_pending: i64,
    /// Valid tickets.
    pub tickets: i64,
    /// What was paid for the paid orders and not given back.
    pub paid: Money,
    /// What is left to do, in words.
    pub next: String,
}

impl Operation for CancelEvent {
    const NAME: &'static str = "cancel_event";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::EventsCancel;
    type Output = CancelledEvent;
    type Error = CancelEventError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CancelledEvent, CancelEventError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        let totals = orders::totals(tx.conn(), event.id, event.currency).await?;
        match event.status {
            EventStatus::Cancelled => return Ok(tx.unchanged(answer(event, &totals)).await?),
            EventStatus::Draft | EventStatus::Published => {}
            EventStatus::Ended | EventStatus::Archived => {
                return Err(CancelEventError::Closed {
                    title: event.title,
                    status: event.status,
                });
            }
        }
        let reason = self.reason.as_str();
        events::set_status(tx.conn(), cx, event.id, StatusMove::Cancel(Some(reason))).await?;
        let event = events::get(tx.conn(), cx, event.id).await?;
        let answer = answer(event, &totals);
        let change = EventCancelled {
            event_id: answer.event.id,
            title: answer.event.title.clone(),
            when: answer.event.when.clone(),
            reason: reason.to_owned(),
            orders_paid: answer.orders_paid,
            orders_pending: answer.orders_pending,
            tickets: answer.tickets,
            paid: answer.paid,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

fn answer(event: Event, totals: &Totals) -> CancelledEvent {
    let paid = totals.kept;
    let next = match (totals.paid_orders, totals.pending_orders) {
        (0, 0) => "Nobody has an order; nothing is left to do.".to_owned(),
        (settled, pending) => format!(
            "{settled} paid and {pending} pending orders are still to be cancelled, and {paid} given back: refund_event does it all."
        ),
    };
    CancelledEvent {
        orders_paid: totals.paid_orders,
        orders_pending: totals.pending_orders,
        tickets: totals.valid_tickets,
        paid,
        next,
        event,
    }
}

/// How `cancel_event` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CancelEventError {
    /// It is over or archived.
    #[error("{title:?} is {status} and cannot be cancelled any more")]
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

impl Fault for CancelEventError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![EVENT_CLOSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Closed { .. } => EVENT_CLOSED.into(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CancelEventError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        orders::{CancelOrder, ConfirmPayment, RefundChoice},
        permission::Role,
        testing::{Scene, assert_refused, buying},
    };

    fn cancelling(event: &Event) -> CancelEvent {
        CancelEvent {
            event: event.id.into(),
            reason: "The singer is ill".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn cancels_an_event_nobody_ordered_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let cancelled = scene.run(cancelling(&event)).await.unwrap();
        assert_eq!(cancelled.event.status, EventStatus::Cancelled);
        assert_eq!(
            cancelled.next,
            "Nobody has an order; nothing is left to do."
        );
        assert_eq!(
            cancelled.event.cancellation_reason.as_deref(),
            Some("The singer is ill")
        );
        let changes = scene.changes().await;
        assert!(
            changes[changes.len() - 1]
                .summary
                .contains("nobody has an order")
        );
        assert_eq!(scene.run(cancelling(&event)).await.unwrap(), cancelled);
        assert_eq!(scene.changes().await.len(), changes.len());
    }

    #[tokio::test]
    async fn says_who_is_affected_and_ends_the_sale() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = scene.order(event.id, 3).await;
        scene.order(event.id, 1).await;
        let pay = ConfirmPayment::of(order.order.id.into());
        scene.run(pay).await.unwrap();
        let cancelled = scene.run(cancelling(&event)).await.unwrap();
        assert_eq!(
            (
                cancelled.orders_paid,
                cancelled.orders_pending,
                cancelled.tickets
            ),
            (1, 1, 3)
        );
        assert_eq!(cancelled.paid.to_string(), "75.00 EUR");
        assert!(
            cancelled.next.contains("75.00 EUR given back"),
            "{}",
            cancelled.next
        );
        let changes = scene.changes().await;
        let summary = &changes[changes.len() - 1].summary;
        assert!(
            summary.contains("1 paid and 1 pending orders, 3 tickets and 75.00 EUR paid stay"),
            "{summary}"
        );
        assert!(scene.run(buying(event.id, "Regular", 1)).await.is_err());
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_that_the_organizer_kept_is_not_to_be_given_back() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let (kept, paid) = (
            scene.order(event.id, 1).await,
            scene.order(event.id, 2).await,
        );
        for order in [&kept, &paid] {
            let pay = ConfirmPayment::of(order.order.id.into());
            scene.run(pay).await.unwrap();
        }
        let keep = CancelOrder {
            refund: Some(RefundChoice::None),
            ..CancelOrder::of(kept.order.id.into())
        };
        scene.run(keep).await.unwrap();
        let cancelled = scene.run(cancelling(&event)).await.unwrap();
        assert_eq!(cancelled.paid.to_string(), "50.00 EUR");
        assert!(
            cancelled.next.contains("50.00 EUR given back"),
            "{}",
            cancelled.next
        );
        let summary = scene.changes().await.pop().unwrap().summary;
        assert!(summary.contains("50.00 EUR paid stay"), "{summary}");
    }

    /// Orders and the cancellation meet at the event's row: what was sold is what the answer says.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn counts_every_order_that_was_faster() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 100).await;
        let mut buyers = JoinSet::new();
        for _ in 0..20 {
            let (app, cx, buy) = (
                scene.app.clone(),
                scene.cx.clone(),
                buying(event.id, "Regular", 1),
            );
            buyers.spawn(async move { app.run(&cx, buy).await.is_ok() });
        }
        let cancelled = scene.run(cancelling(&event)).await.unwrap();
        let sold = buyers
            .join_all()
            .await
            .into_iter()
            .filter(|sold| *sold)
            .count();
        assert_eq!(cancelled.tickets, i64::try_from(sold).unwrap());
    }

    #[tokio::test]
    async fn refuses_an_event_that_is_over_or_archived() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let later = scene.at("2027-03-01T09:00:00Z");
        let outcome = scene.app.run(&later, cancelling(&event)).await;
        assert_refused(outcome, "event_closed");
        scene.move_event(event.id, StatusMove::Archive).await;
        assert_refused(scene.run(cancelling(&event)).await, "event_closed");
    }

    #[tokio::test]
    async fn needs_its_own_permission_and_the_own_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let outcome = scene.app.run(&other, cancelling(&event)).await;
        assert_refused(outcome, "not_found");
        let box_office = scene.as_role(Role::BoxOffice);
        let outcome = scene.app.run(&box_office, cancelling(&event)).await;
        assert_refused(outcome, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.assert_idempotent(cancelling(&event)).await;
    }
}
