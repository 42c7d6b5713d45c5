//! Every query on `message`, `message_template` and `suppression` that one organization makes.

use domain::{
    Cx, EventId, Language, MessageId, MessageKind, MessageTemplateId, OrderId, PageRequest,
    SuppressionId, TicketId, TicketTypeId, Timestamp, Untrusted,
};
use sqlx::{PgConnection, types::Json};

use super::{
    model::{
        MessageRow, MessageStatus, NewMessage, Suppression, SuppressionReason, SuppressionScope,
    },
    segment::{Addressee, Segment},
};
use crate::people::ERASED_EMAIL;

/// An organization's own template.
pub(super) struct TemplateRow {
    pub(super) id: MessageTemplateId,
    pub(super) name: String,
    pub(super) language: Language,
    pub(super) kind: MessageKind,
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) body: String,
    pub(super) version: i32,
    pub(super) updated_at: Timestamp,
}

/// The organization's own template of a name, in the language or else in another.
pub(super) async fn find_template(
    conn: &mut PgConnection,
    name: &str,
    language: Language,
) -> sqlx::Result<Option<TemplateRow>> {
    sqlx::query_as!(
        TemplateRow,
        "select id, name, language, kind, subject, preheader, body, version, updated_at from message_template
         where name = $1 and (language = $2 or not $3)
         order by language <> $2, language limit 1",
        name,
        language as _,
        // A template that comes with the program is there in every language.
        name.parse::<delivery::template::Builtin>().is_ok(),
    )
    .fetch_optional(conn)
    .await
}

/// The organization's own templates.
pub(super) async fn templates(conn: &mut PgConnection) -> sqlx::Result<Vec<TemplateRow>> {
    sqlx::query_as!(
        TemplateRow,
        "select id, name, language, kind, subject, preheader, body, version, updated_at from message_template
         order by name, language"
    )
    .fetch_all(conn)
    .await
}

/// The names of the organization's own templates.
pub(super) async fn template_names(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("select distinct name from message_template order by name")
        .fetch_all(conn)
        .await
}

pub(super) async fn insert_template(
    conn: &mut PgConnection,
    cx: &Cx,
    row: &TemplateRow,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into message_template (organization_id, id, name, language, kind, subject, preheader, body, version,
           created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         on conflict on constraint message_template_name_key do update
           set kind = excluded.kind, subject = excluded.subject, preheader = excluded.preheader, body = excluded.body,
             version = excluded.version, updated_at = excluded.updated_at",
        cx.organization_id as _,
        row.id as _,
        row.name,
        row.language as _,
        row.kind as _,
        row.subject,
        row.preheader,
        row.body,
        row.version,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The organization's own template of a name and language, held until the transaction ends.
pub(super) async fn lock_template(
    conn: &mut PgConnection,
    name: &str,
    language: Language,
) -> sqlx::Result<Option<TemplateRow>> {
    sqlx::query_as!(
        TemplateRow,
        "select id, name, language, kind, subject, preheader, body, version, updated_at from message_template
         where name = $1 and language = $2 for update",
        name,
        language as _,
    )
    .fetch_optional(conn)
    .await
}

/// Queues messages; those whose recipients want none are kept as suppressed. Messages that were queued before under
/// the same key are left as they are. The ids of the new ones, with whether they will be sent.
pub(super) async fn queue(
    conn: &mut PgConnection,
    cx: &Cx,
    messages: &[NewMessage],
) -> sqlx::Result<Vec<(MessageId, bool)>> {
    let rows: Vec<_> = messages
        .iter()
        .map(|message| {
            serde_json::json!({
                "id": uuid::Uuid::from(message.id),
                "template": message.template,
                "language": message.language,
                "kind": message.kind,
                "channel": message.channel,
                "recipient_address": message.recipient_address,
                "recipient_name": message.recipient_name,
                "subject": message.subject,
                "html": message.html,
                "text": message.text,
                "attachments": message.attachments,
                "event_id": message.event_id.map(uuid::Uuid::from),
                "order_id": message.order_id.map(uuid::Uuid::from),
                "ticket_id": message.ticket_id.map(uuid::Uuid::from),
                "dedupe_key": message.dedupe_key,
                "send_at": message.send_at,
                "approval_id": message.decision.map(|(approval_id, _)| uuid::Uuid::from(approval_id)),
                "decider_id": message.decision.map(|(_, user_id)| uuid::Uuid::from(user_id)),
            })
        })
        .collect();
    let queued = sqlx::query!(
        r#"insert into message (organization_id, id, template, language, kind, channel, recipient_address, recipient_name,
             subject, html, text, attachments, event_id, order_id, ticket_id, dedupe_key, status, send_at, next_attempt_at,
             created_at, updated_at, approval_id, decider_id)
           select $1, r.id, r.template, r.language, r.kind, r.channel, r.recipient_address, r.recipient_name, r.subject,
             r.html, r.text, r.attachments, r.event_id, r.order_id, r.ticket_id, r.dedupe_key,
             case when exists (
               select from suppression s where lower(s.address) = lower(r.recipient_address)
                 and (s.scope = 'all' or r.kind = 'marketing')) then 'suppressed' else 'queued' end,
             r.send_at, r.send_at, $3, $3, r.approval_id, r.decider_id
           from jsonb_to_recordset($2) as r(id uuid, template text, language text, kind text, channel text,
             recipient_address text, recipient_name text, subject text, html text, text text, attachments jsonb,
             event_id uuid, order_id uuid, ticket_id uuid, dedupe_key text, send_at timestamptz, approval_id uuid,
             decider_id uuid)
           on conflict do nothing
           returning id, status = 'queued' as "queued!""#,
        cx.organization_id as _,
        Json(&rows) as _,
        cx.now as _,
    )
    .fetch_all(conn)
    .await?;
    Ok(queued.into_iter().map(|row| (row.id, row.queued)).collect())
}

/// Selects messages as [`MessageRow`]; the text behind it starts with `where`.
macro_rules! select_messages {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            MessageRow,
            r#"select id, template, kind, channel, status, recipient_name, recipient_address, subject, event_id, order_id,
                 send_at, sent_at, attempts, next_attempt_at, error_code, error, created_at
               from message "# + $rest
            $(, $argument)*
        )
    };
}

