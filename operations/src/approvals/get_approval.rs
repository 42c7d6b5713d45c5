//! `get_approval`: how far a decision has come.

use domain::{ApprovalId, Cx, Permission, Untrusted, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use store::StoreError;

use super::{
    model::{Approval, Requester, Stored, next},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError, organizations};

/// How far something that a person decides has come: pending, approved, rejected, expired, stale (asked again under
/// `replaced_by`) or done (with the result). Call it again later while it is pending.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetApproval {
    /// Its id, apr_….
    pub approval: ApprovalId,
}

impl Operation for GetApproval {
    const NAME: &'static str = "get_approval";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::ApprovalsRead;
    type Output = Approval;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Approval, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let stored = find(tx.conn(), self.approval).await?;
        Ok(seen(tx.conn(), cx, stored).await?)
    }
}

/// An approval for the page that a signed link leads to: the link is the right to see it.
pub async fn find_approval(
    app: &App,
    cx: &Cx,
    id: ApprovalId,
) -> Result<Option<Approval>, StoreError> {
    let mut tx = app.store().read(cx).await?;
    match sql::get(tx.conn(), id).await? {
        Some(stored) => Ok(Some(seen(tx.conn(), cx, stored).await?)),
        None => Ok(None),
    }
}

/// What runs have asked, oldest first.
pub(crate) async fn of_runs(
    conn: &mut PgConnection,
    cx: &Cx,
    runs: &[WorkflowRunId],
) -> sqlx::Result<Vec<Approval>> {
    let mut all = Vec::new();
    for stored in sql::of_runs(conn, runs).await? {
        all.push(seen(conn, cx, stored).await?);
    }
    Ok(all)
}

pub(super) async fn find(conn: &mut PgConnection, id: ApprovalId) -> Result<Stored, LookupError> {
    sql::get(conn, id)
        .await?
        .ok_or_else(|| LookupError::NotFound {
            noun: "approval",
            given: id.to_string(),
            candidates: Vec::new(),
        })
}

/// A row as callers see it.
pub(super) async fn seen(
    conn: &mut PgConnection,
    cx: &Cx,
    stored: Stored,
) -> sqlx::Result<Approval> {
    let status = stored.status_at(cx.now);
    let requested_by = requested_by(conn, cx, stored.requester()).await?;
    let decided_by = match stored.decided_by {
        Some(user_id) => Some(member(conn, user_id).await?),
        None => None,
    };
    Ok(Approval {
        next: next(stored.id, status, stored.replaced_by),
        id: stored.id,
        title: stored.title,
        status,
        reason: stored.reason,
        preview: stored.preview,
        operation: stored.operation,
        input: stored.input,
        show: stored
            .show
            .as_ref()
            .map(|show| Untrusted::new(&readable(show))),
        requested_by,
        run_id: stored.run_id,
        decides: stored.decides,
        expires_at: stored.expires_at,
        decided_by,
        decided_at: stored.decided_at,
        note: stored.note,
        result: stored
            .result
            .as_ref()
            .map(|result| Untrusted::new(&result.to_string())),
        replaced_by: stored.replaced_by,
        created_at: stored.created_at,
    })
}

/// Who asks, in words.
pub(super) async fn requested_by(
    conn: &mut PgConnection,
    cx: &Cx,
    requester: Requester,
) -> sqlx::Result<String> {
    Ok(match requester {
        Requester::Member(user_id) => member(conn, user_id).await?,
        Requester::Token(token_id, user_id) => {
            let name = sql::token(conn, cx, token_id).await?;
            let token = name.map_or("a token".to_owned(), |name| format!("the token {name:?}"));
            format!("{token} of {}", member(conn, user_id).await?)
        }
        Requester::Nobody(name) => name,
    })
}

async fn member(conn: &mut PgConnection, user_id: domain::UserId) -> sqlx::Result<String> {
    let found = organizations::member(conn, user_id).await?;
    Ok(found.map_or_else(|| user_id.to_string(), |(name, _)| name))
}

/// JSON as people read it: a line for each field.
fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let line = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            };
            fields.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approvals::{ApprovalStatus, RequestApproval},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn is_expired_once_its_time_is_over() {
        let scene = Scene::new().await;
        let approval = scene
            .run(RequestApproval::question("Send it?"))
            .await
            .unwrap()
            .approval;
        let found = scene.run(GetApproval { approval }).await.unwrap();
        assert_eq!(
            (found.status, found.requested_by.as_str()),
            (ApprovalStatus::Pending, "Olga Owner")
        );
        assert!(
            found.next.contains("eventos approvals approve apr_"),
            "{}",
            found.next
        );
        let later = scene.at("2027-01-14T09:00:00Z");
        let found = scene
            .app
            .run(&later, GetApproval { approval })
            .await
            .unwrap();
        assert_eq!(found.status, ApprovalStatus::Expired);
    }

    #[tokio::test]
    async fn another_organization_does_not_see_it() {
        let scene = Scene::new().await;
        let approval = scene
            .run(RequestApproval::question("Send it?"))
            .await
            .unwrap()
            .approval;
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, GetApproval { approval }).await,
            "not_found",
        );
    }
}
