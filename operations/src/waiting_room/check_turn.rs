//! `check_turn`: how far somebody's turn has come.

use domain::{Cx, Permission, Timestamp, TurnId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    letting_in::{is_due, let_in},
    model::{RoomRow, Turn, TurnRow, TurnStatus},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
};

/// How far somebody's turn in a waiting room has come: their position, about how long it takes, and until when it lasts. Ask
/// again after `ask_again_seconds`, so that they count as there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckTurn {
    /// The turn.
    pub turn: TurnId,
}

impl Operation for CheckTurn {
    const NAME: &'static str = "check_turn";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Turn;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Turn, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let mut found = Found::read(tx.conn(), cx, self.turn).await?;
        drop(tx);
        if found.waits(cx.now) {
            if is_seen_long_ago(&found.turn, cx.now) {
                let cx = cx.apart();
                let mut tx = app.store().write(&cx).await?;
                sql::note_seen(tx.conn(), self.turn, cx.now).await?;
                tx.unchanged(()).await?;
            }
            if is_due(&found.room, cx.now) {
                let_in(app, cx, &found.turn).await?;
            }
            let mut tx = app.store().read(cx).await?;
            found = Found::read(tx.conn(), cx, self.turn).await?;
        }
        Ok(found.seen(cx.now))
    }
}

/// After so long it is written down anew that somebody is there: a write for each question would be one every few seconds
/// from everybody.
const SEEN_SECONDS: i64 = 30;

fn is_seen_long_ago(turn: &TurnRow, now: Timestamp) -> bool {
    turn.seen_at.plus_seconds(SEEN_SECONDS) <= now
}

/// A turn with its room and event.
pub(super) struct Found {
    event: Event,
    room: RoomRow,
    turn: TurnRow,
}

impl Found {
    pub(super) async fn read(
        conn: &mut PgConnection,
        cx: &Cx,
        id: TurnId,
    ) -> Result<Self, LookupError> {
        let turn = sql::turn(conn, id).await?;
        let event = events::get(conn, cx, turn.event_id).await?;
        let room = sql::room(conn, turn.event_id).await?;
        let room = room.ok_or(sqlx::Error::RowNotFound)?;
        Ok(Self { event, room, turn })
    }

    fn waits(&self, now: Timestamp) -> bool {
        self.event.has_waiting_room && self.turn.status(now) == TurnStatus::Waiting
    }

    /// As callers see it; when the room was turned off, it is everybody's turn.
    pub(super) fn seen(self, now: Timestamp) -> Turn {
        let is_on = self.event.has_waiting_room;
        let turn = self.turn.seen(&self.room, now);
        if is_on || turn.status != TurnStatus::Waiting {
            return turn;
        }
        Turn {
            status: TurnStatus::Now,
            opens: None,
            position: None,
            about_minutes: None,
            ask_again_seconds: None,
            ..turn
        }
    }
}
