//! People are let in, as many as may choose at once, in the order of their numbers.

use domain::{Actor, Cx, Permissions, Timestamp};
use store::StoreError;

use super::{
    changes::WaitingRoomLetIn,
    model::{RoomRow, TurnRow},
    sql,
};
use crate::App;

/// The guard that only one lets people in at a time; a test may take it away.
pub(super) const ONE_AT_A_TIME: &str = "waiting_room.one_at_a_time";

/// Who has not asked for so long is passed over.
const ABSENT_SECONDS: i64 = 120;

/// How long after people were let in it is done again.
const PAUSE_SECONDS: i64 = 2;

/// Whether it is time to let people in.
pub(super) fn is_due(room: &RoomRow, now: Timestamp) -> bool {
    let again = |at: Timestamp| at.plus_seconds(PAUSE_SECONDS) <= now;
    room.is_open(now) && room.looked_at.is_none_or(again)
}

/// Lets people in if it is time and nobody else is at it. Draws the lots when the room opens.
pub(super) async fn let_in(app: &App, cx: &Cx, of: &TurnRow) -> Result<(), StoreError> {
    let actor = Actor::System {
        reason: "waiting room",
    };
    let mut cx = Cx::new(cx.organization_id, actor, Permissions::NONE).with_now(cx.now);
    cx.operation = "let_in";
    let now = cx.now;
    let mut tx = app.store().write(&cx).await?;
    let room = if tx.lacks(ONE_AT_A_TIME) {
        sql::room(tx.conn(), of.event_id).await?
    } else {
        sql::try_lock_room(tx.conn(), of.event_id).await?
    };
    let Some(mut room) = room.filter(|room| is_due(room, now)) else {
        return tx.unchanged(()).await;
    };
    if !room.is_drawn {
        sql::draw_lots(tx.conn(), room.event_id).await?;
    }
    let inside = sql::inside(tx.conn(), room.event_id, now).await?;
    room.measure(inside, now);
    let free = i64::from(room.at_once) - inside;
    let numbers = if free > 0 {
        let seen_after = now.plus_seconds(-ABSENT_SECONDS);
        let ends_at = now.plus_seconds(60 * i64::from(room.turn_minutes));
        sql::let_in(tx.conn(), room.event_id, free, (now, seen_after, ends_at)).await?
    } else {
        Vec::new()
    };
    let highest = numbers.iter().copied().max().unwrap_or_default();
    room.reached_number = room.reached_number.max(highest);
    room.settle(inside, numbers.len(), now);
    sql::note_look(tx.conn(), &room).await?;
    if numbers.is_empty() {
        return tx.unchanged(()).await;
    }
    let change = WaitingRoomLetIn {
        event_id: room.event_id,
        event_title: of.event_title.clone(),
        count: numbers.len(),
        number: highest,
    };
    tx.commit(change, ()).await
}

impl RoomRow {
    /// Adds to the pace what passed since people were last let in, if others waited for it.
    fn measure(&mut self, inside: i64, now: Timestamp) {
        let Some(before) = self.looked_at.filter(|_| self.is_full) else {
            return;
        };
        let passed = (i64::from(self.inside_count) - inside).max(0);
        let took = (now.as_microseconds() - before.as_microseconds()) / 1_000;
        self.passed_count = self.passed_count.saturating_add(passed);
        self.busy_milliseconds = self.busy_milliseconds.saturating_add(took.max(0));
    }

    /// How many choose from now on.
    fn settle(&mut self, inside: i64, let_in: usize, now: Timestamp) {
        let inside = inside.saturating_add(i64::try_from(let_in).unwrap_or(i64::MAX));
        self.inside_count = i32::try_from(inside).unwrap_or(i32::MAX);
        self.is_full = self.inside_count >= self.at_once;
        self.looked_at = Some(now);
    }
}
