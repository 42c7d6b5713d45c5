//! What can happen to a workflow's webhook.

use domain::{Change, Subject, WorkflowWebhookId};
use serde::Serialize;

/// Whoever has the address starts the workflow from now on; an older address no longer does.
#[derive(Debug, Serialize)]
pub struct WorkflowWebhookCreated {
    pub(super) webhook_id: WorkflowWebhookId,
    pub(super) workflow: String,
    pub(super) is_signed: bool,
}

impl Change for WorkflowWebhookCreated {
    const KIND: &'static str = "workflow_webhook.created";
    fn subject(&self) -> Subject {
        self.webhook_id.into()
    }
    fn summary(&self) -> String {
        let signed = if self.is_signed { "signed " } else { "" };
        format!(
            "Lets {signed}requests to a new address start the workflow {:?}",
            self.workflow
        )
    }
}

/// The address no longer starts the workflow.
#[derive(Debug, Serialize)]
pub struct WorkflowWebhookRevoked {
    pub(super) webhook_id: WorkflowWebhookId,
    pub(super) workflow: String,
}

impl Change for WorkflowWebhookRevoked {
    const KIND: &'static str = "workflow_webhook.revoked";
    fn subject(&self) -> Subject {
        self.webhook_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Lets no request from outside start the workflow {:?} any more",
            self.workflow
        )
    }
}
