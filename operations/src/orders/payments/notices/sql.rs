//! Every query on `processor_notice`.

use domain::{OrderId, OrganizationId, Timestamp};
use payments::stripe::Notice;
use sqlx::PgConnection;

use crate::orders::payments::PaymentMethod;

/// The most notices that are taken up in one round.
const MOST_KEPT: i64 = 500;

/// Keeps what a processor told; whether it is news.
pub(super) async fn keep_notice(
    conn: &mut PgConnection,
    method: PaymentMethod,
    notice: &Notice,
    raw: Option<&serde_json::Value>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into processor_notice (method, once_key, topic, about, order_id, raw, received_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        method as _,
        notice.once_key(),
        notice.topic.to_string(),
        notice.about.as_ref().map(|about| about.id.as_str()),
        notice.order_id as _,
        raw,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What a processor told that no job looks up yet.
pub(super) struct Kept {
    pub(super) once_key: String,
    /// The order it belongs to, if it is one of ours.
    pub(super) owner: Option<(OrganizationId, OrderId)>,
}

/// What was told and not taken up yet, the oldest first.
pub(super) async fn kept_notices(
    conn: &mut PgConnection,
    method: PaymentMethod,
) -> sqlx::Result<Vec<Kept>> {
    let rows = sqlx::query!(
        r#"select once_key, owner.organization_id as "organization_id?: OrganizationId",
             owner.order_id as "order_id?: OrderId"
           from processor_notice left join lateral (
             select organization_id, order_id from payment_attempt
             where reference = processor_notice.about or payment_reference = processor_notice.about
                or payment_attempt.order_id = processor_notice.order_id
             limit 1) as owner on true
           where method = $1 and taken_at is null order by received_at limit $2"#,
        method as _,
        MOST_KEPT,
    )
    .fetch_all(conn)
    .await?;
    let kept = rows.into_iter().map(|row| Kept {
        once_key: row.once_key,
        owner: row.organization_id.zip(row.order_id),
    });
    Ok(kept.collect())
}

/// Notes that what was told is being looked up, or is nobody's.
pub(super) async fn take_notice(
    conn: &mut PgConnection,
    method: PaymentMethod,
    once_key: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update processor_notice set taken_at = $3 where method = $1 and once_key = $2 and taken_at is null",
        method as _,
        once_key,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what was told so long ago that nobody will look at it any more; how much.
pub(super) async fn forget_notices(
    conn: &mut PgConnection,
    before: Timestamp,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from processor_notice where received_at < $1 and taken_at is not null",
        before as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
