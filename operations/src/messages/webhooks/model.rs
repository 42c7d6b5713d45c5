//! Endpoints and deliveries as callers see them.

use domain::{ChangeId, Timestamp, WebhookDeliveryId, WebhookEndpointId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

domain::text_enum! {
    /// Whether an endpoint is told of changes.
    pub enum EndpointStatus {
        /// It is.
        Enabled = "enabled",
        /// Somebody has switched it off; what changes meanwhile is told when it is on again.
        Disabled = "disabled",
        /// It has answered that nobody wants this any more.
        Gone = "gone",
    }
}

domain::sqlx_as_text!(EndpointStatus);

domain::text_enum! {
    /// How far a delivery has come.
    pub enum DeliveryStatus {
        /// Waits for its time or for another attempt.
        Queued = "queued",
        /// Is being posted.
        Sending = "sending",
        /// Was taken.
        Delivered = "delivered",
        /// Was refused too often.
        Failed = "failed",
    }
}

domain::sqlx_as_text!(DeliveryStatus);

/// A program outside that is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Where it is.
    pub url: String,
    /// The kinds of change it is told of; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// Whether it is told.
    pub status: EndpointStatus,
    /// How many secrets sign: two while one replaces the other.
    pub secret_count: usize,
    /// Rises with every change.
    pub version: i32,
}

/// One change for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDelivery {
    /// Its id, which the endpoint sees too.
    pub id: WebhookDeliveryId,
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// The change it tells of.
    pub change_id: ChangeId,
    /// Its kind, such as `order.paid`.
    pub kind: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// How often it was posted.
    pub attempts: i32,
    /// When it is posted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// What was answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<i32>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the change happened.
    pub created_at: Timestamp,
}
