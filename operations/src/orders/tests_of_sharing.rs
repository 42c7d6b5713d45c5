//! Orders that come at once share a transaction: each gets an answer of its own, and nobody's spoils another's.

use std::time::Duration;

use domain::{Cx, Permission};
use tokio::task::JoinSet;

use super::{GetOrder, OrderDetail};
use crate::{
    buyers,
    testing::{Scene, assert_refused, buying, holding, new_event, ordering, selling},
    tickets::Attendee,
};

#[tokio::test]
async fn those_who_come_at_once_share_a_transaction_and_get_answers_of_their_own() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 30).await;
    let (elsewhere, _) = scene.on_sale(0, 30).await;
    let here = scene.run(holding(event.id, 2)).await.unwrap();
    let there = scene.run(holding(elsewhere.id, 2)).await.unwrap();
    let pools = scene.keep("capacity_pool").await;
    let mut crowd = JoinSet::new();
    let mut come = |key: &str, order| {
        let (app, cx) = (scene.app.clone(), scene.cx.clone().with_key(key));
        crowd.spawn(async move { app.run(&cx, order).await.map_err(|error| error.to_string()) });
    };
    come("first", buying(event.id, "Regular", 1));
    scene.database.until_waiting(1).await;
    for number in 0..10 {
        let mut order = buying(event.id, "Regular", 1);
        order.items[0].attendees.push(Attendee {
            name: Some(format!("Guest {number}").parse().unwrap()),
            email: None,
        });
        come(&format!("key {number}"), order);
    }
    come("of the hold", ordering(&here));
    come("of the same hold", ordering(&here));
    let mut wrong = ordering(&there);
    wrong.event = event.id.into();
    come("of another event's", wrong);
    // Long enough for all to have queued up; the first still waits for the pool.
    tokio::time::sleep(Duration::from_millis(500)).await;
    // 30 but for the hold's two and eleven of those who came before.
    come("the rest but seven", buying(event.id, "Regular", 10));
    tokio::time::sleep(Duration::from_millis(300)).await;
    come("more", buying(event.id, "Regular", 8));
    tokio::time::sleep(Duration::from_millis(300)).await;
    pools.let_go().await;
    let mut refused = Vec::new();
    let mut orders = Vec::new();
    while let Some(outcome) = crowd.join_next().await {
        match outcome.unwrap() {
            Ok(placed) => orders.push(placed.order),
            Err(error) => refused.push(error),
        }
    }
    refused.sort();
    assert_eq!(
        refused,
        [
            "7 of the 8 Regular tickets asked for are left",
            "the hold is for another event than \"Spring Gala\"",
            "the hold is ordered",
        ]
    );
    let transactions = "select count(distinct transaction_id) from change where kind in ('order.placed', 'order.paid')";
    assert_eq!(scene.database.count(transactions).await, 2);
    let issued: usize = orders.iter().map(|order| order.tickets.len()).sum();
    assert_eq!((orders.len(), issued), (13, 23));
    for order in &orders {
        assert_eq!(&found(&scene, order).await, order);
    }
    // Keys hold as they do for everybody.
    let again = scene.cx.clone().with_key("key 7");
    let other = buying(event.id, "Regular", 1);
    assert_refused(scene.app.run(&again, other).await, "idempotency_key_reused");
    scene.reconcile().await;
}

async fn found(scene: &Scene, order: &OrderDetail) -> OrderDetail {
    let id = order.order.id.into();
    scene.run(GetOrder { order: id }).await.unwrap()
}

/// What is answered was put together before it was written; it must be what is there.
#[tokio::test]
async fn what_is_answered_is_what_is_found_later() {
    for price in [0, 2500] {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(price, 10).await;
        let mut order = buying(event.id, "Regular", 2);
        order.note = Some("Two seats  together, please".parse().unwrap());
        order.items[0].attendees.push(Attendee {
            name: Some("Grace Hopper".parse().unwrap()),
            email: Some("Grace@Example.org".parse().unwrap()),
        });
        let placed = scene.run(order).await.unwrap().order;
        assert_eq!(found(&scene, &placed).await, placed);
        let hold = scene.run(holding(event.id, 3)).await.unwrap();
        let placed = scene.run(ordering(&hold)).await.unwrap().order;
        assert_eq!(found(&scene, &placed).await, placed);
    }
}

/// An organizer and a buyer ask for a draft at the same moment: to the buyer it is not there, whoever came first.
#[tokio::test]
async fn who_shares_with_an_organizer_sees_no_more_for_it() {
    let scene = Scene::new().await;
    let draft = scene.run(new_event("Secret Gala")).await.unwrap().event;
    let command = selling(draft.id, "Regular", 2500, 10);
    scene.run(command).await.unwrap();
    let may = [Permission::EventsRead, Permission::OrdersWrite];
    let buyer = buyers::context(scene.cx.organization_id, may, scene.cx.now);
    let events = scene.keep("event").await;
    let mut crowd = JoinSet::new();
    let mut come = |cx: &Cx, code: &'static str| {
        let (app, cx) = (scene.app.clone(), cx.clone());
        crowd.spawn(async move {
            assert_refused(app.run(&cx, holding(draft.id, 1)).await, code);
        });
    };
    come(&scene.cx, "event_not_on_sale");
    scene.database.until_waiting(1).await;
    come(&scene.cx, "event_not_on_sale");
    tokio::time::sleep(Duration::from_millis(200)).await;
    come(&buyer, "not_found");
    tokio::time::sleep(Duration::from_millis(200)).await;
    events.let_go().await;
    crowd.join_all().await;
}

/// A repeat in the same transaction as the first, and somebody outside who takes what was thought to be left: each is
/// then served by itself.
#[tokio::test]
async fn who_stands_in_the_way_of_others_spoils_nothing_for_them() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 30).await;
    let pools = scene.keep("capacity_pool").await;
    let mut crowd = JoinSet::new();
    for number in 0..12 {
        let key = number.max(5);
        let (app, cx) = (scene.app.clone(), scene.cx.clone());
        let cx = cx.with_key(format!("key {key}"));
        let order = buying(event.id, "Regular", 5);
        crowd.spawn(async move {
            app.run(&cx, order)
                .await
                .map(|placed| placed.order.order.id)
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    pools
        .let_go_after("update capacity_pool set blocked_count = 10")
        .await;
    let outcomes = crowd.join_all().await;
    let mut ordered: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    ordered.sort_unstable();
    ordered.dedup();
    assert_eq!(ordered.len(), 4, "20 places are left");
    let tickets = "select count(*) from ticket";
    assert_eq!(scene.database.count(tickets).await, 20);
    scene.reconcile().await;
}
