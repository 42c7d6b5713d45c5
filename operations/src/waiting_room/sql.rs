//! Every query on `waiting_room` and `turn`.

use domain::{Cx, EventId, Timestamp, TurnId};
use sqlx::PgConnection;

use super::model::{RoomRow, TurnRow};
use crate::lookup::LookupError;

/// Selects rooms as [`RoomRow`]; the text behind it starts with `where`.
macro_rules! select_rooms {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            RoomRow,
            "select event_id, opens_at, at_once, turn_minutes, is_drawn, last_number, reached_number, looked_at, inside_count,
               is_full, passed_count, busy_milliseconds
             from waiting_room " + $rest
            $(, $argument)*
        )
    };
}

/// The room of an event, on or off.
pub(super) async fn room(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RoomRow>> {
    select_rooms!("where event_id = $1", event_id as _)
        .fetch_optional(conn)
        .await
}

/// The room of an event, kept from others until the transaction ends.
pub(super) async fn lock_room(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RoomRow>> {
    select_rooms!("where event_id = $1 for update", event_id as _)
        .fetch_optional(conn)
        .await
}

/// Like [`lock_room`], or none when somebody else has it.
pub(super) async fn try_lock_room(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RoomRow>> {
    select_rooms!("where event_id = $1 for update skip locked", event_id as _)
        .fetch_optional(conn)
        .await
}

/// The room of an event, whose lots are not drawn until the transaction ends. Many share it, and may take numbers.
pub(super) async fn share_room(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<Option<RoomRow>> {
    select_rooms!("where event_id = $1 for key share", event_id as _)
        .fetch_optional(conn)
        .await
}

/// Sets a room up, or anew. The event is locked.
pub(super) async fn save(
    conn: &mut PgConnection,
    cx: &Cx,
    room: &RoomRow,
    seed: &[u8; 32],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into waiting_room (organization_id, event_id, opens_at, at_once, turn_minutes, is_drawn, seed)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (event_id) do update set opens_at = excluded.opens_at, at_once = excluded.at_once,
           turn_minutes = excluded.turn_minutes, is_drawn = excluded.is_drawn",
        cx.organization_id as _,
        room.event_id as _,
        room.opens_at as _,
        room.at_once,
        room.turn_minutes,
        room.is_drawn,
        &seed[..],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many wait, and how many choose.
pub(super) async fn counts(
    conn: &mut PgConnection,
    event_id: EventId,
    now: Timestamp,
) -> sqlx::Result<(i64, i64)> {
    let waiting = sqlx::query_scalar!(
        r#"select count(*) as "count!" from turn where event_id = $1 and began_at is null"#,
        event_id as _
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok((waiting, inside(conn, event_id, now).await?))
}

/// How many choose: their turn has not passed, and they have not ordered.
pub(super) async fn inside(
    conn: &mut PgConnection,
    event_id: EventId,
    now: Timestamp,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from turn
           where event_id = $1 and began_at is not null and ends_at > $2
             and not exists (select from hold where hold.turn_id = turn.id and hold.status = 'ordered')"#,
        event_id as _,
        now as _
    )
    .fetch_one(conn)
    .await
}

/// Numbers those who came before the room opened, in an order that nobody could foresee: that of a hash of each id with the
/// room's seed. The room is locked. Gives the last number.
pub(super) async fn draw_lots(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<i64> {
    let drawn = sqlx::query!(
        "update turn set number = drawn.number
         from (select turn.id, last_number + row_number() over (order by sha256(seed || uuid_send(turn.id)), turn.id) as number
               from turn join waiting_room using (event_id) where event_id = $1 and turn.number is null) as drawn
         where turn.id = drawn.id",
        event_id as _
    )
    .execute(&mut *conn)
    .await?;
    let last = sqlx::query_scalar!(
        "update waiting_room set is_drawn = true, last_number = last_number + $2 where event_id = $1 returning last_number",
        event_id as _,
        i64::try_from(drawn.rows_affected()).unwrap_or(i64::MAX),
    )
    .fetch_one(conn)
    .await?;
    Ok(last)
}

/// The next number of a room, which is locked by this.
pub(super) async fn next_number(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "update waiting_room set last_number = last_number + 1 where event_id = $1 returning last_number",
        event_id as _
    )
    .fetch_one(conn)
    .await
}

/// Adds somebody's turn.
pub(super) async fn join(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
    id: TurnId,
    number: Option<i64>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into turn (organization_id, id, event_id, number, joined_at, seen_at) values ($1, $2, $3, $4, $5, $5)",
        cx.organization_id as _,
        id as _,
        event_id as _,
        number,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets the next in, in the order of their numbers, of those who were there lately. The room is locked. Gives their numbers.
pub(super) async fn let_in(
    conn: &mut PgConnection,
    event_id: EventId,
    count: i64,
    (now, seen_after, ends_at): (Timestamp, Timestamp, Timestamp),
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        r#"update turn set began_at = $3, ends_at = $5
           where id in (select id from turn where event_id = $1 and began_at is null and number is not null and seen_at > $4
                        order by number limit $2)
           returning number as "number!""#,
        event_id as _,
        count,
        now as _,
        seen_after as _,
        ends_at as _,
    )
    .fetch_all(conn)
    .await
}

/// Writes down how a room stands after people were let in.
pub(super) async fn note_look(conn: &mut PgConnection, room: &RoomRow) -> sqlx::Result<()> {
    sqlx::query!(
        "update waiting_room set looked_at = $2, inside_count = $3, is_full = $4, passed_count = $5, busy_milliseconds = $6,
           reached_number = $7
         where event_id = $1",
        room.event_id as _,
        room.looked_at as _,
        room.inside_count,
        room.is_full,
        room.passed_count,
        room.busy_milliseconds,
        room.reached_number,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The turn of an id.
pub(super) async fn turn(conn: &mut PgConnection, id: TurnId) -> Result<TurnRow, LookupError> {
    let found = sqlx::query_as!(
        TurnRow,
        r#"select turn.id, turn.event_id, event.title as event_title, event.starts_local as event_starts, event.zone, turn.number, turn.seen_at, turn.ends_at,
             exists (select from hold where hold.turn_id = turn.id and hold.status = 'ordered') as "has_ordered!"
           from turn join event on event.id = turn.event_id where turn.id = $1"#,
        id as _
    )
    .fetch_optional(conn)
    .await?;
    found.ok_or_else(|| LookupError::NotFound {
        noun: "turn",
        given: id.to_string(),
        candidates: Vec::new(),
    })
}

/// Notes that somebody is still there.
pub(super) async fn note_seen(
    conn: &mut PgConnection,
    id: TurnId,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update turn set seen_at = $2 where id = $1",
        id as _,
        now as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A turn that has begun.
pub(super) struct Begun {
    pub(super) id: TurnId,
    pub(super) event_id: EventId,
    pub(super) ends_at: Timestamp,
    /// Whether places are held in it, or were ordered.
    pub(super) is_used: bool,
}

/// Those of these turns that have begun, kept from others until the transaction ends.
pub(super) async fn lock_begun(
    conn: &mut PgConnection,
    ids: &[TurnId],
) -> sqlx::Result<Vec<Begun>> {
    // Read after they are locked: whoever had them before may have held places.
    let ids = sqlx::query_scalar!(
        "select id from turn where id = any($1) and began_at is not null order by id for update",
        ids as _
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query_as!(
        Begun,
        r#"select id, event_id, ends_at as "ends_at!",
             exists (select from hold where hold.turn_id = turn.id and hold.status in ('live', 'ordered')) as "is_used!"
           from turn where id = any($1)"#,
        &ids as _
    )
    .fetch_all(conn)
    .await
}
