//! Every query on `approval`, and the two on who asked.

use domain::{
    ApiTokenId, ApprovalId, Cx, OrganizationId, PageRequest, Permissions, Timestamp, UserId,
    WorkflowRunId,
};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    list_approvals::ListApprovals,
    model::{ApprovalStatus, Stored},
};
use crate::permission::Role;

/// An approval to be.
pub(super) struct New<'a> {
    pub(super) id: ApprovalId,
    pub(super) title: &'a str,
    pub(super) reason: &'a str,
    pub(super) operation: Option<&'a str>,
    pub(super) input: &'a Value,
    pub(super) input_digest: &'a [u8],
    pub(super) changes_digest: Option<&'a [u8]>,
    pub(super) preview: &'a [String],
    pub(super) show: Option<&'a Value>,
    pub(super) requested_by: &'a Value,
    pub(super) requester: &'a str,
    pub(super) permissions: Permissions,
    pub(super) run_id: Option<domain::WorkflowRunId>,
    pub(super) path: Option<&'a str>,
    pub(super) decides: Role,
    pub(super) expires_at: Timestamp,
}

pub(super) async fn insert(conn: &mut PgConnection, cx: &Cx, new: &New<'_>) -> sqlx::Result<()> {
    let permissions: Vec<String> = new.permissions.iter().map(|p| p.to_string()).collect();
    sqlx::query!(
        "insert into approval (organization_id, id, title, reason, operation, input, input_digest, changes_digest, preview, \
           show, requested_by, requester, permissions, run_id, path, decides, status, expires_at, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'pending', $17, $18)",
        cx.organization_id as _,
        new.id as _,
        new.title,
        new.reason,
        new.operation,
        new.input,
        new.input_digest,
        new.changes_digest,
        new.preview,
        new.show,
        new.requested_by,
        new.requester,
        &permissions,
        new.run_id as _,
        new.path,
        new.decides as _,
        new.expires_at as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The open question of the same requester about the same thing. Marks one that is too late as expired.
pub(super) async fn open(
    conn: &mut PgConnection,
    cx: &Cx,
    requester: &str,
    operation: Option<&str>,
    input_digest: &[u8],
) -> sqlx::Result<Option<Stored>> {
    sqlx::query!(
        "update approval set status = 'expired' where status = 'pending' and expires_at <= $3 \
           and requester = $1 and operation = $2 and run_id is null",
        requester,
        operation,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_as!(
        Stored,
        "select id, title, reason, operation, input, changes_digest, preview, show, requested_by, permissions, run_id, decides, \
           status, expires_at, decided_by, decided_at, note, result, replaced_by, created_at \
         from approval where status = 'pending' and requester = $1 and operation = $2 and input_digest = $3 and run_id is null \
         for update",
        requester,
        operation,
        input_digest,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn get(conn: &mut PgConnection, id: ApprovalId) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, title, reason, operation, input, changes_digest, preview, show, requested_by, permissions, run_id, decides, \
           status, expires_at, decided_by, decided_at, note, result, replaced_by, created_at \
         from approval where id = $1",
        id as _,
    )
    .fetch_optional(conn)
    .await
}

/// What runs have asked, oldest first.
pub(super) async fn of_runs(
    conn: &mut PgConnection,
    runs: &[WorkflowRunId],
) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        "select id, title, reason, operation, input, changes_digest, preview, show, requested_by, permissions, run_id, decides, \
           status, expires_at, decided_by, decided_at, note, result, replaced_by, created_at \
         from approval where run_id = any($1) order by id limit 200",
        runs as _,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn lock(
    conn: &mut PgConnection,
    id: ApprovalId,
) -> sqlx::Result<Option<ApprovalStatus>> {
    sqlx::query_scalar!(
        "select status from approval where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    cx: &Cx,
    filter: &ListApprovals,
) -> sqlx::Result<Vec<Stored>> {
    let page: PageRequest = filter.page;
    let (_, after) = page.after();
    let status = filter.status.unwrap_or(ApprovalStatus::Pending);
    sqlx::query_as!(
        Stored,
        "select id, title, reason, operation, input, changes_digest, preview, show, requested_by, permissions, run_id, decides, \
           status, expires_at, decided_by, decided_at, note, result, replaced_by, created_at \
         from approval \
         where case when status = 'pending' and expires_at <= $2 then 'expired' else status end = $1 \
           and ($3::uuid is null or id < $3) \
         order by id desc limit $4",
        status.as_str(),
        cx.now as _,
        after,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn decide(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ApprovalId,
    status: ApprovalStatus,
    user_id: UserId,
    note: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update approval set status = $2, decided_by = $3, decided_at = $4, note = $5 where id = $1",
        id as _,
        status.as_str(),
        user_id as _,
        cx.now as _,
        note,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What waits though its time is over, or though its run has ended, whoever's it is. Needs the system role.
pub(super) async fn due(
    conn: &mut PgConnection,
    now: Timestamp,
) -> sqlx::Result<Vec<(OrganizationId, ApprovalId)>> {
    let rows = sqlx::query!(
        "select organization_id, id from approval where status = 'pending' and (expires_at <= $1 \
           or exists (select from workflow_run run where run.id = approval.run_id and run.finished_at is not null)) \
         order by expires_at limit 500",
        now as _,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.organization_id, row.id))
        .collect())
}

/// Ends those of them that still wait; their titles.
pub(super) async fn expire(
    conn: &mut PgConnection,
    ids: &[ApprovalId],
) -> sqlx::Result<Vec<(ApprovalId, String)>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| (*id).into()).collect();
    let rows = sqlx::query!(
        "update approval set status = 'expired' where id = any ($1) and status = 'pending' returning id, title",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.title)).collect())
}

/// What came of an approved one.
pub(super) async fn settle(
    conn: &mut PgConnection,
    id: ApprovalId,
    status: ApprovalStatus,
    result: Option<&Value>,
    replaced_by: Option<ApprovalId>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update approval set status = $2, result = $3, replaced_by = $4 where id = $1",
        id as _,
        status.as_str(),
        result,
        replaced_by as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A member's role.
pub(super) async fn role(conn: &mut PgConnection, user_id: UserId) -> sqlx::Result<Option<Role>> {
    sqlx::query_scalar!("select role from member where user_id = $1", user_id as _)
        .fetch_optional(conn)
        .await
}

/// What a token is called, if it still works.
pub(super) async fn token(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ApiTokenId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select name from api_token where id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
        id as _,
        cx.now as _,
    )
    .fetch_optional(conn)
    .await
}
