//! `replay_webhook_delivery`: a program is told again.

use domain::{Cx, Permission, WebhookDeliveryId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::WebhookDeliveryReplayed,
    model::{DeliveryStatus, WebhookDelivery},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Tell a program outside of a change again, under the same id. What is still being tried goes on as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReplayWebhookDelivery {
    /// The delivery, from `list_webhook_deliveries`.
    pub delivery: WebhookDeliveryId,
}

impl Operation for ReplayWebhookDelivery {
    const NAME: &'static str = "replay_webhook_delivery";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesWrite;
    type Output = WebhookDelivery;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WebhookDelivery, LookupError> {
        let missing = || LookupError::NotFound {
            noun: "webhook delivery",
            given: self.delivery.to_string(),
            candidates: Vec::new(),
        };
        let mut tx = app.store().write(cx).await?;
        let before = sql::delivery(tx.conn(), self.delivery)
            .await?
            .ok_or_else(missing)?;
        if matches!(
            before.status,
            DeliveryStatus::Queued | DeliveryStatus::Sending
        ) {
            return Ok(tx.unchanged(before).await?);
        }
        sql::replay(tx.conn(), cx, self.delivery).await?;
        let after = sql::delivery(tx.conn(), self.delivery)
            .await?
            .ok_or_else(missing)?;
        let change = WebhookDeliveryReplayed {
            delivery_id: after.id,
            kind: after.kind.clone(),
        };
        Ok(tx.commit(change, after).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            testing::relay,
            webhooks::{ListWebhookDeliveries, SaveWebhookEndpoint, deliver_due},
        },
        testing::{Scene, assert_refused},
    };
    use delivery::webhook::{Guard, Poster};

    #[tokio::test]
    async fn tells_again_what_was_given_up() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let kinds = Some(vec!["venue.created".to_owned()]);
        // Nobody listens there, and this machine is not to be posted to anyway.
        let command = SaveWebhookEndpoint {
            kinds,
            ..SaveWebhookEndpoint::of("http://127.0.0.1:9/hook")
        };
        scene.run(command).await.unwrap();
        scene.venue("Town Hall").await;
        relay(&scene, 1).await;
        let poster = Poster::new(Guard::default()).unwrap();
        let mut now = scene.cx.now;
        while let Some(next) = deliver_due(&scene.app, &poster, now)
            .await
            .unwrap()
            .next_due
        {
            now = next;
        }
        let listed = scene
            .run(ListWebhookDeliveries::default())
            .await
            .unwrap()
            .items;
        assert_eq!(listed[0].status, DeliveryStatus::Failed);
        assert!(
            listed[0].error.as_ref().unwrap().contains("https"),
            "{listed:?}"
        );
        let command = ReplayWebhookDelivery {
            delivery: listed[0].id,
        };
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        scene.assert_idempotent(command.clone()).await;
        let again = scene.run(command).await.unwrap();
        assert_eq!((again.status, again.attempts), (DeliveryStatus::Queued, 0));
    }
}
