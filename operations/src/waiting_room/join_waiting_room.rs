//! `join_waiting_room`: somebody takes a turn.

use domain::{Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference, TurnId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{changes::WaitingRoomJoined, check_turn::Found, model::Turn, sql};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    ticket_types::{self, BasketError},
};

/// Take a turn in the waiting room of an event for one buyer; `check_turn` says when it has come, and `hold_tickets` takes it.
/// Before the room opens it does not matter who comes when: turns are drawn by lot. After that they go by coming.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct JoinWaitingRoom {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for JoinWaitingRoom {
    const NAME: &'static str = "join_waiting_room";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = Turn;
    type Error = JoinWaitingRoomError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Turn, JoinWaitingRoomError> {
        let mut tx = app.store().write(cx).await?;
        // Shared: the room stays on until the commit.
        let event = events::share(tx.conn(), cx, &self.event).await?;
        ticket_types::on_sale(&event)?;
        if !event.has_waiting_room {
            return Err(JoinWaitingRoomError::NoRoom(event.title));
        }
        let number = number(tx.conn(), cx, &event).await?;
        let id: TurnId = cx.new_id();
        sql::join(tx.conn(), cx, event.id, id, number).await?;
        let change = WaitingRoomJoined {
            turn_id: id,
            event_id: event.id,
            event_title: event.title,
            number,
        };
        let answer = Found::read(tx.conn(), cx, id).await?.seen(cx.now);
        Ok(tx.commit(change, answer).await?)
    }
}

/// The number of somebody who comes now; none before lots are drawn.
async fn number(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
) -> Result<Option<i64>, JoinWaitingRoomError> {
    let gone = || sqlx::Error::RowNotFound;
    let room = sql::room(conn, event.id).await?.ok_or_else(gone)?;
    let is_drawn = if !room.is_drawn && room.is_open(cx.now) {
        let room = sql::lock_room(conn, event.id).await?.ok_or_else(gone)?;
        if !room.is_drawn {
            sql::draw_lots(conn, event.id).await?;
        }
        true
    } else {
        // Nobody draws before whoever comes now is written down.
        let room = sql::share_room(conn, event.id).await?;
        room.ok_or_else(gone)?.is_drawn
    };
    if !is_drawn {
        return Ok(None);
    }
    Ok(Some(sql::next_number(conn, event.id).await?))
}

/// How `join_waiting_room` refuses.
#[derive(Debug, thiserror::Error)]
pub enum JoinWaitingRoomError {
    /// It has none.
    #[error("{0:?} has no waiting room")]
    NoRoom(String),
    /// The event is a draft, over, cancelled or archived.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const NO_WAITING_ROOM: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "no_waiting_room",
    "Nobody needs a turn: hold tickets with hold_tickets.",
);

impl Fault for JoinWaitingRoomError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NO_WAITING_ROOM];
        specs.extend(BasketError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NoRoom(_) => NO_WAITING_ROOM.at("event"),
            Self::Basket(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for JoinWaitingRoomError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        testing::Scene,
        waiting_room::{TurnStatus, tests::*},
    };

    #[tokio::test]
    async fn those_who_come_early_are_drawn_by_lot_and_those_who_come_later_follow() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 3).await;
        let early = joined(&scene, -60, event, 12).await;
        let before = ask(&scene, -10, early[0]).await;
        assert_eq!(
            (before.status, before.position, before.ask_again_seconds),
            (TurnStatus::Waiting, None, Some(10))
        );
        assert_eq!(before.opens, Some(OPENS.parse().unwrap()));
        let late = joined(&scene, 1, event, 2).await;
        let mut positions = Vec::new();
        for turn in &early {
            positions.push(ask(&scene, 1, *turn).await);
        }
        let now: Vec<_> = positions
            .iter()
            .filter(|turn| turn.status == TurnStatus::Now)
            .collect();
        assert_eq!(now.len(), 3);
        assert_eq!(
            now[0].until_local,
            Some("2027-01-11T12:05:01".parse().unwrap())
        );
        let waiting: Vec<i64> = positions.iter().filter_map(|turn| turn.position).collect();
        assert_eq!(
            waiting.iter().copied().collect::<BTreeSet<_>>(),
            (1..=9).collect()
        );
        let mut owner = scene.database.owner().await;
        let mut numbers = Vec::new();
        for turn in early.iter().chain(&late) {
            let number = sqlx::query_scalar::<_, i64>("select number from turn where id = $1");
            let number = number.bind(turn).fetch_one(&mut owner).await.unwrap();
            numbers.push(number);
        }
        assert_ne!(
            numbers,
            (1..=14).collect::<Vec<_>>(),
            "in the order of coming"
        );
        assert_eq!(numbers[12..], [13, 14]);
        let last = ask(&scene, 1, late[1]).await;
        assert_eq!((last.position, last.about_minutes), (Some(11), None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn everybody_has_a_number_whoever_comes_around_the_opening() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 2).await;
        let mut coming = JoinSet::new();
        for index in 0..60 {
            // The clocks of two servers differ a little.
            let (app, cx) = (
                scene.another_server(),
                buyer(&scene, i64::from(index % 2) - 1),
            );
            coming.spawn(async move { join(&app, &cx, event).await.id });
        }
        let turns = coming.join_all().await;
        inside(&scene, 1, &turns).await;
        let counts = "select count(distinct number) * 1000 + max(number) from turn";
        assert_eq!(scene.database.count(counts).await, 60_060);
    }

    #[tokio::test]
    async fn a_repeat_takes_no_second_turn() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 3).await.into();
        scene.assert_idempotent(JoinWaitingRoom { event }).await;
    }
}
