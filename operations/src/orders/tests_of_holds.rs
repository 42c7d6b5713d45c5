//! Many at once: whatever happens to holds in whatever order, counters are what their rows add up to, nothing is sold
//! twice and nothing stays unsold that could be had.

use std::time::Duration;

use domain::{Cx, EventId};
use tokio::task::JoinSet;

use super::{CancelOrder, OrderStatus, PlaceOrder, RefundChoice};
use crate::{
    App,
    holds::{ExtendHold, GetHold, Hold, HoldStatus, ReleaseHold, expire_due},
    testing::{Scene, assert_refused, buying, holding, ordering, pool, selling},
    ticket_types::{ListTicketTypes, SaveTicketType},
    tickets::Attendee,
};

async fn left(scene: &Scene, event: EventId) -> i32 {
    let list = ListTicketTypes {
        event: event.into(),
    };
    let types = scene.run(list).await.unwrap().ticket_types;
    types[0].availability.left.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_holds_each_place_once_and_orders_what_it_holds() {
    for capacity in [1, 7, 50] {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, capacity).await;
        let mut crowd = JoinSet::new();
        for _ in 0..64 {
            let (app, cx, event) = (scene.app.clone(), scene.cx.clone(), event.id);
            crowd.spawn(async move {
                let hold = match app.run(&cx, holding(event, 1)).await {
                    Ok(hold) => hold,
                    Err(error) => {
                        assert_refused::<(), _>(Err(error), "sold_out");
                        return 0;
                    }
                };
                let order = app.run(&cx, ordering(&hold)).await.unwrap().order;
                assert_eq!(order.order.status, OrderStatus::Paid);
                order.tickets.len()
            });
        }
        let tickets: usize = crowd.join_all().await.into_iter().sum();
        assert_eq!(tickets, usize::try_from(capacity).unwrap());
        assert_eq!(left(&scene, event.id).await, 0);
        scene.reconcile().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_order_a_release_and_an_expiry_at_once_one_happens() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 100).await;
    let mut outcomes = [0, 0, 0];
    for _ in 0..12 {
        let hold = scene.run(holding(event.id, 2)).await.unwrap();
        let late = scene.at("2027-01-11T09:16:00Z");
        let release = ReleaseHold { hold: hold.id };
        let (ordered, released, expired) = tokio::join!(
            scene.app.run(&late, ordering(&hold)),
            scene.app.run(&late, release),
            expire_due(&scene.app, late.now)
        );
        let status = scene.run(GetHold { hold: hold.id }).await.unwrap().status;
        let expired = expired.unwrap();
        match status {
            HoldStatus::Ordered => {
                ordered.unwrap();
                assert_refused(released, "hold_ended");
                assert_eq!(expired, 0);
                outcomes[0] += 1;
            }
            HoldStatus::Released | HoldStatus::Expired => {
                assert_refused(ordered, "hold_ended");
                let freed_here = !released.unwrap().was_free_already;
                assert_eq!(usize::from(freed_here) + expired, 1);
                outcomes[1 + expired] += 1;
            }
            HoldStatus::Live => panic!("nothing happened"),
        }
        scene.reconcile().await;
    }
    eprintln!("ordered, released, expired: {outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_look_at_once_end_each_hold_once() {
    let scene = Scene::new().await;
    let other = scene.other_organization().await;
    let (event, _) = scene.on_sale(2500, 100).await;
    for _ in 0..10 {
        scene.run(holding(event.id, 3)).await.unwrap();
    }
    let extended = scene.run(holding(event.id, 1)).await.unwrap();
    let later = scene.at("2027-01-11T09:05:00Z");
    let extend = ExtendHold { hold: extended.id };
    scene.app.run(&later, extend).await.unwrap();
    let end = scene.at("2027-01-11T09:15:00Z").now;
    let mut workers = JoinSet::new();
    for _ in 0..6 {
        let app = scene.app.clone();
        workers.spawn(async move { expire_due(&app, end).await.unwrap() });
    }
    let ended: usize = workers.join_all().await.into_iter().sum();
    assert_eq!(ended, 10);
    assert_eq!(left(&scene, event.id).await, 99);
    let changes = scene.changes().await;
    let told = changes
        .iter()
        .filter(|change| change.kind == "hold.expired");
    assert_eq!(told.count(), 10);
    assert_eq!(
        changes.last().unwrap().summary,
        "Frees 3 places that nobody ordered in time"
    );
    drop(other);
    scene.reconcile().await;
}

/// A small generator of numbers, so that a failing sequence can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier for 64 bits.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// One buyer of many does something at random.
async fn act(app: &App, cx: &Cx, event: EventId, dice: &mut Dice, mine: &mut Vec<Hold>) {
    let name = ["Early", "Regular"][usize::try_from(dice.roll(2)).unwrap()];
    let quantity = i32::try_from(dice.roll(4)).unwrap() + 1;
    let refused = match dice.roll(7) {
        0 | 1 => {
            let mut wanted = holding(event, quantity);
            wanted.items[0].ticket_type = name.parse().unwrap();
            match app.run(cx, wanted).await {
                Ok(hold) => {
                    mine.push(hold);
                    None
                }
                Err(error) => Some(error.to_string()),
            }
        }
        2 => {
            let order = app.run(cx, buying(event, name, quantity)).await;
            order.err().map(|error| error.to_string())
        }
        3 => {
            let placed = app.run(cx, buying(event, name, quantity)).await;
            if let Ok(placed) = placed {
                let cancel = CancelOrder {
                    refund: Some(RefundChoice::Full),
                    ..CancelOrder::of(placed.order.order.id.into())
                };
                app.run(cx, cancel).await.unwrap();
            }
            None
        }
        4 if !mine.is_empty() => {
            let hold = mine.swap_remove(0);
            app.run(cx, ordering(&hold)).await.unwrap();
            None
        }
        5 if !mine.is_empty() => {
            let release = ReleaseHold {
                hold: mine.swap_remove(0).id,
            };
            app.run(cx, release).await.unwrap();
            None
        }
        _ => None,
    };
    if let Some(refused) = refused {
        assert!(refused.ends_with("asked for are left"), "{refused}");
    }
}

/// Free and paid types, each with a limit of its own inside one they share, and everything that can happen to places
/// from eight sides at once. What is left in the end can be had, and not one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_at_random_the_counters_stay_true() {
    for seed in [1, 2, 3] {
        let scene = Scene::new().await;
        let event = scene.published("Gala").await;
        for (name, price, quantity) in [("Early", 0, 25), ("Regular", 2500, 35)] {
            let command = SaveTicketType {
                pools: Some(vec![pool("Hall", Some(40))]),
                ..selling(event.id, name, price, quantity)
            };
            scene.run(command).await.unwrap();
        }
        let mut buyers = JoinSet::new();
        for number in 0..8 {
            let (app, cx, event) = (scene.app.clone(), scene.cx.clone(), event.id);
            buyers.spawn(async move {
                let mut dice = Dice(seed * 1_000 + number);
                let mut held = Vec::new();
                for _ in 0..25 {
                    act(&app, &cx, event, &mut dice, &mut held).await;
                }
            });
        }
        buyers.join_all().await;
        scene.reconcile().await;
        let end = scene.at("2027-01-11T09:15:00Z").now;
        expire_due(&scene.app, end).await.unwrap();
        scene.reconcile().await;
        let types = ListTicketTypes {
            event: event.id.into(),
        };
        for t in scene.run(types).await.unwrap().ticket_types {
            let list = ListTicketTypes {
                event: event.id.into(),
            };
            let now = scene.run(list).await.unwrap().ticket_types;
            let now = now.into_iter().find(|now| now.id == t.id).unwrap();
            let mut left = now.availability.left.unwrap();
            while left > 0 {
                let some = left.min(10);
                let buy: PlaceOrder = buying(event.id, &t.name, some);
                scene.run(buy).await.unwrap();
                left -= some;
            }
            assert_refused(scene.run(buying(event.id, &t.name, 1)).await, "sold_out");
        }
        scene.reconcile().await;
    }
}

