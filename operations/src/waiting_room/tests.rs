//! Whose turn it is, and that nobody jumps: each rule with what happens to those who try.

use std::collections::BTreeSet;

use domain::{Cx, EventId, Permission, TurnId};
use tokio::task::JoinSet;

use super::{letting_in::ONE_AT_A_TIME, *};
use crate::{
    App, buyers,
    events::StatusMove,
    holds::{Hold, HoldTickets, ReleaseHold},
    orders::PlaceOrder,
    permission::Role,
    testing::{Scene, assert_refused, buying, holding, new_event, ordering, without},
};

/// When the rooms of these tests open.
const OPENS: &str = "2027-01-11T12:00";
const OPEN: &str = "2027-01-11T11:00:00Z";

/// A buyer, some seconds after the room opens, or before if negative.
fn buyer(scene: &Scene, seconds: i64) -> Cx {
    let may = [Permission::OrdersRead, Permission::OrdersWrite];
    let opening: domain::Timestamp = OPEN.parse().unwrap();
    buyers::context(scene.cx.organization_id, may, opening.plus_seconds(seconds))
}

fn room(event: EventId, at_once: i32) -> SetWaitingRoom {
    SetWaitingRoom {
        event: event.into(),
        is_on: None,
        opens: Some(OPENS.parse().unwrap()),
        at_once: Some(at_once),
        turn_minutes: Some(5),
    }
}

/// An event with many places and a room in which so many choose at once.
async fn with_room(scene: &Scene, at_once: i32) -> EventId {
    let (event, _) = scene.on_sale(2500, 100).await;
    scene.run(room(event.id, at_once)).await.unwrap();
    event.id
}

async fn join(app: &App, cx: &Cx, event: EventId) -> Turn {
    let event = event.into();
    app.run(cx, JoinWaitingRoom { event }).await.unwrap()
}

async fn joined(scene: &Scene, seconds: i64, event: EventId, count: usize) -> Vec<TurnId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(join(&scene.app, &buyer(scene, seconds), event).await.id);
    }
    ids
}

async fn ask(scene: &Scene, seconds: i64, turn: TurnId) -> Turn {
    let cx = buyer(scene, seconds);
    scene.app.run(&cx, CheckTurn { turn }).await.unwrap()
}

/// Which of these turns have come.
async fn inside(scene: &Scene, seconds: i64, turns: &[TurnId]) -> Vec<TurnId> {
    let mut inside = Vec::new();
    for turn in turns {
        if ask(scene, seconds, *turn).await.status == TurnStatus::Now {
            inside.push(*turn);
        }
    }
    inside
}

fn holding_in(event: EventId, turn: TurnId) -> HoldTickets {
    HoldTickets {
        turn: Some(turn),
        ..holding(event, 1)
    }
}

async fn held(scene: &Scene, seconds: i64, event: EventId, turn: TurnId) -> Hold {
    let cx = buyer(scene, seconds);
    let hold = scene.app.run(&cx, holding_in(event, turn)).await;
    hold.unwrap()
}

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
    let numbers = sqlx::query_scalar::<_, i64>("select number from turn order by id")
        .fetch_all(&mut scene.database.owner().await)
        .await
        .unwrap();
    assert_ne!(
        numbers,
        (1..=14).collect::<Vec<_>>(),
        "in the order of coming"
    );
    assert_eq!(numbers[12..], [13, 14]);
    let last = ask(&scene, 1, late[1]).await;
    assert_eq!((last.position, last.about_minutes), (Some(11), None));
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
async fn a_room_is_set_up_changed_and_turned_off() {
    let scene = Scene::new().await;
    let event = with_room(&scene, 3).await;
    let change = scene.changes().await.pop().unwrap();
    assert_eq!(
        change.summary,
        "Sells \"Spring Gala\" through a waiting room that opens Mon 11 Jan 2027, 12:00: 3 people choose at once, 5 minutes each"
    );
    let count = scene.changes().await.len();
    scene.run(room(event, 3)).await.unwrap();
    assert_eq!(scene.changes().await.len(), count, "nothing changed");
    let turn = joined(&scene, 0, event, 1).await[0];
    ask(&scene, 0, turn).await;
    let more = SetWaitingRoom {
        opens: None,
        turn_minutes: None,
        ..room(event, 50)
    };
    let open = scene.at("2027-01-11T11:30:00Z");
    let changed = scene.app.run(&open, more.clone()).await.unwrap();
    assert_eq!((changed.at_once, changed.turn_minutes), (50, 5));
    let later = SetWaitingRoom {
        opens: Some("2027-01-11T15:00".parse().unwrap()),
        ..more.clone()
    };
    assert_refused(
        scene.app.run(&open, later.clone()).await,
        "waiting_room_open",
    );
    let off = SetWaitingRoom {
        is_on: Some(false),
        ..more
    };
    let off = scene.app.run(&open, off).await.unwrap();
    assert!(!off.is_on);
    scene
        .app
        .run(&buyer(&scene, 1900), holding(event, 1))
        .await
        .unwrap();
    let waited = joined_before_off(&scene, event).await;
    assert_eq!(waited, "no_waiting_room");
    // Turned on anew it may open later, and whoever comes until then is drawn.
    scene.app.run(&open, later).await.unwrap();
    let again = joined(&scene, 1900, event, 2).await;
    assert_eq!(ask(&scene, 1900, again[0]).await.position, None);
    let mut places = Vec::new();
    for turn in again {
        places.push(ask(&scene, 3 * 3600, turn).await.status);
    }
    // The second was away when the first asked, and is next.
    assert_eq!(places, [TurnStatus::Now, TurnStatus::Waiting]);
}

