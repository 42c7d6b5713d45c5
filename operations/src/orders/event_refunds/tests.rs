//! The refund of a whole event, step by step, in company and with what the processor refuses.

use domain::{EventId, Money, OrderId};
use payments::simulator::Fault;
use tokio::task::JoinSet;

use super::{ContinueEventRefund, GetEventRefund, RefundEvent};
use crate::{
    events::StatusMove,
    orders::{
        ConfirmPayment, OrderDetail, OrderStatus, RefundChoice,
        payments::{RefundOrder, RefundStatus, shop::Shop},
    },
    testing::{Scene, eur},
};

pub(in crate::orders) fn refunding(event: EventId) -> RefundEvent {
    RefundEvent {
        event: event.into(),
        refund: RefundChoice::Full,
        keep_per_ticket: None,
        reason: None,
    }
}

pub(in crate::orders) fn going_on(event: EventId) -> ContinueEventRefund {
    ContinueEventRefund {
        event: event.into(),
    }
}

/// A cancelled event with so many paid and so many unpaid orders of one ticket for 25 euros each.
pub(super) async fn cancelled(scene: &Scene, paid: usize, pending: usize) -> EventId {
    let (event, _) = scene.on_sale(2500, 500).await;
    scene.orders_of(event.id, 0..paid + pending).await;
    let orders = scene
        .database
        .ask("select id from orders order by id")
        .await;
    for order in orders.as_array().unwrap().iter().take(paid) {
        let id: uuid::Uuid = order["id"].as_str().unwrap().parse().unwrap();
        let id = OrderId::from(id);
        scene.run(ConfirmPayment::of(id.into())).await.unwrap();
    }
    scene.move_event(event.id, StatusMove::Cancel(None)).await;
    event.id
}

async fn cancel(shop: &Shop) {
    let to = StatusMove::Cancel(Some("The singer is ill"));
    shop.scene.move_event(shop.event, to).await;
}

