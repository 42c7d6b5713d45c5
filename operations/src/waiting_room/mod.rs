//! The waiting room of an on-sale: whoever buys takes a turn and holds places when it has come.
//!
//! Owns `waiting_room` and `turn`. States of a turn: `waiting` → `now` → `over`. Operations: `set_waiting_room`,
//! `get_waiting_room`, `join_waiting_room`, `check_turn`. Changes: `waiting_room.set`, `waiting_room.joined`,
//! `waiting_room.let_in`.
//!
//! Numbers are drawn by lot among those who came before it opened, and given in the order of coming after that, both under
//! the room's lock; nothing else decides who is next. `letting_in` lets people in whenever one of them asks, so no worker has
//! to run. `using` is what a hold asks before it begins.
//!
//! Locks, in this order: event (for itself by `set_waiting_room`), room, turns. A hold locks begun turns only, which nobody
//! who lets people in writes.

pub mod changes;
mod check_turn;
mod get_waiting_room;
mod join_waiting_room;
mod letting_in;
mod model;
mod set_waiting_room;
mod sql;
mod using;

pub use check_turn::CheckTurn;
pub use get_waiting_room::GetWaitingRoom;
pub use join_waiting_room::{JoinWaitingRoom, JoinWaitingRoomError};
pub use model::{Turn, TurnStatus, WaitingRoom};
pub use set_waiting_room::{SetWaitingRoom, SetWaitingRoomError};
pub use using::TurnError;
pub(crate) use using::{Turns, lock_turns};

#[cfg(test)]
mod tests {
    // Whose turn it is, and that nobody jumps: each rule with what happens to those who try.

