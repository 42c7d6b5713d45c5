//! Every query on `api_token`.

use domain::{ApiTokenId, Cx, OrganizationId, Timestamp, UserId};
use sqlx::PgConnection;

use super::list_tokens::TokenRecord;
use crate::permission::Role;

/// A token as it is stored, with its maker's present role.
pub(super) struct Stored {
    pub(super) organization_id: OrganizationId,
    pub(super) id: ApiTokenId,
    pub(super) user_id: UserId,
    pub(super) role: Role,
    pub(super) scopes: Vec<String>,
    pub(super) toolsets: Option<Vec<String>>,
    pub(super) read_only: bool,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used_at: Option<Timestamp>,
}

/// The token of a hash, unless revoked. Needs the system role.
pub(super) async fn find_by_hash(
    conn: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select token.organization_id, token.id, token.user_id, member.role, token.scopes, token.toolsets, \
           token.read_only, token.expires_at, token.last_used_at \
         from api_token token \
         join member on member.organization_id = token.organization_id and member.user_id = token.user_id \
         where token.hash = $1 and token.revoked_at is null",
        hash
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn note_use(
    conn: &mut PgConnection,
    id: ApiTokenId,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update api_token set last_used_at = $2 where id = $1",
        id as _,
        now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    user_id: UserId,
    hash: &[u8],
    token: &TokenRecord,
) -> sqlx::Result<()> {
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into api_token (organization_id, id, user_id, name, hash, scopes, toolsets, read_only, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        cx.organization_id as _,
        token.id as _,
        user_id as _,
        token.name,
        hash,
        &scopes,
        token.toolsets.as_deref() as _,
        token.read_only,
        cx.now as _,
        token.expires_at as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<TokenRecord>> {
    let rows = sqlx::query!(
        "select id, name, scopes, toolsets, read_only, created_at, expires_at, last_used_at, revoked_at \
         from api_token order by id"
    )
    .fetch_all(conn)
    .await?;
    let records = rows.into_iter().map(|row| TokenRecord {
        id: row.id,
        name: row.name,
        scopes: row.scopes.iter().filter_map(|s| s.parse().ok()).collect(),
        toolsets: row.toolsets,
        read_only: row.read_only,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    });
    Ok(records.collect())
}

/// Marks a token as revoked; `None` when there is no such token or it is revoked already.
pub(super) async fn revoke(
    conn: &mut PgConnection,
    id: ApiTokenId,
    now: Timestamp,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "update api_token set revoked_at = $2 where id = $1 and revoked_at is null returning name",
        id as _,
        now as _
    )
    .fetch_optional(conn)
    .await
}