#[tokio::test]
async fn an_order_of_a_hold_says_who_comes_and_nothing_else() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    let hold = scene.run(holding(event.id, 2)).await.unwrap();
    let mut named = buying(event.id, "Regular", 2);
    named.hold = Some(hold.id);
    named.items[0].attendees.push(Attendee {
        name: Some("Grace Hopper".parse().unwrap()),
        email: None,
    });
    let mut more = named.clone();
    more.items[0].quantity = 3;
    assert_refused(scene.run(more).await, "hold_differs");
    let mut twice = named.clone();
    twice.items.push(twice.items[0].clone());
    assert_refused(scene.run(twice).await, "hold_differs");
    let elsewhere = scene.published("Other").await;
    let mut wrong = named.clone();
    wrong.event = elsewhere.id.into();
    assert_refused(scene.run(wrong).await, "hold_elsewhere");
    let tickets = scene.run(named).await.unwrap().order.tickets;
    let holders: Vec<_> = tickets
        .iter()
        .map(|ticket| ticket.attendee_name.as_ref().map(domain::Untrusted::as_str))
        .collect();
    assert_eq!(holders, [Some("Grace Hopper"), None]);
    scene.reconcile().await;
}

/// All who come while the first is being served share the next transaction, whatever becomes of each.
#[tokio::test]
async fn those_who_come_at_once_share_a_transaction_and_get_answers_of_their_own() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 30).await;
    let pools = scene.keep("capacity_pool").await;
    let mut crowd = JoinSet::new();
    let mut come = |key: Option<&str>, quantity: i32| {
        let (app, mut cx) = (scene.app.clone(), scene.cx.clone());
        if let Some(key) = key {
            cx = cx.with_key(key);
        }
        crowd.spawn(async move {
            let outcome = app.run(&cx, holding(event.id, quantity)).await;
            outcome.map_err(|error| error.to_string())
        })
    };
    come(None, 1);
    scene.database.until_waiting(1).await;
    for number in 0..20 {
        come(Some(&format!("key {number}")), 1);
    }
    // Long enough for all to have queued up; the first still waits for the pool.
    tokio::time::sleep(Duration::from_millis(500)).await;
    come(None, 11);
    come(Some("greedy"), 10);
    let gone = come(None, 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    gone.abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    pools.let_go().await;
    let mut refused = Vec::new();
    let mut count = 0;
    while let Some(outcome) = crowd.join_next().await {
        match outcome {
            Ok(Ok(hold)) => count += hold.ticket_count,
            Ok(Err(error)) => refused.push(error),
            Err(error) => assert!(error.is_cancelled()),
        }
    }
    assert_eq!(count, 21);
    refused.sort();
    assert_eq!(
        refused,
        [
            "9 of the 10 Regular tickets asked for are left",
            "an order has 1 to 10 \"Regular\" tickets; this one has 11",
        ]
    );
    let transactions =
        "select count(distinct transaction_id) from change where kind = 'hold.placed'";
    assert_eq!(scene.database.count(transactions).await, 2);
    assert_eq!(
        scene
            .database
            .count("select count(*) from idempotency_key")
            .await,
        20
    );
    // Keys hold as they do for everybody.
    let again = scene.cx.clone().with_key("key 7");
    scene.app.run(&again, holding(event.id, 1)).await.unwrap();
    assert_refused(
        scene.app.run(&again, holding(event.id, 2)).await,
        "idempotency_key_reused",
    );
    assert_eq!(left(&scene, event.id).await, 9);
    scene.reconcile().await;
}

