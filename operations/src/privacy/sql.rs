//! Every query that finds and erases personal data, over the tables of other subjects.

use domain::{Actor, Cx, EventId, LocalTime, PageRequest, Timestamp, WorkflowRunId};
use sqlx::PgConnection;

use crate::people::{ERASED_EMAIL, ERASED_NAME};

/// An event that is long over.
pub(super) struct DueRow {
    pub(super) id: EventId,
    pub(super) title: String,
    pub(super) ends_at: Timestamp,
    pub(super) ends_local: LocalTime,
    pub(super) order_count: i64,
}

/// Events that ended so many months ago and still have personal data, oldest first.
pub(super) async fn due(
    conn: &mut PgConnection,
    cx: &Cx,
    months: i32,
    page: PageRequest,
) -> sqlx::Result<Vec<DueRow>> {
    let (key, id) = page.after();
    let key = key.map(Timestamp::from_microseconds);
    sqlx::query_as!(
        DueRow,
        r#"select event.id, event.title, event.ends_at, event.ends_local, named.count as "order_count!"
           from event, lateral (
               select count(*) from orders where orders.event_id = event.id and orders.buyer_email <> $6) as named
           where event.ends_at < $1::timestamptz - make_interval(months => $2)
             and ($3::timestamptz is null or (event.ends_at, event.id) > ($3, $4))
             and (named.count > 0
               or exists (select from message where message.event_id = event.id and message.recipient_address <> '')
               or exists (select from waitlist_entry where waitlist_entry.event_id = event.id and waitlist_entry.email <> $6)
               or exists (select from survey_response where survey_response.event_id = event.id
                            and survey_response.comment is not null))
           order by event.ends_at, event.id limit $5"#,
        cx.now as _,
        months,
        key as _,
        id,
        page.fetch(),
        ERASED_EMAIL,
    )
    .fetch_all(conn)
    .await
}

/// What tells where else an event is spoken of: its ids as they are written, and addresses in lower case.
pub(super) struct Traces {
    pub(super) ids: Vec<String>,
    pub(super) addresses: Vec<String>,
}

/// The traces of an event, as long as they are there.
pub(super) async fn traces(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<Traces> {
    let ids = sqlx::query_scalar!(
        r#"select kind || '_' || replace(id::text, '-', '') as "id!" from (
             select 'evt', $1::uuid
             union all select 'ord', id from orders where event_id = $1
             union all select 'tkt', id from ticket where event_id = $1
             union all select 'srv', id from survey_response where event_id = $1
             union all select 'wte', id from waitlist_entry where event_id = $1
             union all select 'msg', id from message where event_id = $1
               or order_id in (select id from orders where event_id = $1)
           ) as known (kind, id)"#,
        event_id as _
    )
    .fetch_all(&mut *conn)
    .await?;
    let addresses = sqlx::query_scalar!(
        r#"select distinct lower(address) as "address!" from (
             select buyer_email from orders where event_id = $1
             union all select attendee_email from ticket where event_id = $1
             union all select email from waitlist_entry where event_id = $1
             union all select attendee ->> 'email' from order_item, jsonb_array_elements(attendees) as attendee
               where event_id = $1
             union all select recipient_address from message
               where event_id = $1 or order_id in (select id from orders where event_id = $1)
           ) as known (address)
           where address like '%@%' and address <> $2
             and not exists (select from users where lower(users.email) = lower(address))"#,
        event_id as _,
        ERASED_EMAIL,
    )
    .fetch_all(conn)
    .await?;
    Ok(Traces { ids, addresses })
}

/// Takes the addresses away of people who have business with the organization beside what was erased.
pub(super) async fn forget_known(
    conn: &mut PgConnection,
    addresses: Vec<String>,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select address as "address!" from unnest($1::text[]) as address
           where not exists (select from orders where lower(buyer_email) = address)
             and not exists (select from ticket where lower(attendee_email) = address)
             and not exists (select from waitlist_entry where lower(email) = address)"#,
        &addresses
    )
    .fetch_all(conn)
    .await
}

