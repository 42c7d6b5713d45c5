//! Addresses under which programs outside start a workflow, and what becomes of what they send.
//!
//! Owns `workflow_webhook`. Operations: `create_workflow_webhook`, `revoke_workflow_webhook`; both are for people. The
//! server hands requests to [`receive`]. Changes: `workflow_webhook.created`, `workflow_webhook.revoked`.

pub mod changes;
mod create_workflow_webhook;
mod receive;
mod revoke_workflow_webhook;
mod sql;

pub use create_workflow_webhook::{
    CreateWorkflowWebhook, CreateWorkflowWebhookError, CreatedWorkflowWebhook,
};
pub use receive::{BODY_LIMIT, ReceiveError, Received, StartedByWebhook, receive};
pub use revoke_workflow_webhook::{
    RevokeWorkflowWebhook, RevokeWorkflowWebhookError, RevokedWorkflowWebhook,
};
