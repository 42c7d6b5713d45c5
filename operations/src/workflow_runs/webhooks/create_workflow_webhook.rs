//! `create_workflow_webhook`: an address under which programs outside start a workflow, shown once.

use domain::{Actor, Cx, Facts, Fault, FaultKind, FaultSpec, Permission, WorkflowWebhookId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::StoreError;

use super::{changes::WorkflowWebhookCreated, sql};
use crate::{
    App, Effect, Operation, codes,
    workflows::{self, Definition, Trigger, WorkflowLookupError},
};

/// Make the address under which programs outside start a workflow that names a webhook under `on`. It is a secret: it
/// is shown once, and only its hash is kept. An address that the workflow had before stops working at once. With
/// `is_signed`, requests must be signed too, with a secret that is also shown once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct CreateWorkflowWebhook {
    /// The workflow's name.
    pub workflow: String,
    /// Whether requests must be signed: `EventOS-Timestamp: <seconds>` and `EventOS-Signature: v1=<hex>`, HMAC-SHA-256
    /// over `<seconds>.<body>`, or over `<seconds>.<key>.<body>` beside an `Idempotency-Key`.
    #[serde(default)]
    pub is_signed: bool,
}

/// A webhook as it was made. What is secret is in the first answer only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedWorkflowWebhook {
    /// Its id.
    pub webhook: WorkflowWebhookId,
    /// The workflow that it starts.
    pub workflow: String,
    /// The path on this server to post JSON to. It is not kept and cannot be shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to sign with. It is not shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
    /// What follows, as a sentence.
    pub next: String,
}

impl Operation for CreateWorkflowWebhook {
    const NAME: &'static str = "create_workflow_webhook";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::TokensManage;
    type Output = CreatedWorkflowWebhook;
    type Error = CreateWorkflowWebhookError;

    async fn run(
        self,
        app: &App,
        cx: &Cx,
    ) -> Result<CreatedWorkflowWebhook, CreateWorkflowWebhookError> {
        if !matches!(cx.actor, Actor::Member { .. }) {
            return Err(CreateWorkflowWebhookError::NotAPerson);
        }
        let mut tx = app.store().write(cx).await?;
        let found = workflows::version(tx.conn(), &self.workflow, None).await?;
        if !has_webhook(&found.definition) {
            return Err(CreateWorkflowWebhookError::NoWebhook(found.stored.name));
        }
        let address = codes::secret(cx, "whk_");
        let signing_secret = self.is_signed.then(|| codes::secret(cx, "whsec_"));
        let hash = hash(&address);
        let (workflow_id, signing) = (found.stored.id, signing_secret.as_deref());
        let webhook = sql::replace(tx.conn(), cx, workflow_id, &hash, signing).await?;
        let change = WorkflowWebhookCreated {
            webhook_id: webhook,
            workflow: found.stored.name.clone(),
            is_signed: self.is_signed,
        };
        let next = match found.stored.enabled_version {
            Some(_) => "Post JSON to it; each request starts a run.",
            None => "It starts nothing until the workflow is switched on with enable_workflow.",
        };
        let kept = CreatedWorkflowWebhook {
            webhook,
            workflow: found.stored.name,
            path: None,
            signing_secret: None,
            next: next.to_owned(),
        };
        // Remembered answers are kept for a week: what is secret is added behind the commit.
        let kept = tx.commit(change, kept).await?;
        Ok(CreatedWorkflowWebhook {
            path: Some(format!("/hooks/{address}")),
            signing_secret,
            ..kept
        })
    }
}

/// Whether requests from outside start a definition.
pub(super) fn has_webhook(definition: &Definition) -> bool {
    definition.triggers().contains(&Trigger::Webhook)
}

/// What is kept of an address. A plain SHA-256 will do: there are 256 random bits, so there is nothing to guess.
pub(super) fn hash(address: &str) -> [u8; 32] {
    Sha256::digest(address).into()
}

