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

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        testing::{Scene, without},
        waiting_room::{GetWaitingRoom, letting_in::ONE_AT_A_TIME, tests::*},
    };

    #[tokio::test]
    async fn who_is_away_is_passed_over_and_is_next_on_coming_back() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 1).await;
        let turns = joined(&scene, 0, event, 3).await;
        assert_eq!(ask(&scene, 0, turns[0]).await.status, TurnStatus::Now);
        for seconds in [100, 200, 290] {
            assert_eq!(ask(&scene, seconds, turns[2]).await.position, Some(2));
        }
        // The first turn has passed, and the second has not asked for five minutes.
        assert_eq!(ask(&scene, 301, turns[2]).await.status, TurnStatus::Now);
        assert_eq!(ask(&scene, 302, turns[1]).await.position, Some(1));
        let new = joined(&scene, 302, event, 1).await;
        // 61 is after the pause: one person choose for 300 seconds, and one turn ended meanwhile.
        assert_eq!(ask(&scene, 303, new[0]).await.about_minutes, Some(6));
        assert_eq!(ask(&scene, 602, turns[1]).await.status, TurnStatus::Now);
        let how = GetWaitingRoom {
            event: event.into(),
        };
        let cx = scene.at("2027-01-11T11:10:03Z");
        let room = scene.app.run(&cx, how).await.unwrap();
        assert_eq!(
            (room.waiting, room.inside, room.turns_per_hour),
            (1, 1, Some(11))
        );
    }

    /// Twelve ask at the same moment on two servers, in a room for one at once. How many are in after the first round in which
    /// somebody is let in, at most of some rounds.
    async fn most_inside(guards: &[&'static str]) -> usize {
        let mut most = 0;
        for _ in 0..12 {
            let scene = Scene::new().await;
            let event = with_room(&scene, 1).await;
            let turns = joined(&scene, 0, event, 12).await;
            let servers = [
                scene.server_with(without(guards)),
                scene.server_with(without(guards)),
            ];
            let mut asking = JoinSet::new();
            for (index, turn) in turns.iter().enumerate() {
                let (app, cx, turn) = (servers[index % 2].clone(), buyer(&scene, 1), *turn);
                asking.spawn(async move { app.run(&cx, CheckTurn { turn }).await.unwrap() });
            }
            asking.join_all().await;
            most = most.max(inside(&scene, 1, &turns).await.len());
            if most > 1 {
                break;
            }
        }
        most
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_choose_at_once_than_may() {
        assert_eq!(most_inside(&[]).await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_more_choose_when_several_let_people_in() {
        let most = most_inside(&[ONE_AT_A_TIME]).await;
        assert!(most > 1, "the crowd is too small to show anything");
    }
}