/// Blanks who bought; how many orders.
pub(super) async fn orders(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update orders set buyer_name = $2, buyer_email = $3, note = null, cancellation_reason = null,
           version = version + 1, updated_at = $4
         where event_id = $1 and (buyer_email <> $3 or note is not null or cancellation_reason is not null)",
        event_id as _,
        ERASED_NAME,
        ERASED_EMAIL,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update order_item set attendees = '[]' where event_id = $1 and attendees <> '[]'",
        event_id as _
    )
    .execute(&mut *conn)
    .await?;
    // Invoices themselves stay as they were issued: the law has them kept.
    sqlx::query!(
        "delete from invoice_address where order_id in (select id from orders where event_id = $1)",
        event_id as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update payment set reference = null
         where reference is not null and order_id in (select id from orders where event_id = $1)",
        event_id as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update refund set reason = null
         where reason is not null and order_id in (select id from orders where event_id = $1)",
        event_id as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Blanks who held tickets; how many tickets.
pub(super) async fn tickets(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update ticket set attendee_name = null, attendee_email = null, void_reason = null
         where event_id = $1 and coalesce(attendee_name, attendee_email, void_reason) is not null",
        event_id as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Blanks who waited for the event, and ends what is still open; how many entries.
pub(super) async fn waitlist(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update waitlist_entry set name = $2, email = $3,
           status = case status when 'waiting' then 'left' when 'offered' then
             (select case hold.status when 'ordered' then 'bought' else 'lapsed' end from hold where hold.id = hold_id)
             else status end,
           ended_at = coalesce(ended_at, $4)
         where event_id = $1 and email <> $3",
        event_id as _,
        ERASED_NAME,
        ERASED_EMAIL,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Blanks what people wrote about the event; how many comments.
pub(super) async fn comments(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update survey_response set comment = null where event_id = $1 and comment is not null",
        event_id as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Blanks the messages about the event, to its people, or to the team about them; how many. Those not sent yet are
/// called off. None if one is being handed over at this moment.
pub(super) async fn messages(
    conn: &mut PgConnection,
    event_id: EventId,
    addresses: &[String],
) -> sqlx::Result<Option<u64>> {
    let rows = sqlx::query_scalar!(
        r#"select id from message
           where recipient_address <> '' and (event_id = $1
             or order_id in (select id from orders where event_id = $1)
             or event_id is null and order_id is null
               and (lower(recipient_address) = any($2) or mentions(subject || ' ' || text, '{}', $2)))
           order by id for update"#,
        event_id as _,
        addresses,
    )
    .fetch_all(&mut *conn)
    .await?;
    // When it changed last says when it failed, which digests go by: it stays.
    let done = sqlx::query!(
        "update message set recipient_name = '', recipient_address = '', subject = '', html = '', text = '',
           headers = '{}', attachments = '[]', error = null,
           status = case when status = 'queued' then 'cancelled' else status end
         where id = any($1) and status <> 'sending'",
        &rows as _
    )
    .execute(conn)
    .await?;
    let all = done.rows_affected() == rows.len() as u64;
    Ok(all.then_some(done.rows_affected()))
}

/// Runs that go on and questions that wait, in which the event is spoken of; but for the run that asks.
pub(super) async fn unfinished(
    conn: &mut PgConnection,
    cx: &Cx,
    traces: &Traces,
) -> sqlx::Result<i64> {
    let own = match &cx.actor {
        Actor::Workflow { run_id, .. } => Some(*run_id),
        _ => None,
    };
    sqlx::query_scalar!(
        r#"select
             (select count(*) from workflow_run run
              where run.finished_at is null and run.id is distinct from $4
                and (mentions(concat(run.trigger, run.params, run.variables, run.definition), $1, $2)
                  or exists (select from workflow_step step
                     where step.run_id = run.id and mentions(concat(step.input, step.output), $1, $2))))
             + (select count(*) from approval
                where status = 'pending' and expires_at > $3 and operation is distinct from 'erase_personal_data'
                  and mentions(concat(input, preview::text, show), $1, $2)) as "count!""#,
        &traces.ids,
        &traces.addresses,
        cx.now as _,
        own as _,
    )
    .fetch_one(conn)
    .await
}

/// Blanks what finished runs, decided questions and remembered answers say about the event; how many they are.
/// That they were stays, and when.
pub(super) async fn records(
    conn: &mut PgConnection,
    cx: &Cx,
    traces: &Traces,
) -> sqlx::Result<u64> {
    let runs = sqlx::query_scalar!(
        r#"select run.id as "id: WorkflowRunId" from workflow_run run
           where run.finished_at is not null
             and (mentions(concat(run.params, run.variables, run.output, run.error, run.definition,
                    case when run.trigger ->> 'kind' = 'webhook' then run.trigger end), $1, $2)
               or exists (select from workflow_step step
                  where step.run_id = run.id and mentions(concat(step.input, step.output, step.error), $1, $2)))"#,
        &traces.ids,
        &traces.addresses,
    )
    .fetch_all(&mut *conn)
    .await?;
    // What started a run names nobody, unless it came from outside.
    sqlx::query!(
        r#"update workflow_run set params = '{}', variables = '{}', output = null, definition = definition || '{"input": {}}',
             error = error || '{"message": "erased"}',
             trigger = case when trigger ->> 'kind' = 'webhook' then '{"kind": "webhook"}' else trigger end
           where id = any($1)"#,
        &runs as _
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"update workflow_step set input = '{"erased": true}', error = error || '{"message": "erased"}',
             output = case when output is not null then '{"erased": true}'::jsonb end
           where run_id = any($1)"#,
        &runs as _
    )
    .execute(&mut *conn)
    .await?;
    let approvals = sqlx::query!(
        "update approval set input = '{}', preview = '{}', show = null, result = null, note = null
         where (status <> 'pending' or expires_at <= $3) and operation is distinct from 'erase_personal_data'
           and mentions(concat(input, preview::text, show, result, note), $1, $2)",
        &traces.ids,
        &traces.addresses,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    let conversations = sqlx::query!(
        r#"with turn as (
             update conversation_turn set messages = null where mentions(messages::text, $1, $2)
             returning conversation_id),
           entry as (
             update conversation_entry set body = '{"text": "erased"}' where mentions(body::text, $1, $2)
             returning conversation_id)
           update conversation set title = 'erased'
           where mentions(title, $1, $2) or id in (select conversation_id from turn union select conversation_id from entry)"#,
        &traces.ids,
        &traces.addresses,
    )
    .execute(&mut *conn)
    .await?;
    let answers = sqlx::query!(
        "delete from idempotency_key where personal and mentions(answer::text, $1, $2)",
        &traces.ids,
        &traces.addresses,
    )
    .execute(conn)
    .await?;
    Ok(runs.len() as u64
        + approvals.rows_affected()
        + conversations.rows_affected()
        + answers.rows_affected())
}