/// How `create_workflow_webhook` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CreateWorkflowWebhookError {
    /// A program asks for an address of its own.
    #[error("only a person can make an address that starts a workflow")]
    NotAPerson,
    /// The definition does not name one.
    #[error("nothing under `on` of the workflow {0:?} is a webhook")]
    NoWebhook(String),
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] WorkflowLookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NOT_A_PERSON: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "webhook_needs_person",
    "Ask the person; on the server, `eventos workflow webhook` does it.",
);
const NO_WEBHOOK: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "workflow_without_webhook",
    "Add `{webhook: {}}` to its `on`, save it and switch it on.",
);

impl Fault for CreateWorkflowWebhookError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_A_PERSON, NO_WEBHOOK];
        specs.extend(WorkflowLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotAPerson => NOT_A_PERSON.into(),
            Self::NoWebhook(_) => NO_WEBHOOK.at("workflow"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CreateWorkflowWebhookError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflows::{EnableWorkflow, SaveWorkflow},
    };

    pub(crate) const YAML: &str = "id: inbound\ntitle: Take up a lead\non: [{webhook: {}}]\nsteps:\n  - {id: lead, set: {name: \"{{ trigger.body.name }}\"}}\n";

    /// A workflow that a webhook starts, switched on.
    pub(crate) async fn inbound(scene: &Scene) {
        let yaml = YAML.to_owned();
        scene.run(SaveWorkflow { yaml }).await.unwrap();
        let on = EnableWorkflow {
            workflow: "inbound".to_owned(),
            version: None,
        };
        scene.run(on).await.unwrap();
    }

    pub(crate) fn create(is_signed: bool) -> CreateWorkflowWebhook {
        CreateWorkflowWebhook {
            workflow: "inbound".to_owned(),
            is_signed,
        }
    }

    #[tokio::test]
    async fn what_is_secret_is_shown_once_and_kept_nowhere() {
        let scene = Scene::new().await;
        inbound(&scene).await;
        let cx = scene.cx.clone().with_key("once");
        let first = scene.app.run(&cx, create(true)).await.unwrap();
        let path = first.path.clone().unwrap();
        assert!(
            path.starts_with("/hooks/whk_") && path.len() == 75,
            "{path}"
        );
        let again = scene.app.run(&cx, create(true)).await.unwrap();
        assert_eq!(again.webhook, first.webhook, "a repeat makes no other");
        assert_eq!((again.path, again.signing_secret), (None, None));
        let secret = path.strip_prefix("/hooks/").unwrap();
        for table in ["workflow_webhook", "idempotency_key", "change"] {
            let rows = scene.database.ask(&format!("select * from {table}")).await;
            assert!(!rows.to_string().contains(secret), "{table}: {rows}");
        }
        let next = scene.run(create(false)).await.unwrap();
        assert_ne!(next.path, Some(path));
        let count = "select count(*) from workflow_webhook";
        assert_eq!(
            scene.database.count(count).await,
            1,
            "one for each workflow"
        );
    }

    #[tokio::test]
    async fn only_people_make_one_and_only_for_what_a_webhook_starts() {
        let scene = Scene::new().await;
        assert_refused(scene.run(create(false)).await, "workflow_not_found");
        inbound(&scene).await;
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, create(false)).await,
            "workflow_not_found",
        );
        let user_id = scene.cx.actor.user_id().unwrap();
        let token = Actor::Token {
            token_id: scene.cx.new_id(),
            user_id,
        };
        let program = scene.cx.clone().with_actor(token);
        assert_refused(
            scene.app.run(&program, create(false)).await,
            "webhook_needs_person",
        );
        // The local program of a member is a member, but never holds the permission.
        let local = crate::tokens::Grant::local(scene.cx.organization_id, user_id);
        assert_refused(
            scene.app.run(&local.context(), create(false)).await,
            "forbidden",
        );
        let yaml = YAML.replace("webhook: {}", "change: order.paid");
        scene.run(SaveWorkflow { yaml }).await.unwrap();
        let newest = EnableWorkflow {
            workflow: "inbound".to_owned(),
            version: None,
        };
        scene.run(newest).await.unwrap();
        assert_refused(scene.run(create(false)).await, "workflow_without_webhook");
    }
}