/// A repeat in the same transaction as the first, and somebody outside who takes what was thought to be left: each is
/// then served by itself.
#[tokio::test]
async fn who_stands_in_the_way_of_others_spoils_nothing_for_them() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 30).await;
    let pools = scene.keep("capacity_pool").await;
    let mut crowd = JoinSet::new();
    for number in 0..12 {
        let (app, cx) = (scene.app.clone(), scene.cx.clone());
        let cx = cx.with_key(if number < 6 {
            "the same"
        } else {
            ["a", "b", "c", "d", "e", "f"][number - 6]
        });
        crowd.spawn(async move { app.run(&cx, holding(event.id, 5)).await.map(|hold| hold.id) });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    pools
        .let_go_after("update capacity_pool set blocked_count = 10")
        .await;
    let outcomes = crowd.join_all().await;
    let mut held: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    held.sort_unstable();
    held.dedup();
    assert_eq!(held.len(), 4, "20 places are left");
    let holds = "select count(*) from hold where status = 'live'";
    assert_eq!(scene.database.count(holds).await, 4);
    assert_eq!(left(&scene, event.id).await, 0);
    scene.reconcile().await;
}

/// Two organizations ask for one event at the same moment. One queue for both would hold its places for a stranger.
#[tokio::test]
async fn who_asks_for_another_organizations_event_does_not_share_its_queue() {
    let scene = Scene::new().await;
    let stranger = scene.other_organization().await;
    let (event, _) = scene.on_sale(2500, 30).await;
    let pools = scene.keep("capacity_pool").await;
    let mut crowd = JoinSet::new();
    for number in 0..9 {
        let (app, mine, theirs) = (scene.app.clone(), scene.cx.clone(), stranger.clone());
        crowd.spawn(async move {
            if number % 3 == 2 {
                assert_refused(app.run(&theirs, holding(event.id, 1)).await, "not_found");
            } else {
                app.run(&mine, holding(event.id, 1)).await.unwrap();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    pools.let_go().await;
    crowd.join_all().await;
    assert_eq!(left(&scene, event.id).await, 24);
    scene.reconcile().await;
}