#[tokio::test]
async fn a_hundred_and_twenty_orders_take_three_steps() {
    let scene = Scene::new().await;
    let event = cancelled(&scene, 100, 20).await;
    scene.run(refunding(event)).await.unwrap();
    let jobs = "select count(*) from workflow_run where workflow = 'job:continue_event_refund'";
    let mut cancelled = Vec::new();
    for step in 1..=3 {
        assert_eq!(scene.database.count(jobs).await, step, "queued beforehand");
        let now = scene.cx.now.plus_seconds(step);
        let later = scene.cx.clone().with_now(now);
        let done = scene.app.run(&later, going_on(event)).await.unwrap();
        cancelled.push((done.orders_cancelled, done.is_finished));
        scene.reconcile().await;
    }
    assert_eq!(cancelled, [(50, false), (100, false), (120, true)]);
    assert_eq!(
        scene.database.count(jobs).await,
        3,
        "nothing more is queued"
    );
    let done = scene.run(refunding(event)).await.unwrap();
    assert_eq!((done.refunded.amount, done.ahead.amount), (250_000, 0));
    let left = "select count(*) from ticket where status = 'valid'";
    assert_eq!(scene.database.count(left).await, 0);
    let last = "select summary from change where kind = 'event_refund.finished'";
    let last = scene.database.ask(last).await;
    assert_eq!(
        last[0]["summary"],
        "All 120 orders of \"Spring Gala\" are cancelled; 2500.00 EUR were given back or are on their way"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_cancel_each_order_once() {
    let scene = Scene::new().await;
    let event = cancelled(&scene, 110, 10).await;
    scene.run(refunding(event)).await.unwrap();
    let mut going = JoinSet::new();
    for second in 0..12 {
        let now = scene.cx.now.plus_seconds(second);
        let (app, cx) = (scene.app.clone(), scene.cx.clone().with_now(now));
        going.spawn(async move { app.run(&cx, going_on(event)).await.unwrap() });
    }
    let finished = going.join_all().await;
    assert!(finished.iter().any(|done| done.is_finished));
    for (kind, expected) in [("order.cancelled", 120), ("event_refund.finished", 1)] {
        let count = format!("select count(*) from change where kind = '{kind}'");
        assert_eq!(scene.database.count(&count).await, expected, "{kind}");
    }
    let refunds = "select count(*) from refund";
    assert_eq!(scene.database.count(refunds).await, 110);
    scene.reconcile().await;
}

#[tokio::test]
async fn a_fee_is_kept_and_an_unpaid_order_owes_none() {
    let shop = Shop::new(20).await;
    let online = shop.paid(2).await;
    let part = RefundOrder {
        order: online.order.id.into(),
        amount: Some(Money::new(4000, eur())),
        reason: None,
    };
    shop.scene.run(part).await.unwrap();
    shop.checked(&online).await;
    let by_hand = shop.order(1).await;
    let paying = ConfirmPayment::of(by_hand.order.id.into());
    shop.scene.run(paying).await.unwrap();
    shop.order(3).await;
    cancel(&shop).await;
    let keeping = RefundEvent {
        keep_per_ticket: Some(Money::new(600, eur())),
        ..refunding(shop.event)
    };
    let ahead = shop.scene.run(keeping).await.unwrap();
    // 50.00 - 40.00 - 2 x 6.00 is below nothing; 25.00 - 6.00.
    assert_eq!(
        (ahead.ahead.amount, ahead.ahead_by_itself.amount),
        (1900, 0)
    );
    let done = shop.scene.run(going_on(shop.event)).await.unwrap();
    assert_eq!((done.refunded.amount, done.is_finished), (1900, true));
    shop.scene.reconcile().await;
}

#[tokio::test]
async fn what_the_processor_refuses_is_shown_until_it_is_made_good() {
    let shop = Shop::new(5).await;
    let order = shop.paid(2).await;
    cancel(&shop).await;
    let begun = shop.scene.run(refunding(shop.event)).await.unwrap();
    assert_eq!(begun.ahead_by_itself.amount, 5000);
    let done = shop.scene.run(going_on(shop.event)).await.unwrap();
    assert!(done.is_finished);
    assert_eq!(done.unconfirmed.amount, 5000);
    shop.simulator.add_faults([Fault::Refused {
        status: 400,
        retry_after: None,
    }]);
    shop.checked(&order).await;
    let read = || GetEventRefund {
        event: shop.event.into(),
    };
    let failed = shop.scene.run(read()).await.unwrap();
    assert_eq!(failed.failed[0].order, order.order.number);
    assert!(failed.next.contains("refund_order"), "{}", failed.next);
    let again = RefundOrder {
        order: order.order.id.into(),
        amount: None,
        reason: None,
    };
    shop.scene.run(again).await.unwrap();
    let seen: OrderDetail = shop.checked(&order).await;
    assert_eq!(seen.refunds[1].status, RefundStatus::Done);
    assert_eq!(seen.order.status, OrderStatus::Cancelled);
    let good = shop.scene.run(read()).await.unwrap();
    assert!(good.failed.is_empty());
    assert_eq!(good.unconfirmed.amount, 0);
    shop.scene.reconcile().await;
}

/// Money for an order of a cancelled event that comes while the orders are called off, or after, goes back by itself.
#[tokio::test]
async fn money_that_comes_late_goes_back() {
    let shop = Shop::new(5).await;
    let order = shop.order(1).await;
    let page = shop.page(&order).await;
    cancel(&shop).await;
    shop.scene.run(refunding(shop.event)).await.unwrap();
    shop.scene.run(going_on(shop.event)).await.unwrap();
    shop.choose(&page, "pay");
    shop.checked(&order).await;
    let seen = shop.checked(&order).await;
    assert_eq!(seen.order.status, OrderStatus::Cancelled);
    let back: i64 = seen.refunds.iter().map(|back| back.amount.amount).sum();
    assert_eq!(back, 2500);
    shop.scene.reconcile().await;
}
