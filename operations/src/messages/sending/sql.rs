//! Every query that senders make, across organizations, under the system role.

use domain::{
    ApprovalId, Language, MessageChannel, MessageId, MessageKind, OrderId, OrganizationId,
    SuppressionId, TicketId, Timestamp, Untrusted, UserId,
};
use sqlx::{PgConnection, types::Json};

use crate::messages::model::StoredAttachment;

/// A message that was taken up for sending.
pub(super) struct Claim {
    pub(super) id: MessageId,
    pub(super) organization_id: OrganizationId,
    pub(super) kind: MessageKind,
    pub(super) channel: MessageChannel,
    pub(super) language: Language,
    pub(super) order_id: Option<OrderId>,
    pub(super) ticket_id: Option<TicketId>,
    pub(super) send_at: Timestamp,
    pub(super) recipient_address: String,
    pub(super) recipient_name: Untrusted,
    pub(super) subject: String,
    pub(super) html: String,
    pub(super) text: String,
    pub(super) attachments: Json<Vec<StoredAttachment>>,
    /// Which attempt this is; tells this sender from a later one.
    pub(super) attempts: i32,
    pub(super) message_id: String,
    pub(super) created_at: Timestamp,
    pub(super) organization_name: String,
    pub(super) reply_email: Option<String>,
    /// What its recipient is asked to decide, as which member, and until when.
    pub(super) approval_id: Option<ApprovalId>,
    pub(super) decider_id: Option<UserId>,
    pub(super) decide_until: Option<Timestamp>,
}

/// One sender at a time counts what was sent lately; held until the transaction ends.
pub(super) async fn lock_rate(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('eventos message rate'))")
        .execute(conn)
        .await?;
    Ok(())
}

/// How many messages were sent or taken up in the last minute, and when the first of them was.
pub(super) async fn sent_lately(
    conn: &mut PgConnection,
    now: Timestamp,
) -> sqlx::Result<(i64, Option<Timestamp>)> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", min(at) as "first: Timestamp" from (
             select sent_at as at from message where sent_at > $1
             union all
             select updated_at from message where status = 'sending' and lease_until >= $2
           ) as lately"#,
        now.plus_seconds(-60) as _,
        now as _,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.first))
}

/// Marks messages that are due but whose recipients have come to want none; how many.
pub(super) async fn suppress_due(conn: &mut PgConnection, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update message set status = 'suppressed', lease_owner = null, lease_until = null, updated_at = $1
         where (status = 'queued' and next_attempt_at <= $1 or status = 'sending' and lease_until < $1)
           and exists (select from suppression s
             where s.organization_id = message.organization_id and lower(s.address) = lower(message.recipient_address)
               and (s.scope = 'all' or message.kind = 'marketing'))",
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Calls off mails that are due and ask about what was decided meanwhile, or can be decided no more.
pub(super) async fn cancel_decided(conn: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "update message set status = 'cancelled', lease_owner = null, lease_until = null, updated_at = $1
         where (status = 'queued' and next_attempt_at <= $1 or status = 'sending' and lease_until < $1)
           and exists (select from approval a
             where a.id = message.approval_id and (a.status <> 'pending' or a.expires_at <= $1))",
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up messages that are due, people's own business before news. Those that another sender is taking up at this
/// moment are passed over; those whose sender has not been heard of in time are taken up again.
pub(super) async fn claim(
    conn: &mut PgConnection,
    owner: &str,
    host: &str,
    limit: i64,
    (now, until): (Timestamp, Timestamp),
) -> sqlx::Result<Vec<Claim>> {
    sqlx::query_as!(
        Claim,
        r#"with due as (
             select id from message
             where status = 'queued' and next_attempt_at <= $4 or status = 'sending' and lease_until < $4
             order by (kind = 'marketing'), next_attempt_at, id
             limit $3 for update skip locked)
           update message set status = 'sending', attempts = attempts + 1, lease_owner = $1, lease_until = $5,
             message_id = coalesce(message_id, '<' || replace(message.id::text, '-', '') || '@' || $2 || '>'),
             updated_at = $4
           from due, organization
           where message.id = due.id and organization.id = message.organization_id
           returning message.id, message.organization_id, message.kind, message.channel, message.language,
             message.order_id, message.ticket_id, message.send_at, message.recipient_address,
             message.recipient_name, message.subject, message.html, message.text,
             message.attachments as "attachments: Json<Vec<StoredAttachment>>", message.attempts,
             message.message_id as "message_id!", message.created_at, organization.name as organization_name,
             organization.reply_email, message.approval_id, message.decider_id,
             (select expires_at from approval where approval.id = message.approval_id) as "decide_until: Timestamp""#,
        owner,
        host,
        limit,
        now as _,
        until as _,
    )
    .fetch_all(conn)
    .await
}

/// What is written about an attempt.
pub(super) struct Settling<'a> {
    pub(super) id: MessageId,
    pub(super) owner: &'a str,
    pub(super) attempts: i32,
    pub(super) status: &'a str,
    pub(super) error_code: Option<i32>,
    pub(super) error: Option<&'a str>,
    pub(super) next_attempt_at: Option<Timestamp>,
}

/// Writes down how an attempt ended, unless another sender has taken the message up since; returns whether it did.
pub(super) async fn settle(
    conn: &mut PgConnection,
    settling: &Settling<'_>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update message set status = $4::text, error_code = $5, error = $6, next_attempt_at = coalesce($7, next_attempt_at),
           sent_at = case when $4::text = 'sent' then $8::timestamptz end, lease_owner = null, lease_until = null, updated_at = $8
         where id = $1 and status = 'sending' and lease_owner = $2 and attempts = $3",
        settling.id as _,
        settling.owner,
        settling.attempts,
        settling.status,
        settling.error_code,
        settling.error,
        settling.next_attempt_at as _,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps what a sender has taken up and not yet settled for it until then.
pub(super) async fn renew(
    conn: &mut PgConnection,
    owner: &str,
    ids: &[MessageId],
    until: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update message set lease_until = $3 where id = any($2) and status = 'sending' and lease_owner = $1",
        owner,
        ids as _,
        until as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that an address takes no mail.
pub(super) async fn suppress(
    conn: &mut PgConnection,
    id: SuppressionId,
    claim: &Claim,
    note: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into suppression (organization_id, id, address, reason, scope, note, created_at)
         values ($1, $2, $3, 'refused', 'all', $4, $5)
         on conflict (organization_id, lower(address), scope) do nothing",
        claim.organization_id as _,
        id as _,
        claim.recipient_address,
        note,
        now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the next message is due, or a sender that has not been heard of gives its up.
pub(super) async fn next_due(conn: &mut PgConnection) -> sqlx::Result<Option<Timestamp>> {
    sqlx::query_scalar!(
        r#"select min(case status when 'sending' then lease_until else next_attempt_at end) as "at: Timestamp"
           from message where status in ('queued', 'sending')"#
    )
    .fetch_one(conn)
    .await
}

/// Who got a message.
pub(in crate::messages) struct Recipient {
    pub(in crate::messages) organization_id: OrganizationId,
    pub(in crate::messages) organization_name: String,
    pub(in crate::messages) language: domain::Language,
    pub(in crate::messages) address: String,
}

/// Who got the message of an id.
pub(in crate::messages) async fn recipient(
    conn: &mut PgConnection,
    id: MessageId,
) -> sqlx::Result<Option<Recipient>> {
    sqlx::query_as!(
        Recipient,
        "select message.organization_id, organization.name as organization_name, message.language,
           message.recipient_address as address
         from message join organization on organization.id = message.organization_id where message.id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await
}