async fn joined_before_off(scene: &Scene, event: EventId) -> String {
    let event = event.into();
    let refused = scene
        .app
        .run(&buyer(scene, 1900), JoinWaitingRoom { event })
        .await;
    let failure = domain::fault::Failure::of(&refused.unwrap_err());
    failure.code.to_string()
}

#[tokio::test]
async fn refuses_what_cannot_be_and_what_is_not_theirs() {
    let scene = Scene::new().await;
    let event = with_room(&scene, 3).await;
    for (at_once, minutes, opens, code) in [
        (0, 5, OPENS, "at_once_out_of_range"),
        (10_001, 5, OPENS, "at_once_out_of_range"),
        (5, 0, OPENS, "turn_minutes_out_of_range"),
        (5, 61, OPENS, "turn_minutes_out_of_range"),
        (5, 5, "2027-03-01T10:00", "opens_after_event"),
    ] {
        let odd = SetWaitingRoom {
            opens: Some(opens.parse().unwrap()),
            turn_minutes: Some(minutes),
            ..room(event, at_once)
        };
        assert_refused(scene.run(odd).await, code);
    }
    let skipped = SetWaitingRoom {
        opens: Some("2026-03-29T02:30".parse().unwrap()),
        ..room(event, 5)
    };
    assert_refused(scene.run(skipped).await, "time_does_not_exist");
    let other = scene.other_organization().await;
    let theirs = JoinWaitingRoom {
        event: event.into(),
    };
    assert_refused(scene.app.run(&other, theirs).await, "not_found");
    assert_refused(scene.app.run(&other, room(event, 3)).await, "not_found");
    let turn = joined(&scene, 0, event, 1).await[0];
    assert_refused(scene.app.run(&other, CheckTurn { turn }).await, "not_found");
    let viewer = scene.as_role(Role::Viewer);
    assert_refused(scene.app.run(&viewer, room(event, 3)).await, "forbidden");
    let none = scene.published("Autumn Gala").await.id;
    let ask = GetWaitingRoom { event: none.into() };
    assert_refused(scene.run(ask).await, "not_found");
    let draft = scene.run(new_event("Draft")).await.unwrap().event.id;
    scene.run(room(draft, 3)).await.unwrap();
    let early = JoinWaitingRoom {
        event: draft.into(),
    };
    assert_refused(scene.run(early).await, "event_not_on_sale");
    scene.move_event(event, StatusMove::Cancel(None)).await;
    assert_refused(scene.run(room(event, 3)).await, "event_closed");
}

#[tokio::test]
async fn answers_a_repeat_without_doing_it_again() {
    let scene = Scene::new().await;
    let event = with_room(&scene, 3).await;
    scene.assert_idempotent(room(event, 4)).await;
}

#[tokio::test]
async fn a_repeat_takes_no_second_turn() {
    let scene = Scene::new().await;
    let event = with_room(&scene, 3).await.into();
    scene.assert_idempotent(JoinWaitingRoom { event }).await;
}