/// The message of an id.
pub(super) async fn find(
    conn: &mut PgConnection,
    id: MessageId,
) -> sqlx::Result<Option<MessageRow>> {
    select_messages!("where id = $1", id as _)
        .fetch_optional(conn)
        .await
}

/// The message of an id, held until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    id: MessageId,
) -> sqlx::Result<Option<MessageRow>> {
    select_messages!("where id = $1 for update", id as _)
        .fetch_optional(conn)
        .await
}

/// Which messages are wanted.
pub(super) struct Filter<'a> {
    pub(super) event_id: Option<EventId>,
    pub(super) order_id: Option<OrderId>,
    pub(super) status: Option<MessageStatus>,
    pub(super) template: Option<&'a str>,
    pub(super) address: Option<&'a str>,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) page: PageRequest,
}

/// Messages, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
) -> sqlx::Result<Vec<MessageRow>> {
    let (key, id) = filter.page.after();
    let key = key.map(Timestamp::from_microseconds);
    select_messages!(
        "where ($1::uuid is null or event_id = $1)
           and ($2::uuid is null or order_id = $2)
           and ($3::text is null or status = $3)
           and ($4::text is null or template = $4)
           and ($5::text is null or lower(recipient_address) = lower($5))
           and ($6::timestamptz is null or (created_at, id) < ($6, $7))
           and ($9::timestamptz is null or updated_at >= $9)
           and ($10::timestamptz is null or updated_at < $10)
         order by created_at desc, id desc limit $8",
        filter.event_id as _,
        filter.order_id as _,
        filter.status as _,
        filter.template,
        filter.address,
        key as _,
        id,
        filter.page.fetch(),
        filter.since as _,
        filter.until as _,
    )
    .fetch_all(conn)
    .await
}

/// The plain text of a message and the names of its files.
pub(super) async fn content(
    conn: &mut PgConnection,
    id: MessageId,
) -> sqlx::Result<(String, Vec<String>)> {
    let row = sqlx::query!(
        r#"select text, array(select f ->> 'name' from jsonb_array_elements(attachments) as f) as "files!: Vec<String>"
           from message where id = $1"#,
        id as _
    )
    .fetch_one(conn)
    .await?;
    Ok((row.text, row.files))
}

/// Moves a message that nobody is sending; the counter of attempts starts anew when it is queued.
pub(super) async fn set_status(
    conn: &mut PgConnection,
    cx: &Cx,
    id: MessageId,
    status: MessageStatus,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update message set status = $2, next_attempt_at = case when $2 = 'queued' then $3 else next_attempt_at end,
           attempts = case when $2 = 'queued' then 0 else attempts end, updated_at = $3
         where id = $1 and status <> 'sending'",
        id as _,
        status as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether an address gets mail of a kind.
pub(super) async fn is_suppressed(
    conn: &mut PgConnection,
    address: &str,
    kind: MessageKind,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from suppression where lower(address) = lower($1)
             and (scope = 'all' or $2 = 'marketing')) as "is!""#,
        address,
        kind as _,
    )
    .fetch_one(conn)
    .await
}

/// Which of several addresses get no mail of a kind.
pub(super) async fn suppressed(
    conn: &mut PgConnection,
    addresses: &[String],
    kind: MessageKind,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select distinct lower(address) as "address!" from suppression
           where lower(address) = any($1) and (scope = 'all' or $2 = 'marketing')"#,
        addresses,
        kind as _,
    )
    .fetch_all(conn)
    .await
}

