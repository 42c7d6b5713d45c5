//! Webhooks that come twice, late, in any order, after being refused, or never.

use std::collections::HashSet;

use domain::Timestamp;
use payments::{
    CheckoutState, Processor as _, Secret,
    simulator::{SimulatorOptions, Webhooks},
    stripe::{SignatureError, Topic, sign, verify},
};

use crate::scene::{Scene, euros, refund};

const PAID: [&str; 4] = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
];

#[tokio::test]
async fn a_notice_leads_to_what_happened() {
    let scene = Scene::new().await;
    let checkout = scene.checkout(1, euros(3_600)).await;
    scene.choose(&checkout, "pay").await;
    let notices = scene.inbox.wait_for(4).await;
    assert_eq!(scene.inbox.kinds(), PAID);
    let notice = &notices[3];
    assert_eq!(
        (&notice.topic, notice.is_live),
        (&Topic::Checkout, Some(false))
    );
    let about = notice.about.as_ref().unwrap();
    assert_eq!(about.id, checkout.id.as_str());
    let paid = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!(paid.state, CheckoutState::Paid);
    let since = Timestamp::now().plus_seconds(-60);
    assert_eq!(scene.stripe.list_undelivered(since).await.unwrap(), []);
}

#[tokio::test]
async fn twice_and_backwards_is_told_apart() {
    let scene = Scene::with(|options| {
        options.webhooks.copies = 2;
        options.webhooks.reversed = true;
    })
    .await;
    let checkout = scene.checkout(1, euros(3_600)).await;
    scene.choose(&checkout, "pay").await;
    let notices = scene.inbox.wait_for(8).await;
    let backwards: Vec<&str> = PAID.into_iter().rev().collect();
    assert_eq!(scene.inbox.kinds(), [backwards.clone(), backwards].concat());
    let different: HashSet<String> = notices
        .iter()
        .map(payments::stripe::Notice::once_key)
        .collect();
    assert_eq!(different.len(), 4);
}

#[tokio::test]
async fn late_means_after_the_buyer_is_back() {
    let scene = Scene::with(|options| options.webhooks.delay_ms = 1_500).await;
    let checkout = scene.checkout(1, euros(3_600)).await;
    scene.choose(&checkout, "pay").await;
    let paid = scene.stripe.get_checkout(&checkout.id).await.unwrap();
    assert_eq!(paid.state, CheckoutState::Paid);
    assert_eq!(scene.inbox.notices(), []);
    scene.inbox.wait_for(4).await;
}

#[tokio::test]
async fn what_is_not_taken_comes_again() {
    let scene = Scene::new().await;
    scene.inbox.refuse(5);
    let payment = scene.paid(1, euros(3_600)).await;
    scene.inbox.wait_for(4).await;
    scene
        .stripe
        .refund(&refund(1, &payment, euros(100)))
        .await
        .unwrap();
    let notices = scene.inbox.wait_for(6).await;
    assert!(
        notices[4..]
            .iter()
            .all(|notice| notice.topic == Topic::Refund)
    );
}

#[tokio::test]
async fn what_never_came_is_found_by_asking() {
    let scene = Scene::new().await;
    let since = Timestamp::now().plus_seconds(-60);
    let taken = scene.checkout(1, euros(3_600)).await;
    scene.stripe.expire_checkout(&taken.id).await.unwrap();
    scene.inbox.wait_for(1).await;
    scene.simulator.set_webhooks(Webhooks {
        url: Some("http://127.0.0.1:1/hook".to_owned()),
        lost: true,
        ..Webhooks::default()
    });
    // More than fit on a page of the list.
    let mut lost = Vec::new();
    for order in 2..=103 {
        let checkout = scene.checkout(order, euros(3_600)).await;
        scene.stripe.expire_checkout(&checkout.id).await.unwrap();
        lost.push(checkout.id.to_string());
    }
    let found = scene.stripe.list_undelivered(since).await.unwrap();
    let about = found
        .iter()
        .map(|notice| notice.about.as_ref().unwrap().id.clone());
    assert_eq!(about.collect::<Vec<_>>(), lost);
    assert!(found.iter().all(|notice| notice.topic == Topic::Checkout));
    let later = Timestamp::now().plus_seconds(60);
    assert_eq!(scene.stripe.list_undelivered(later).await.unwrap(), []);
    assert_eq!(scene.inbox.notices().len(), 1);
}

#[tokio::test]
async fn who_is_never_reached_is_given_up() {
    let scene = Scene::with(|options| {
        options.webhooks.url = Some("http://127.0.0.1:1/hook".to_owned());
        options.webhooks.tries = 2;
    })
    .await;
    let checkout = scene.checkout(1, euros(3_600)).await;
    scene.stripe.expire_checkout(&checkout.id).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let since = Timestamp::now().plus_seconds(-60);
    let found = scene.stripe.list_undelivered(since).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_forged_notice_is_not_believed() {
    let body = br#"{"id":"evt_1","type":"checkout.session.completed"}"#;
    let now = Timestamp::now();
    let ours = [Secret::new(SimulatorOptions::WEBHOOK_SECRET)];
    let forged = sign(body, &Secret::new("whsec_guess"), now);
    assert_eq!(
        verify(&forged, body, &ours, now),
        Err(SignatureError::Mismatch)
    );
    let overheard = sign(body, &ours[0], now.plus_seconds(-301));
    assert_eq!(
        verify(&overheard, body, &ours, now),
        Err(SignatureError::Expired(301))
    );
}
