//! Many at once: the last place is sold once, and counters are what their rows add up to.

use std::time::Duration;

use domain::{Cx, EventId, Fault as _, Permission};
use tokio::task::JoinSet;

use super::*;
use crate::{
    App, Operation, RunError,
    events::{self, StatusMove},
    testing::{Scene, assert_refused, buying, pool, saving, selling},
    ticket_types::{ListTicketTypes, SaveTicketType},
};

/// What came of operations that ran at the same time.
struct Outcomes<O: Operation> {
    done: Vec<O::Output>,
    refused: Vec<RunError<O::Error>>,
}

async fn at_once<O: Operation>(scene: &Scene, commands: Vec<O>) -> Outcomes<O> {
    let mut running = JoinSet::new();
    for command in commands {
        let (app, cx): (App, Cx) = (scene.app.clone(), scene.cx.clone());
        running.spawn(async move { app.run(&cx, command).await });
    }
    let mut outcomes = Outcomes {
        done: Vec::new(),
        refused: Vec::new(),
    };
    while let Some(outcome) = running.join_next().await {
        match outcome.unwrap() {
            Ok(done) => outcomes.done.push(done),
            Err(refused) => outcomes.refused.push(refused),
        }
    }
    outcomes
}

fn paying(order: &OrderDetail) -> ConfirmPayment {
    ConfirmPayment::of(order.order.id.into())
}

fn cancelling(order: &OrderDetail) -> CancelOrder {
    CancelOrder {
        refund: Some(RefundChoice::Full),
        ..CancelOrder::of(order.order.id.into())
    }
}

