//! Every query on `webhook_endpoint` and `webhook_delivery`.

use domain::{
    ChangeId, Cx, OrganizationId, PageRequest, Timestamp, WebhookDeliveryId, WebhookEndpointId,
};
use sqlx::{PgConnection, types::Json};

use super::model::{DeliveryStatus, EndpointStatus, WebhookDelivery};

/// An endpoint with its secrets.
pub(super) struct EndpointRow {
    pub(super) id: WebhookEndpointId,
    pub(super) url: String,
    pub(super) kinds: Option<Vec<String>>,
    pub(super) secrets: Vec<String>,
    pub(super) status: EndpointStatus,
    pub(super) version: i32,
}

/// The endpoint of an id, held until the transaction ends.
pub(super) async fn lock_endpoint(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
) -> sqlx::Result<Option<EndpointRow>> {
    sqlx::query_as!(
        EndpointRow,
        "select id, url, kinds, secrets, status, version from webhook_endpoint where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await
}

/// The endpoint of an address.
pub(super) async fn endpoint_of(
    conn: &mut PgConnection,
    url: &str,
) -> sqlx::Result<Option<WebhookEndpointId>> {
    sqlx::query_scalar!("select id from webhook_endpoint where url = $1", url)
        .fetch_optional(conn)
        .await
}

/// All endpoints, oldest first.
pub(super) async fn endpoints(conn: &mut PgConnection) -> sqlx::Result<Vec<EndpointRow>> {
    sqlx::query_as!(
        EndpointRow,
        "select id, url, kinds, secrets, status, version from webhook_endpoint order by created_at, id"
    )
    .fetch_all(conn)
    .await
}

/// Writes an endpoint. A new one is told of what changes from now on.
pub(super) async fn save_endpoint(
    conn: &mut PgConnection,
    cx: &Cx,
    row: &EndpointRow,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into webhook_endpoint (organization_id, id, url, kinds, secrets, status, position, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, pg_current_xact_id()::text::bigint, $7, $8, $8)
         on conflict (id) do update set url = excluded.url, kinds = excluded.kinds, secrets = excluded.secrets,
           status = excluded.status, version = excluded.version, updated_at = excluded.updated_at",
        cx.organization_id as _,
        row.id as _,
        row.url,
        row.kinds.as_deref() as _,
        &row.secrets,
        row.status as _,
        row.version,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects deliveries as [`WebhookDelivery`]; the text behind it starts with `where`.
macro_rules! select_deliveries {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            WebhookDelivery,
            r#"select id, endpoint_id, change_id, kind, status, attempts,
                 case when status = 'queued' then next_attempt_at end as next_attempt_at, response_code, error, created_at
               from webhook_delivery "# + $rest
            $(, $argument)*
        )
    };
}

