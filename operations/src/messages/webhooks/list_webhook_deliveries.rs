//! `list_webhook_deliveries`: what programs were told, and what they answered.

use domain::{Cursor, Cx, Page, PageRequest, Permission, WebhookEndpointId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    model::{DeliveryStatus, WebhookDelivery},
    sql,
};
use crate::{App, Effect, Operation};

/// What programs outside were told and what they answered, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListWebhookDeliveries {
    /// Only to this endpoint.
    pub endpoint: Option<WebhookEndpointId>,
    /// Only in this state.
    pub status: Option<DeliveryStatus>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListWebhookDeliveries {
    const NAME: &'static str = "list_webhook_deliveries";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = Page<WebhookDelivery>;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<WebhookDelivery>, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let rows = sql::deliveries(tx.conn(), self.endpoint, self.status, self.page).await?;
        Ok(Page::cut(rows, self.page, |row| Cursor {
            key: 0,
            id: row.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{testing::relay, webhooks::SaveWebhookEndpoint},
        testing::Scene,
    };

    #[tokio::test]
    async fn pages_newest_first_and_hides_from_others() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let kinds = Some(vec!["venue.created".to_owned()]);
        let command = SaveWebhookEndpoint {
            kinds,
            ..SaveWebhookEndpoint::of("https://example.org/hook")
        };
        let endpoint = scene.run(command).await.unwrap().endpoint.id;
        for name in ["A", "B", "C"] {
            scene.venue(name).await;
        }
        relay(&scene, 3).await;
        let first = ListWebhookDeliveries {
            endpoint: Some(endpoint),
            status: Some(DeliveryStatus::Queued),
            page: PageRequest {
                cursor: None,
                limit: Some(2),
            },
        };
        let first = scene.run(first).await.unwrap();
        assert_eq!(first.items.len(), 2);
        let rest = ListWebhookDeliveries {
            page: PageRequest {
                cursor: first.next,
                limit: Some(2),
            },
            ..ListWebhookDeliveries::default()
        };
        let rest = scene.run(rest).await.unwrap();
        assert_eq!(rest.items.len(), 1);
        let theirs = scene
            .app
            .run(&other, ListWebhookDeliveries::default())
            .await
            .unwrap();
        assert!(theirs.items.is_empty());
    }
}