async fn sold(scene: &Scene, event: EventId) -> i32 {
    let list = ListTicketTypes {
        event: event.into(),
    };
    let types = scene.run(list).await.unwrap().ticket_types;
    types.iter().map(|t| t.availability.sold).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_buyers_of_seven_places_get_seven() {
    for price in [0, 2500] {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(price, 7).await;
        let buyers = (0..64).map(|_| buying(event.id, "Regular", 1)).collect();
        let outcomes = at_once(&scene, buyers).await;
        assert_eq!((outcomes.done.len(), outcomes.refused.len()), (7, 57));
        for error in outcomes.refused {
            assert_eq!(
                error.to_string(),
                "0 of the 1 Regular tickets asked for are left"
            );
            assert_refused::<(), _>(Err(error), "sold_out");
        }
        scene.reconcile().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_leave_no_place_unsold_that_they_could_have_had() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 7).await;
    let pairs = (0..32).map(|_| buying(event.id, "Regular", 2)).collect();
    let outcomes = at_once(&scene, pairs).await;
    assert_eq!(outcomes.done.len(), 3);
    let told = "1 of the 2 Regular tickets asked for are left";
    assert!(
        outcomes
            .refused
            .iter()
            .any(|error| error.to_string() == told)
    );
    scene.order(event.id, 1).await;
    scene.reconcile().await;
}

/// The same crowd without the guard: everybody looks first, then buys from a pool that has no limit. If this
/// sold seven as well, the test above would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn control_looking_first_without_the_guard_oversells() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await;
    let unlimited = SaveTicketType {
        quantity: None,
        unlimited: true,
        ..selling(event.id, "Regular", 0, 1)
    };
    scene.run(unlimited).await.unwrap();
    let mut buyers = JoinSet::new();
    for _ in 0..64 {
        let (app, cx, event) = (scene.app.clone(), scene.cx.clone(), event.id);
        buyers.spawn(async move {
            let list = ListTicketTypes {
                event: event.into(),
            };
            let seen = app.run(&cx, list).await.unwrap().ticket_types;
            if seen[0].availability.sold < 7 {
                app.run(&cx, buying(event, "Regular", 1)).await.unwrap();
            }
        });
    }
    buyers.join_all().await;
    let sold = sold(&scene, event.id).await;
    eprintln!("control: {sold} of 7 places sold");
    assert!(
        sold > 7,
        "{sold} sold: the crowd is too small to show anything"
    );
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_types_share_a_limit_and_orders_of_both_never_block_each_other() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await;
    for (name, shared) in [
        ("Regular", pool("Hall", Some(7))),
        ("Student", pool("Hall", None)),
        ("Balcony", pool("Upstairs", Some(20))),
    ] {
        let shared = SaveTicketType {
            quantity: None,
            pools: Some(vec![shared]),
            ..selling(event.id, name, 0, 1)
        };
        scene.run(shared).await.unwrap();
    }
    // Both orders of the two pools: updates in the order of the lines would deadlock.
    let mixed = (0..40).map(|n| {
        let (first, second) = if n % 2 == 0 {
            ("Regular", "Balcony")
        } else {
            ("Balcony", "Student")
        };
        let mut command = buying(event.id, first, 1);
        command.items.extend(buying(event.id, second, 1).items);
        command
    });
    let outcomes = at_once(&scene, mixed.collect()).await;
    assert_eq!(outcomes.done.len(), 7);
    let codes: Vec<_> = outcomes
        .refused
        .iter()
        .map(|error| error.spec().code)
        .collect();
    assert_eq!(codes, ["sold_out"; 33]);
    assert_eq!(sold(&scene, event.id).await, 14);
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_payment_confirmed_many_times_at_once_is_one_payment() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 7).await;
    let order = scene.order(event.id, 3).await;
    let outcomes = at_once(&scene, (0..8).map(|_| paying(&order)).collect()).await;
    assert_eq!(outcomes.done.len(), 8);
    let first = outcomes.done.iter().filter(|done| !done.was_paid_already);
    assert_eq!(first.count(), 1);
    let after = &outcomes.done[0].order;
    assert_eq!((after.payments.len(), after.tickets.len()), (1, 3));
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn paying_and_cancelling_at_once_ends_in_one_state() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 50).await;
    let mut paid_first = 0;
    for _ in 0..10 {
        let order = scene.order(event.id, 2).await;
        let (pay, cancel) = (paying(&order), cancelling(&order));
        let (paid, cancelled) = tokio::join!(scene.run(pay), scene.run(cancel));
        let cancelled = cancelled.unwrap().order;
        assert_eq!(cancelled.order.status, OrderStatus::Cancelled);
        match paid {
            Ok(_) => {
                paid_first += 1;
                assert_eq!(cancelled.refunds.len(), 1);
            }
            Err(error) => {
                assert!(cancelled.refunds.is_empty());
                assert_refused::<(), _>(Err(error), "order_not_pending");
            }
        }
        scene.reconcile().await;
    }
    eprintln!("paid before cancelled: {paid_first} of 10");
    scene.order(event.id, 10).await;
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn places_given_back_while_others_buy_are_sold_again() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 7).await;
    let orders = [
        scene.order(event.id, 3).await,
        scene.order(event.id, 4).await,
    ];
    let buyers = (0..20).map(|_| buying(event.id, "Regular", 1)).collect();
    let cancel = orders.iter().map(cancelling).collect();
    let (bought, cancelled) = tokio::join!(at_once(&scene, buyers), at_once(&scene, cancel));
    assert_eq!(cancelled.done.len(), 2);
    assert!(bought.done.len() <= 7);
    for _ in bought.done.len()..7 {
        scene.order(event.id, 1).await;
    }
    assert_refused(scene.run(buying(event.id, "Regular", 1)).await, "sold_out");
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_lowered_while_many_buy_is_kept() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 30).await;
    let lower = SaveTicketType {
        ticket_type: Some("Regular".parse().unwrap()),
        quantity: Some(10),
        ..saving(event.id)
    };
    let buyers = (0..40).map(|_| buying(event.id, "Regular", 1)).collect();
    let (bought, lowered) = tokio::join!(at_once(&scene, buyers), scene.run(lower));
    match lowered {
        Ok(_) => assert_eq!(bought.done.len(), 10),
        Err(error) => {
            assert_eq!(bought.done.len(), 30);
            assert_refused::<(), _>(Err(error), "below_taken");
        }
    }
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_waits_for_a_cancellation_under_way_and_is_refused() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 7).await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let locked = events::lock(tx.conn(), &scene.cx, &event.id.into()).await;
    let cancel = StatusMove::Cancel(None);
    events::set_status(tx.conn(), &scene.cx, locked.unwrap().id, cancel)
        .await
        .unwrap();
    let (app, cx) = (scene.app.clone(), scene.cx.clone());
    let mut buying = JoinSet::new();
    buying.spawn(async move { app.run(&cx, self::buying(event.id, "Regular", 1)).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(buying.try_join_next().is_none(), "the order did not wait");
    tx.unchanged(()).await.unwrap();
    let outcome = buying.join_next().await.unwrap().unwrap();
    assert_refused(outcome, "event_not_on_sale");
    scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancellation_waits_for_an_order_under_way() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 7).await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    events::share(tx.conn(), &scene.cx, &event.id.into())
        .await
        .unwrap();
    let (app, cx) = (scene.app.clone(), scene.cx.clone());
    let mut cancelling = JoinSet::new();
    cancelling.spawn(async move {
        let mut tx = app.store().write(&cx).await.unwrap();
        events::lock(tx.conn(), &cx, &event.id.into())
            .await
            .unwrap();
        let totals = totals(tx.conn(), event.id, event.currency).await.unwrap();
        (totals.pending_orders, totals.held_tickets)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(
        cancelling.try_join_next().is_none(),
        "the cancellation did not wait"
    );
    // Others may buy meanwhile: the lock is shared.
    scene.order(event.id, 2).await;
    tx.unchanged(()).await.unwrap();
    let seen = cancelling.join_next().await.unwrap().unwrap();
    assert_eq!(
        seen,
        (1, 2),
        "whoever cancels the event sees every order it has"
    );
}

#[tokio::test]
async fn totals_follow_the_orders() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 20).await;
    scene.order(event.id, 1).await;
    let paid = scene.order(event.id, 2).await;
    let gone = scene.order(event.id, 3).await;
    for order in [&paid, &gone] {
        scene.run(paying(order)).await.unwrap();
    }
    scene.run(cancelling(&gone)).await.unwrap();
    let mut tx = scene.app.store().read(&scene.cx).await.unwrap();
    let totals = totals(tx.conn(), event.id, event.currency).await.unwrap();
    assert_eq!(
        (
            totals.pending_orders,
            totals.held_tickets,
            totals.pending.amount
        ),
        (1, 1, 2500)
    );
    assert_eq!((totals.paid_orders, totals.valid_tickets), (1, 2));
    assert_eq!((totals.kept.amount, totals.refunded.amount), (5000, 7500));
}

