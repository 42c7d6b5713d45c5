//! Webhooks: other people's programs are told what changed.
//!
//! Changes are read off the outbox, one delivery per change and endpoint, and posted by workers through
//! [`relay_due`] and [`deliver_due`]: at least once, in the order of their making, signed. Bodies hold what the audit
//! trail holds, which names no person.
//! Operations: `save_webhook_endpoint`, `list_webhook_endpoints`, `list_webhook_deliveries`, `replay_webhook_delivery`.
//! Changes: `webhook_endpoint.saved`, `webhook_delivery.replayed`.

pub mod changes;
mod delivering;
mod list_webhook_deliveries;
mod list_webhook_endpoints;
mod model;
mod replay_webhook_delivery;
mod save_webhook_endpoint;
mod sql;

pub use delivering::{Told, deliver_due, relay_due};
pub use list_webhook_deliveries::ListWebhookDeliveries;
pub use list_webhook_endpoints::{ListWebhookEndpoints, WebhookEndpoints};
pub use model::{DeliveryStatus, EndpointStatus, WebhookDelivery, WebhookEndpoint};
pub use replay_webhook_delivery::ReplayWebhookDelivery;
pub use save_webhook_endpoint::{
    SaveWebhookEndpoint, SaveWebhookEndpointError, SavedWebhookEndpoint, SecretRotation,
};
