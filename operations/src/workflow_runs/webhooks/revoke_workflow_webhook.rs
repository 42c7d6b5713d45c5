//! `revoke_workflow_webhook`: the address of a workflow stops working.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, WorkflowWebhookId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{changes::WorkflowWebhookRevoked, sql};
use crate::{
    App, Effect, Operation,
    workflows::{self, WorkflowLookupError},
};

/// Take away the address under which programs outside start a workflow; it stops working at once. Runs that have begun
/// go on.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct RevokeWorkflowWebhook {
    /// The workflow's name.
    pub workflow: String,
}

/// A webhook that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedWorkflowWebhook {
    /// Its id.
    pub webhook: WorkflowWebhookId,
    /// The workflow that it started.
    pub workflow: String,
}

impl Operation for RevokeWorkflowWebhook {
    const NAME: &'static str = "revoke_workflow_webhook";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::TokensManage;
    type Output = RevokedWorkflowWebhook;
    type Error = RevokeWorkflowWebhookError;

    async fn run(
        self,
        app: &App,
        cx: &Cx,
    ) -> Result<RevokedWorkflowWebhook, RevokeWorkflowWebhookError> {
        let mut tx = app.store().write(cx).await?;
        let found = workflows::version(tx.conn(), &self.workflow, None).await?;
        let workflow = found.stored.name;
        let Some(webhook) = sql::remove(tx.conn(), found.stored.id).await? else {
            return Err(RevokeWorkflowWebhookError::None(workflow));
        };
        let change = WorkflowWebhookRevoked {
            webhook_id: webhook,
            workflow: workflow.clone(),
        };
        let answer = RevokedWorkflowWebhook { webhook, workflow };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `revoke_workflow_webhook` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RevokeWorkflowWebhookError {
    /// There is no address.
    #[error("the workflow {0:?} has no address")]
    None(String),
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] WorkflowLookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NONE: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "webhook_not_there",
    "Nothing is to be done: no request from outside starts it.",
);

impl Fault for RevokeWorkflowWebhookError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NONE];
        specs.extend(WorkflowLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::None(_) => NONE.at("workflow"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for RevokeWorkflowWebhookError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflow_runs::webhooks::create_workflow_webhook::tests::{create, inbound},
    };

    fn revoke() -> RevokeWorkflowWebhook {
        RevokeWorkflowWebhook {
            workflow: "inbound".to_owned(),
        }
    }

    #[tokio::test]
    async fn takes_away_what_is_there_and_is_ones_own() {
        let scene = Scene::new().await;
        assert_refused(scene.run(revoke()).await, "workflow_not_found");
        inbound(&scene).await;
        assert_refused(scene.run(revoke()).await, "webhook_not_there");
        let made = scene.run(create(false)).await.unwrap();
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, revoke()).await, "workflow_not_found");
        let revoked = scene.run(revoke()).await.unwrap();
        assert_eq!(revoked.webhook, made.webhook);
        let last = scene.changes().await.pop().unwrap();
        assert_eq!(last.kind, "workflow_webhook.revoked");
        let local = crate::tokens::Grant::local(
            scene.cx.organization_id,
            scene.cx.actor.user_id().unwrap(),
        );
        assert_refused(scene.app.run(&local.context(), revoke()).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        inbound(&scene).await;
        scene.run(create(false)).await.unwrap();
        scene.assert_idempotent(revoke()).await;
    }
}
