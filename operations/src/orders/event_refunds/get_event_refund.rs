//! `get_event_refund`: how far the refund of an event is.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{error::EventRefundError, model::EventRefund, sql};
use crate::{App, Effect, Operation, events};

/// How far the refund of a cancelled event is: orders done and ahead, money given back, refunds that failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetEventRefund {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for GetEventRefund {
    const NAME: &'static str = "get_event_refund";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = EventRefund;
    type Error = EventRefundError;

    async fn run(self, app: &App, cx: &Cx) -> Result<EventRefund, EventRefundError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let begun = sql::find(tx.conn(), event.id).await?;
        let begun = begun.ok_or_else(|| EventRefundError::NotBegun(event.title.clone()))?;
        Ok(begun.seen(tx.conn(), &event).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::event_refunds::tests::{cancelled, refunding},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn tells_how_far_it_is() {
        let scene = Scene::new().await;
        let event = cancelled(&scene, 2, 1).await;
        let reading = || GetEventRefund {
            event: event.into(),
        };
        assert_refused(scene.run(reading()).await, "event_refund_not_begun");
        let begun = scene.run(refunding(event)).await.unwrap();
        let read = scene.run(reading()).await.unwrap();
        assert_eq!(read, begun);
        assert_eq!((read.paid_orders_ahead, read.pending_orders_ahead), (2, 1));
        assert_eq!(
            read.next,
            "3 orders are still to be cancelled; it goes on by itself."
        );
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, reading()).await, "not_found");
    }
}
