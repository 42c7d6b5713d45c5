//! Two who give the same money back at once.

use futures_util::future::join_all;
use payments::{Processor as _, Reason};

use crate::scene::{Scene, euros, refund};

/// How much of 100.00 is given back by 16 who each want 30.00 at the same time.
async fn raced(guarded: bool) -> (i64, usize) {
    let scene = Scene::with(|options| options.refuses_over_refunds = guarded).await;
    let payment = scene.paid(1, euros(10_000)).await;
    let wishes: Vec<_> = (1..=16)
        .map(|id| refund(id, &payment, euros(3_000)))
        .collect();
    let outcomes = join_all(wishes.iter().map(|wish| scene.stripe.refund(wish))).await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    for error in refused.clone() {
        assert_eq!(error.refusal().unwrap().reason, Reason::MoreThanLeft);
    }
    let refused = refused.count();
    let payment = scene.stripe.get_payment(&payment).await.unwrap();
    (payment.refunded.amount, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_refunds_never_exceed_the_payment() {
    assert_eq!(raced(true).await, (9_000, 13));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_guard_they_do() {
    assert_eq!(raced(false).await, (48_000, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_refund_asked_for_by_many_at_once_is_one() {
    let scene = Scene::new().await;
    let payment = scene.paid(1, euros(10_000)).await;
    let wish = refund(1, &payment, euros(3_000));
    let outcomes = join_all((0..16).map(|_| scene.stripe.refund(&wish))).await;
    let first = outcomes[0].as_ref().unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.as_ref() == Ok(first)));
    let payment = scene.stripe.get_payment(&payment).await.unwrap();
    assert_eq!(payment.refunded, euros(3_000));
}