/// Puts an address on the list, or notes a new reason; the row, with whether it is new.
pub(super) async fn suppress(
    conn: &mut PgConnection,
    cx: &Cx,
    address: &str,
    (reason, scope): (SuppressionReason, SuppressionScope),
    note: Option<&str>,
) -> sqlx::Result<(Suppression, bool)> {
    let id = cx.new_id::<SuppressionId>();
    let row = sqlx::query_as!(
        Suppression,
        "insert into suppression (organization_id, id, address, reason, scope, note, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (organization_id, lower(address), scope) do update set note = coalesce(excluded.note, suppression.note)
         returning id, address, reason, scope, note, created_at",
        cx.organization_id as _,
        id as _,
        address,
        reason as _,
        scope as _,
        note,
        cx.now as _,
    )
    .fetch_one(conn)
    .await?;
    let is_new = row.id == id;
    Ok((row, is_new))
}

/// Addresses that get no mail, latest first.
pub(super) async fn suppressions(
    conn: &mut PgConnection,
    address: Option<&str>,
    page: PageRequest,
) -> sqlx::Result<Vec<Suppression>> {
    let (key, id) = page.after();
    let key = key.map(Timestamp::from_microseconds);
    sqlx::query_as!(
        Suppression,
        "select id, address, reason, scope, note, created_at from suppression
         where ($1::text is null or lower(address) = lower($1))
           and ($2::timestamptz is null or (created_at, id) < ($2, $3))
         order by created_at desc, id desc limit $4",
        address,
        key as _,
        id,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// Takes a row off the list.
pub(super) async fn unsuppress(
    conn: &mut PgConnection,
    id: SuppressionId,
) -> sqlx::Result<Option<(SuppressionReason, SuppressionScope)>> {
    let row = sqlx::query!(
        "delete from suppression where id = $1 returning reason, scope",
        id as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.reason, row.scope)))
}

/// Who a message to a segment goes to: one row per address, by name.
pub(super) async fn addressees(
    conn: &mut PgConnection,
    event_id: EventId,
    segment: Segment,
    ticket_type_id: Option<TicketTypeId>,
) -> sqlx::Result<Vec<Addressee>> {
    if segment == Segment::Unpaid {
        return sqlx::query_as!(
            Addressee,
            r#"select distinct on (lower(orders.buyer_email)) orders.buyer_email as "address!", orders.buyer_name as "name!",
                 orders.id as "order_id!", orders.number as "order_number!", null::uuid as "ticket_id: TicketId",
                 null::text as "ticket_type"
               from orders
               where orders.event_id = $1 and orders.status = 'pending' and orders.buyer_email <> $3
                 and ($2::uuid is null or exists (select from order_item
                        where order_item.order_id = orders.id and order_item.ticket_type_id = $2 and order_item.quantity > 0))
               order by lower(orders.buyer_email), orders.placed_at desc"#,
            event_id as _,
            ticket_type_id as _,
            ERASED_EMAIL,
        )
        .fetch_all(conn)
        .await;
    }
    let checked_in = match segment {
        Segment::CheckedIn => Some(true),
        Segment::NotCheckedIn => Some(false),
        Segment::All | Segment::Unpaid => None,
    };
    sqlx::query_as!(
        Addressee,
        r#"select distinct on (lower(coalesce(ticket.attendee_email, orders.buyer_email)))
             coalesce(ticket.attendee_email, orders.buyer_email) as "address!: domain::EmailAddress",
             coalesce(ticket.attendee_name, orders.buyer_name) as "name!: Untrusted",
             orders.id as "order_id!", orders.number as "order_number!", ticket.id as "ticket_id?",
             ticket_type.name as "ticket_type?"
           from ticket
             join orders on orders.id = ticket.order_id
             join ticket_type on ticket_type.id = ticket.ticket_type_id
             left join check_in on check_in.ticket_id = ticket.id
               and check_in.result = 'admitted' and check_in.undone_at is null
           where ticket.event_id = $1 and ticket.status = 'valid'
             and ($2::uuid is null or ticket.ticket_type_id = $2)
             and ($3::boolean is null or (check_in.id is not null) = $3)
             and coalesce(ticket.attendee_email, orders.buyer_email) <> $4
           order by lower(coalesce(ticket.attendee_email, orders.buyer_email)), ticket.id"#,
        event_id as _,
        ticket_type_id as _,
        checked_in,
        ERASED_EMAIL,
    )
    .fetch_all(conn)
    .await
}

/// What a ticket type is called, for every type an event ever had.
pub(super) async fn ticket_types(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Vec<(TicketTypeId, String)>> {
    let rows = sqlx::query!(
        "select id, name from ticket_type where event_id = $1 order by position, id",
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Takes away what keeps a message from being queued twice, for the control of a test.
#[cfg(test)]
pub(super) async fn without_unique_key(owner: &mut PgConnection) {
    let dropped = sqlx::query("alter table message drop constraint message_dedupe_key_key")
        .execute(owner)
        .await;
    dropped.expect("the owner may alter tables");
}
