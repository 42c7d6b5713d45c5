//! Every query on conversations.

use domain::{ConversationId, Cx, PageRequest, Timestamp, UserId, WorkflowRunId};
use serde_json::Value;
use sqlx::PgConnection;

use super::model::{Conversation, ConversationEntry, EntryKind, TurnOutcome, status};
use crate::workflow_runs::RunStatus;

/// A conversation with what its status follows from.
pub(super) struct Row {
    pub(super) id: ConversationId,
    pub(super) agent: String,
    pub(super) title: String,
    pub(super) user_id: UserId,
    pub(super) permissions: Vec<String>,
    pub(super) turn_count: i32,
    pub(super) last_seq: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) outcome: Option<TurnOutcome>,
    pub(super) run_id: Option<WorkflowRunId>,
    pub(super) run_status: Option<RunStatus>,
    pub(super) is_deciding: bool,
    pub(super) cost: i64,
}

impl Row {
    pub(super) fn seen(&self) -> Conversation {
        Conversation {
            id: self.id,
            agent: self.agent.clone(),
            title: self.title.clone(),
            status: status(self.outcome, self.run_status, self.is_deciding),
            turn_count: self.turn_count,
            last_seq: self.last_seq,
            cost: self.cost,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

pub(super) struct NewConversation<'a> {
    pub(super) id: ConversationId,
    pub(super) agent: &'a str,
    pub(super) title: &'a str,
    pub(super) user_id: UserId,
    pub(super) permissions: &'a [String],
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    new: &NewConversation<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into conversation (organization_id, id, agent, title, user_id, permissions, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
        cx.organization_id as _,
        new.id as _,
        new.agent,
        new.title,
        new.user_id as _,
        new.permissions,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The conversation, locked: turns and entries are numbered under it.
pub(super) async fn lock(conn: &mut PgConnection, id: ConversationId) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        "select id from conversation where id = $1 for update",
        id as _
    );
    Ok(found.fetch_optional(conn).await?.is_some())
}

/// A conversation of a person; of anybody when nobody is named.
pub(super) async fn get(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ConversationId,
    user_id: Option<UserId>,
) -> sqlx::Result<Option<Row>> {
    let page = PageRequest::default();
    let mut rows = rows(conn, cx, Some(id), user_id, page).await?;
    Ok(rows.pop())
}

/// Conversations of a person, newest word first.
pub(super) async fn rows(
    conn: &mut PgConnection,
    cx: &Cx,
    id: Option<ConversationId>,
    user_id: Option<UserId>,
    page: PageRequest,
) -> sqlx::Result<Vec<Row>> {
    let (key, after) = page.after();
    let key = key.map(Timestamp::from_microseconds);
    sqlx::query_as!(
        Row,
        r#"select conversation.id, agent, conversation.title, user_id, permissions, turn_count, last_seq,
             conversation.created_at, updated_at, turn.outcome as "outcome?", turn.run_id as "run_id?",
             run.status as "run_status?: RunStatus",
             exists (select from approval where approval.run_id = turn.run_id and approval.status = 'pending'
                       and approval.expires_at > $5) as "is_deciding!",
             coalesce((select sum(cost) from model_call join conversation_turn spending
                         on spending.run_id = model_call.run_id
                       where spending.conversation_id = conversation.id), 0)::bigint as "cost!"
           from conversation
             left join conversation_turn turn on turn.conversation_id = conversation.id and turn.number = turn_count
             left join workflow_run run on run.id = turn.run_id
           where ($1::uuid is null or conversation.id = $1) and ($2::uuid is null or user_id = $2)
             and ($3::timestamptz is null or (updated_at, conversation.id) < ($3, $4))
           order by updated_at desc, conversation.id desc limit $6"#,
        id as _,
        user_id as _,
        key as _,
        after,
        cx.now as _,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// Begins a turn; its number.
pub(super) async fn begin_turn(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ConversationId,
    run_id: WorkflowRunId,
) -> sqlx::Result<i32> {
    let number = sqlx::query_scalar!(
        "update conversation set turn_count = turn_count + 1, updated_at = $2 where id = $1 returning turn_count",
        id as _,
        cx.now as _,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into conversation_turn (organization_id, conversation_id, number, run_id, started_at) values ($1, $2, $3, $4, $5)",
        cx.organization_id as _,
        id as _,
        number,
        run_id as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(number)
}

/// Whether a turn goes on, and which run it is.
pub(super) async fn turn(
    conn: &mut PgConnection,
    id: ConversationId,
    number: i32,
) -> sqlx::Result<Option<(Option<WorkflowRunId>, Option<TurnOutcome>)>> {
    let found = sqlx::query!(
        "select run_id, outcome from conversation_turn where conversation_id = $1 and number = $2",
        id as _,
        number,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|turn| (turn.run_id, turn.outcome)))
}

pub(super) async fn end_turn(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ConversationId,
    number: i32,
    ended: (TurnOutcome, Option<&Value>, bool),
) -> sqlx::Result<()> {
    let (outcome, messages, is_tainted) = ended;
    sqlx::query!(
        "update conversation_turn set outcome = $3, messages = $4, is_tainted = $5, ended_at = $6 \
         where conversation_id = $1 and number = $2 and outcome is null",
        id as _,
        number,
        outcome as _,
        messages,
        is_tainted,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from conversation_entry where conversation_id = $1 and turn = $2 and kind = 'text'",
        id as _,
        number,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update conversation set updated_at = $2 where id = $1",
        id as _,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away the pieces of a text whose whole is there now.
pub(super) async fn drop_pieces(
    conn: &mut PgConnection,
    id: ConversationId,
    turn: i32,
    prefix: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from conversation_entry where conversation_id = $1 and turn = $2 and kind = 'text' and starts_with(part, $3)",
        id as _,
        turn,
        prefix,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes an entry, over an older one of the same part. Call it with the conversation locked.
pub(super) async fn write_entry(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ConversationId,
    turn: i32,
    entry: (&str, EntryKind, &Value),
) -> sqlx::Result<()> {
    let (part, kind, body) = entry;
    sqlx::query!(
        "with next as (update conversation set last_seq = last_seq + 1 where id = $2 returning last_seq) \
         insert into conversation_entry (organization_id, conversation_id, seq, turn, part, kind, body, at) \
         select $1, $2, last_seq, $3, $4, $5, $6, $7 from next \
         on conflict (conversation_id, turn, part) do update \
           set seq = excluded.seq, kind = excluded.kind, body = excluded.body, at = excluded.at",
        cx.organization_id as _,
        id as _,
        turn,
        part,
        kind as _,
        body,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn entries(
    conn: &mut PgConnection,
    id: ConversationId,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<ConversationEntry>> {
    sqlx::query_as!(
        ConversationEntry,
        "select seq, turn, part, kind, body, at from conversation_entry \
         where conversation_id = $1 and seq > $2 order by seq limit $3",
        id as _,
        after,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The runs of a conversation.
pub(super) async fn runs(
    conn: &mut PgConnection,
    id: ConversationId,
) -> sqlx::Result<Vec<WorkflowRunId>> {
    sqlx::query_scalar!(
        r#"select run_id as "run_id!: WorkflowRunId" from conversation_turn
           where conversation_id = $1 and run_id is not null order by number"#,
        id as _
    )
    .fetch_all(conn)
    .await
}

/// What was said in the turns before one, oldest first, and whether any of them read strangers' text.
pub(super) async fn history(
    conn: &mut PgConnection,
    id: ConversationId,
    before: i32,
) -> sqlx::Result<(Vec<Value>, bool)> {
    let turns = sqlx::query!(
        "select messages, is_tainted from conversation_turn where conversation_id = $1 and number < $2 order by number",
        id as _,
        before,
    )
    .fetch_all(conn)
    .await?;
    let is_tainted = turns.iter().any(|turn| turn.is_tainted);
    let messages = turns.into_iter().filter_map(|turn| turn.messages).collect();
    Ok((messages, is_tainted))
}

/// What a turn's run has cost.
pub(super) async fn cost(conn: &mut PgConnection, run_id: WorkflowRunId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(cost), 0)::bigint as "cost!" from model_call where run_id = $1"#,
        run_id as _
    )
    .fetch_one(conn)
    .await
}
