//! What can happen to endpoints and deliveries.

use domain::{Change, Subject, WebhookDeliveryId, WebhookEndpointId};
use serde::Serialize;

use super::model::EndpointStatus;

/// An endpoint was added or changed.
#[derive(Debug, Serialize)]
pub struct WebhookEndpointSaved {
    pub(super) endpoint_id: WebhookEndpointId,
    pub(super) url: String,
    pub(super) status: EndpointStatus,
    pub(super) kinds: Option<Vec<String>>,
    pub(super) has_new_secret: bool,
}

impl Change for WebhookEndpointSaved {
    const KIND: &'static str = "webhook_endpoint.saved";
    fn subject(&self) -> Subject {
        self.endpoint_id.into()
    }
    fn summary(&self) -> String {
        let kinds = self
            .kinds
            .as_ref()
            .map_or("every change".to_owned(), |kinds| kinds.join(", "));
        let mut summary = match self.status {
            EndpointStatus::Enabled => format!("Tells {} of {kinds}", self.url),
            _ => format!("Tells {} nothing more", self.url),
        };
        if self.has_new_secret {
            summary += ", with a new secret";
        }
        summary
    }
}

/// A delivery is made again.
#[derive(Debug, Serialize)]
pub struct WebhookDeliveryReplayed {
    pub(super) delivery_id: WebhookDeliveryId,
    pub(super) kind: String,
}

impl Change for WebhookDeliveryReplayed {
    const KIND: &'static str = "webhook_delivery.replayed";
    fn subject(&self) -> Subject {
        self.delivery_id.into()
    }
    fn summary(&self) -> String {
        format!("Tells an endpoint of {} again", self.kind)
    }
}