/// Deliveries, newest first.
pub(super) async fn deliveries(
    conn: &mut PgConnection,
    endpoint_id: Option<WebhookEndpointId>,
    status: Option<DeliveryStatus>,
    page: PageRequest,
) -> sqlx::Result<Vec<WebhookDelivery>> {
    let (_, after) = page.after();
    select_deliveries!(
        "where ($1::uuid is null or endpoint_id = $1) and ($2::text is null or status = $2)
           and ($3::uuid is null or sequence < (select sequence from webhook_delivery where id = $3))
         order by sequence desc limit $4",
        endpoint_id as _,
        status as _,
        after,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// The delivery of an id.
pub(super) async fn delivery(
    conn: &mut PgConnection,
    id: WebhookDeliveryId,
) -> sqlx::Result<Option<WebhookDelivery>> {
    select_deliveries!("where id = $1 for update", id as _)
        .fetch_optional(conn)
        .await
}

/// Makes a delivery again.
pub(super) async fn replay(
    conn: &mut PgConnection,
    cx: &Cx,
    id: WebhookDeliveryId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_delivery set status = 'queued', attempts = 0, next_attempt_at = $2, delivered_at = null
         where id = $1 and status in ('delivered', 'failed')",
        id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An endpoint that may have something to be told. Needs the system role.
pub(super) struct Listener {
    pub(super) id: WebhookEndpointId,
    pub(super) organization_id: OrganizationId,
    pub(super) kinds: Option<Vec<String>>,
    pub(super) position: i64,
    /// All transactions up to this one have ended.
    pub(super) upto: i64,
}

/// Endpoints behind the end of the outbox, each held by one relay at a time. Needs the system role.
pub(super) async fn listeners(conn: &mut PgConnection) -> sqlx::Result<Vec<Listener>> {
    sqlx::query_as!(
        Listener,
        r#"select id, organization_id, kinds, position, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as "upto!"
           from webhook_endpoint
           where status = 'enabled' and position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1
           order by position limit 100 for update skip locked"#
    )
    .fetch_all(conn)
    .await
}

/// A change as it is told.
pub(super) struct Told {
    pub(super) id: ChangeId,
    pub(super) kind: String,
    pub(super) transaction: i64,
    pub(super) body: serde_json::Value,
}

/// The next changes for an endpoint, whole transactions only, up to about five hundred. Needs the system role.
pub(super) async fn changes_for(
    conn: &mut PgConnection,
    listener: &Listener,
) -> sqlx::Result<Vec<Told>> {
    sqlx::query_as!(
        Told,
        r#"select id, kind, transaction_id::text::bigint as "transaction!",
             jsonb_build_object('change', 'chg_' || replace(id::text, '-', ''), 'kind', kind, 'at', at,
               'subject', subject_kind || '_' || replace(subject_id::text, '-', ''), 'summary', summary,
               'details', payload) as "body!"
           from change
           where organization_id = $1 and transaction_id > $2::bigint::text::xid8 and transaction_id <= $3::bigint::text::xid8
             and ($4::text[] is null or kind = any($4))
           order by transaction_id, sequence
           fetch first 500 rows with ties"#,
        listener.organization_id as _,
        listener.position,
        listener.upto,
        listener.kinds.as_deref() as _,
    )
    .fetch_all(conn)
    .await
}

/// A delivery to be written.
pub(super) struct NewDelivery {
    pub(super) id: WebhookDeliveryId,
    pub(super) change_id: ChangeId,
    pub(super) kind: String,
    pub(super) body: String,
}

/// Queues deliveries of an endpoint and notes how far it has been told. Needs the system role.
pub(super) async fn queue(
    conn: &mut PgConnection,
    listener: &Listener,
    deliveries: &[NewDelivery],
    (position, now): (i64, Timestamp),
) -> sqlx::Result<()> {
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            serde_json::json!({
                "id": uuid::Uuid::from(delivery.id),
                "change_id": uuid::Uuid::from(delivery.change_id),
                "kind": delivery.kind,
                "body": delivery.body,
            })
        })
        .collect();
    sqlx::query!(
        "insert into webhook_delivery (organization_id, id, endpoint_id, change_id, kind, body, status, next_attempt_at, created_at)
         select $1, r.id, $2, r.change_id, r.kind, r.body, 'queued', $4, $4
         from jsonb_to_recordset($3) as r(id uuid, change_id uuid, kind text, body text)
         on conflict on constraint webhook_delivery_once do nothing",
        listener.organization_id as _,
        listener.id as _,
        Json(&rows) as _,
        now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update webhook_endpoint set position = $2, updated_at = updated_at where id = $1",
        listener.id as _,
        position,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A delivery that was taken up for posting.
pub(super) struct Claim {
    pub(super) id: WebhookDeliveryId,
    pub(super) endpoint_id: WebhookEndpointId,
    pub(super) body: String,
    pub(super) attempts: i32,
    pub(super) url: String,
    pub(super) secrets: Vec<String>,
}

/// Takes up deliveries that are due, in the order of their making. Needs the system role.
pub(super) async fn claim(
    conn: &mut PgConnection,
    owner: &str,
    limit: i64,
    (now, until): (Timestamp, Timestamp),
) -> sqlx::Result<Vec<Claim>> {
    sqlx::query_as!(
        Claim,
        r#"with due as (
             select d.id, e.url, e.secrets from webhook_delivery d
               join webhook_endpoint e on e.id = d.endpoint_id and e.status = 'enabled'
             where d.status = 'queued' and d.next_attempt_at <= $3 or d.status = 'sending' and d.lease_until < $3
             order by d.next_attempt_at, d.sequence
             limit $2 for update of d skip locked)
           update webhook_delivery set status = 'sending', attempts = attempts + 1, lease_owner = $1, lease_until = $4
           from due where webhook_delivery.id = due.id
           returning webhook_delivery.id, webhook_delivery.endpoint_id, webhook_delivery.body,
             webhook_delivery.attempts, due.url, due.secrets"#,
        owner,
        limit,
        now as _,
        until as _,
    )
    .fetch_all(conn)
    .await
}

/// How a post ended.
pub(super) struct Settling<'a> {
    pub(super) owner: &'a str,
    pub(super) status: DeliveryStatus,
    pub(super) response_code: Option<i32>,
    pub(super) error: Option<&'a str>,
    pub(super) next_attempt_at: Option<Timestamp>,
}

/// Writes down how a post ended, unless another worker has taken the delivery up since. Needs the system role.
pub(super) async fn settle(
    conn: &mut PgConnection,
    claim: &Claim,
    settling: &Settling<'_>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update webhook_delivery set status = $4::text, response_code = $5, error = $6,
           next_attempt_at = coalesce($7, next_attempt_at),
           delivered_at = case when $4::text = 'delivered' then $8::timestamptz end, lease_owner = null, lease_until = null
         where id = $1 and status = 'sending' and lease_owner = $2 and attempts = $3",
        claim.id as _,
        settling.owner,
        claim.attempts,
        settling.status as _,
        settling.response_code,
        settling.error,
        settling.next_attempt_at as _,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps what a worker has taken up and not yet settled for it until then. Needs the system role.
pub(super) async fn renew(
    conn: &mut PgConnection,
    owner: &str,
    ids: &[WebhookDeliveryId],
    until: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_delivery set lease_until = $3 where id = any($2) and status = 'sending' and lease_owner = $1",
        owner,
        ids as _,
        until as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that nobody wants to be told any more. Needs the system role.
pub(super) async fn set_gone(
    conn: &mut PgConnection,
    id: WebhookEndpointId,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_endpoint set status = 'gone', updated_at = $2 where id = $1",
        id as _,
        now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the next delivery is due. Needs the system role.
pub(super) async fn next_due(conn: &mut PgConnection) -> sqlx::Result<Option<Timestamp>> {
    sqlx::query_scalar!(
        r#"select min(case d.status when 'sending' then d.lease_until else d.next_attempt_at end) as "at: Timestamp"
           from webhook_delivery d join webhook_endpoint e on e.id = d.endpoint_id and e.status = 'enabled'
           where d.status in ('queued', 'sending')"#
    )
    .fetch_one(conn)
    .await
}
