//! Every query on `workflow_webhook`.

use domain::{Cx, OrganizationId, WorkflowId, WorkflowWebhookId};
use sqlx::PgConnection;

/// What a request is checked with.
pub(super) struct Webhook {
    pub(super) id: WorkflowWebhookId,
    pub(super) organization_id: OrganizationId,
    /// The name of the workflow.
    pub(super) workflow: String,
    /// What requests must be signed with, if they must.
    pub(super) signing_secret: Option<String>,
}

/// Gives a workflow its webhook, in place of the one it had.
pub(super) async fn replace(
    conn: &mut PgConnection,
    cx: &Cx,
    workflow_id: WorkflowId,
    hash: &[u8],
    signing_secret: Option<&str>,
) -> sqlx::Result<WorkflowWebhookId> {
    let id = cx.new_id::<WorkflowWebhookId>();
    sqlx::query!(
        "insert into workflow_webhook (organization_id, id, workflow_id, hash, signing_secret, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict on constraint workflow_webhook_one do update set id = excluded.id, hash = excluded.hash, \
           signing_secret = excluded.signing_secret, created_by = excluded.created_by, created_at = excluded.created_at",
        cx.organization_id as _,
        id as _,
        workflow_id as _,
        hash,
        signing_secret,
        cx.actor.user_id() as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Takes a workflow's webhook away; which one, if it had one.
pub(super) async fn remove(
    conn: &mut PgConnection,
    workflow_id: WorkflowId,
) -> sqlx::Result<Option<WorkflowWebhookId>> {
    sqlx::query_scalar!(
        "delete from workflow_webhook where workflow_id = $1 returning id",
        workflow_id as _
    )
    .fetch_optional(conn)
    .await
}

/// The webhook of an address, whoever's it is. Needs the system role.
pub(super) async fn find(conn: &mut PgConnection, hash: &[u8]) -> sqlx::Result<Option<Webhook>> {
    sqlx::query_as!(
        Webhook,
        "select webhook.id, webhook.organization_id, workflow.name as workflow, signing_secret \
         from workflow_webhook webhook join workflow on workflow.id = webhook.workflow_id where webhook.hash = $1",
        hash
    )
    .fetch_optional(conn)
    .await
}