/// Both attempts are on their way before either has an answer.
#[tokio::test]
async fn a_repeat_that_overlaps_the_first_gets_its_answer() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 1).await;
    let pools = scene.keep("capacity_pool").await;
    let mut attempts = JoinSet::new();
    // At one server the second would queue up behind the first.
    for app in [scene.app.clone(), scene.another_server()] {
        let cx = scene.cx.clone().with_key("twice");
        let buy = buying(event.id, "Regular", 1);
        attempts.spawn(async move { app.run(&cx, buy).await });
    }
    scene.database.until_waiting(2).await;
    pools.let_go().await;
    let answers = attempts.join_all().await;
    let numbers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().order.order.number)
        .collect();
    assert_eq!(numbers[0], numbers[1]);
    scene.reconcile().await;
}

#[tokio::test]
async fn a_replay_shows_no_more_than_the_caller_may_see() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 5).await;
    let key = |cx: &Cx| cx.clone().with_key("once");
    let buy = buying(event.id, "Regular", 1);
    scene.app.run(&key(&scene.cx), buy.clone()).await.unwrap();
    let may = scene.cx.permissions.iter();
    let fewer = may.filter(|permission| *permission != Permission::AttendeesPersonal);
    let demoted = scene.cx.clone().with_permissions(fewer.collect());
    let replay = scene.app.run(&key(&demoted), buy.clone()).await;
    assert_refused(replay, "answer_hidden");
    // The other way round there is nothing to hide.
    let (masked, unmasked) = (
        demoted.with_key("masked"),
        scene.cx.clone().with_key("masked"),
    );
    let first = scene.app.run(&masked, buy.clone()).await.unwrap();
    let again = scene.app.run(&unmasked, buy).await.unwrap();
    assert_eq!(again, first);
    let odd = scene.cx.clone().with_key("a\0b");
    let refused = scene.app.run(&odd, buying(event.id, "Regular", 1)).await;
    assert_refused(refused, "idempotency_key_malformed");
}
