//! `list_webhook_endpoints`: which programs are told of changes.

use domain::{Cx, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    model::WebhookEndpoint,
    sql::{self, EndpointRow},
};
use crate::{App, Effect, Operation};

/// Programs outside that are told of changes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListWebhookEndpoints {}

/// All endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookEndpoints {
    /// Oldest first.
    pub endpoints: Vec<WebhookEndpoint>,
}

impl EndpointRow {
    pub(super) fn seen(self) -> WebhookEndpoint {
        WebhookEndpoint {
            id: self.id,
            url: self.url,
            kinds: self.kinds,
            status: self.status,
            secret_count: self.secrets.len(),
            version: self.version,
        }
    }
}

impl Operation for ListWebhookEndpoints {
    const NAME: &'static str = "list_webhook_endpoints";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::MessagesRead;
    type Output = WebhookEndpoints;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WebhookEndpoints, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let rows = sql::endpoints(tx.conn()).await?;
        Ok(WebhookEndpoints {
            endpoints: rows.into_iter().map(EndpointRow::seen).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{messages::webhooks::SaveWebhookEndpoint, testing::Scene};

    #[tokio::test]
    async fn shows_each_organization_its_own_and_no_secret() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let saved = scene
            .run(SaveWebhookEndpoint::of("https://example.org/hook"))
            .await
            .unwrap();
        let listed = scene.run(ListWebhookEndpoints {}).await.unwrap();
        assert_eq!(listed.endpoints.len(), 1);
        let shown = serde_json::to_string(&listed).unwrap();
        assert!(!shown.contains(&saved.secret.unwrap()), "{shown}");
        let theirs = scene
            .app
            .run(&other, ListWebhookEndpoints {})
            .await
            .unwrap();
        assert!(theirs.endpoints.is_empty());
    }
}
