//! `continue_event_refund`: the next orders of a cancelled event are called off.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::EventRefundFinished, error::EventRefundError, model::EventRefund, refund_event::queue,
    sql,
};
use crate::{
    App, Effect, Operation, events,
    orders::{
        cancelling::{Freed, cancel},
        invoices::keep_up,
        sql as orders,
    },
};

/// So many orders in one transaction: others who want a place of the event's pools wait no longer than for a few buyers.
const TOGETHER: i64 = 50;

/// The next step of a refund that `refund_event` began. Steps follow each other by themselves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ContinueEventRefund {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for ContinueEventRefund {
    const NAME: &'static str = "continue_event_refund";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::EventsCancel;
    type Output = EventRefund;
    type Error = EventRefundError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventRefund, EventRefundError> {
        let mut tx = app.store().write(cx).await?;
        // Its ticket types keep their pools until the commit.
        let event = events::share(tx.conn(), cx, &self.event).await?;
        let begun = sql::lock(tx.conn(), event.id).await?;
        let mut refund = begun.ok_or_else(|| EventRefundError::NotBegun(event.title.clone()))?;
        if refund.finished_at.is_some() {
            let answer = refund.seen(tx.conn(), &event).await?;
            return Ok(tx.unchanged(answer).await?);
        }
        let ids = sql::next(tx.conn(), event.id, TOGETHER).await?;
        let mut freed = Freed::default();
        for id in &ids {
            let order = orders::get(tx.conn(), *id).await?;
            let back = refund.of(&order);
            let cancelled = cancel(tx.conn(), cx, order, back, Some(&refund.reason), &mut freed);
            let change = cancelled.await?;
            tx.also(&change);
            refund.cancelled_count += 1;
            refund.refunded_amount += back.amount;
        }
        refund.batch += 1;
        let is_last = i64::try_from(ids.len()).is_ok_and(|count| count < TOGETHER);
        refund.finished_at = is_last.then_some(cx.now);
        sql::update(tx.conn(), cx, &refund).await?;
        if !is_last {
            queue(&mut tx, &refund).await?;
        }
        let answer = refund.seen(tx.conn(), &event).await?;
        freed.release(tx.conn()).await?;
        for id in &ids {
            keep_up(&mut tx, *id).await?;
        }
        if !is_last {
            return Ok(tx.unchanged(answer).await?);
        }
        let change = EventRefundFinished {
            event_id: event.id,
            event_title: event.title,
            orders: refund.cancelled_count,
            refunded: answer.refunded,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        orders::event_refunds::tests::{cancelled, going_on, refunding},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn refuses_what_nobody_began() {
        let scene = Scene::new().await;
        let event = cancelled(&scene, 1, 0).await;
        assert_refused(scene.run(going_on(event)).await, "event_refund_not_begun");
        scene.run(refunding(event)).await.unwrap();
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, going_on(event)).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = cancelled(&scene, 2, 1).await;
        scene.run(refunding(event)).await.unwrap();
        scene.assert_idempotent(going_on(event)).await;
        let count = scene.changes().await.len();
        let again = scene.run(going_on(event)).await.unwrap();
        assert!(again.is_finished && again.orders_cancelled == 3);
        assert_eq!(scene.changes().await.len(), count);
    }
}