    use domain::{Cx, EventId, Permission, TurnId};
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        App, buyers,
        holds::{Hold, HoldTickets, ReleaseHold},
        orders::PlaceOrder,
        testing::{Scene, assert_refused, buying, holding, ordering},
    };

    /// When the rooms of these tests open.
    pub(super) const OPENS: &str = "2027-01-11T12:00";
    const OPEN: &str = "2027-01-11T11:00:00Z";

    /// A buyer, some seconds after the room opens, or before if negative.
    pub(super) fn buyer(scene: &Scene, seconds: i64) -> Cx {
        let may = [Permission::OrdersRead, Permission::OrdersWrite];
        let opening: domain::Timestamp = OPEN.parse().unwrap();
        buyers::context(scene.cx.organization_id, may, opening.plus_seconds(seconds))
    }

    pub(super) fn room(event: EventId, at_once: i32) -> SetWaitingRoom {
        SetWaitingRoom {
            event: event.into(),
            is_on: None,
            opens: Some(OPENS.parse().unwrap()),
            at_once: Some(at_once),
            turn_minutes: Some(5),
        }
    }

    /// An event with many places and a room in which so many choose at once.
    pub(super) async fn with_room(scene: &Scene, at_once: i32) -> EventId {
        let (event, _) = scene.on_sale(2500, 100).await;
        scene.run(room(event.id, at_once)).await.unwrap();
        event.id
    }

    pub(super) async fn join(app: &App, cx: &Cx, event: EventId) -> Turn {
        let event = event.into();
        app.run(cx, JoinWaitingRoom { event }).await.unwrap()
    }

    pub(super) async fn joined(
        scene: &Scene,
        seconds: i64,
        event: EventId,
        count: usize,
    ) -> Vec<TurnId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(join(&scene.app, &buyer(scene, seconds), event).await.id);
        }
        ids
    }

    pub(super) async fn ask(scene: &Scene, seconds: i64, turn: TurnId) -> Turn {
        let cx = buyer(scene, seconds);
        scene.app.run(&cx, CheckTurn { turn }).await.unwrap()
    }

    /// Which of these turns have come.
    pub(super) async fn inside(scene: &Scene, seconds: i64, turns: &[TurnId]) -> Vec<TurnId> {
        let mut inside = Vec::new();
        for turn in turns {
            if ask(scene, seconds, *turn).await.status == TurnStatus::Now {
                inside.push(*turn);
            }
        }
        inside
    }

    pub(super) fn holding_in(event: EventId, turn: TurnId) -> HoldTickets {
        HoldTickets {
            turn: Some(turn),
            ..holding(event, 1)
        }
    }

    pub(super) async fn held(scene: &Scene, seconds: i64, event: EventId, turn: TurnId) -> Hold {
        let cx = buyer(scene, seconds);
        let hold = scene.app.run(&cx, holding_in(event, turn)).await;
        hold.unwrap()
    }

    #[tokio::test]
    async fn a_buyer_holds_in_their_turn_and_at_no_other_time() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 1).await;
        let turns = joined(&scene, 0, event, 2).await;
        let cx = buyer(&scene, 0);
        let none = scene.app.run(&cx, holding(event, 1)).await.unwrap_err();
        assert_eq!(
            none.to_string(),
            "\"Spring Gala\" is sold through a waiting room"
        );
        assert_refused::<(), _>(Err(none), "turn_needed");
        let past: PlaceOrder = buying(event, "Regular", 1);
        assert_refused(scene.app.run(&cx, past).await, "turn_needed");
        assert_refused(
            scene.app.run(&cx, holding_in(event, turns[0])).await,
            "turn_not_now",
        );
        assert_eq!(inside(&scene, 0, &turns).await, turns[..1]);
        assert_refused(
            scene.app.run(&cx, holding_in(event, turns[1])).await,
            "turn_not_now",
        );
        // Another event's turn, or nobody's.
        let elsewhere = scene.published("Autumn Gala").await.id;
        scene
            .run(crate::testing::selling(elsewhere, "Regular", 0, 5))
            .await
            .unwrap();
        scene.run(room(elsewhere, 1)).await.unwrap();
        assert_refused(
            scene.app.run(&cx, holding_in(elsewhere, turns[0])).await,
            "turn_not_now",
        );
        let nobody = cx.new_id();
        assert_refused(
            scene.app.run(&cx, holding_in(event, nobody)).await,
            "turn_not_now",
        );
        let hold = held(&scene, 1, event, turns[0]).await;
        assert_refused(
            scene
                .app
                .run(&buyer(&scene, 2), holding_in(event, turns[0]))
                .await,
            "turn_in_use",
        );
        // They choose otherwise.
        scene
            .app
            .run(&buyer(&scene, 3), ReleaseHold { hold: hold.id })
            .await
            .unwrap();
        let hold = held(&scene, 4, event, turns[0]).await;
        scene
            .app
            .run(&buyer(&scene, 5), ordering(&hold))
            .await
            .unwrap();
        assert_eq!(ask(&scene, 6, turns[0]).await.status, TurnStatus::Over);
        assert_refused(
            scene
                .app
                .run(&buyer(&scene, 6), holding_in(event, turns[0]))
                .await,
            "turn_in_use",
        );
        // An order makes room for the next, whose turn passes unused.
        assert_eq!(ask(&scene, 6, turns[1]).await.status, TurnStatus::Now);
        let late = scene
            .app
            .run(&buyer(&scene, 306), holding_in(event, turns[1]))
            .await;
        assert_refused(late, "turn_over");
        // The organizer sells past it, by any way.
        scene.run(holding(event, 1)).await.unwrap();
        scene.run(buying(event, "Regular", 1)).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_hold_begun_in_a_turn_is_ordered_after_it() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 1).await;
        let turns = joined(&scene, 0, event, 2).await;
        assert_eq!(inside(&scene, 0, &turns).await, turns[..1]);
        let hold = held(&scene, 299, event, turns[0]).await;
        assert_eq!(ask(&scene, 110, turns[1]).await.status, TurnStatus::Waiting);
        assert_eq!(ask(&scene, 301, turns[1]).await.status, TurnStatus::Now);
        scene
            .app
            .run(&buyer(&scene, 600), ordering(&hold))
            .await
            .unwrap();
        // What ran out in a turn is in nobody's way.
        let first = held(&scene, 302, event, turns[1]).await;
        scene
            .database
            .tell("update hold set expires_at = created_at where status = 'live'")
            .await;
        let again = held(&scene, 400, event, turns[1]).await;
        assert_ne!(first.id, again.id);
        scene.reconcile().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_turn_holds_once_however_many_try() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 1).await;
        let turn = joined(&scene, 0, event, 1).await[0];
        assert_eq!(ask(&scene, 0, turn).await.status, TurnStatus::Now);
        let servers = [scene.another_server(), scene.another_server()];
        let mut tries = JoinSet::new();
        for index in 0..20 {
            let (app, cx) = (servers[index % 2].clone(), buyer(&scene, 1));
            tries.spawn(async move { app.run(&cx, holding_in(event, turn)).await });
        }
        let outcomes = tries.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for refused in outcomes.into_iter().filter(Result::is_err) {
            assert_refused(refused, "turn_in_use");
        }
        scene.reconcile().await;
    }
}
