//! What buyers hear of their orders.

use serde_json::json;

use super::{ADA, GRACE, HEDY, House, calendar, mail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_confirmed_once_with_the_date() {
    // On from the start.
    let house = House::new().await;
    let event = house.draft("Spring Gala", "2027-02-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.order(&event, GRACE, 1).await;
    house.paid(&event, ADA, 2).await;
    house.settle().await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1, "the order of Grace's is not paid");
    assert_eq!(mails[0].to.address.as_str(), ADA);
    assert_eq!(mails[0].subject, "Your tickets for Spring Gala");
    assert_eq!(calendar(&mails[0], "METHOD"), "REQUEST");
    assert_eq!(calendar(&mails[0], "UID"), event);
    house.assert_sent(&[]).await;
    house.disable("order-confirmation").await;
    house.paid(&event, HEDY, 1).await;
    house.settle().await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_order_is_reminded_of_and_then_expires() {
    let house = House::with("payment-reminder").await;
    let event = house.draft("Spring Gala", "2027-03-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, ADA, 1).await;
    let late = house.order(&event, GRACE, 1).await;
    let never = house.order(&event, HEDY, 1).await;
    let number = |order: &serde_json::Value| order["number"].as_str().unwrap().to_owned();
    let (late_number, never_number) = (number(&late), number(&never));
    house.settle().await;
    house.assert_sent(&[]).await;
    house.at("2027-01-14T09:01:00Z").await;
    let unpaid = |number: &str| format!("Order {number} is not paid yet");
    let reminders = [
        mail(GRACE, &unpaid(&late_number)),
        mail(HEDY, &unpaid(&never_number)),
    ];
    house.assert_sent(&reminders).await;
    house
        .run("confirm_payment", json!({"order": late["id"]}))
        .await;
    house.at("2027-01-18T09:01:00Z").await;
    let expired = format!("Order {never_number} has expired");
    house.assert_sent(&[mail(HEDY, &expired)]).await;
    let order = |id: &serde_json::Value| json!({"order": id});
    let kept = house.run("get_order", order(&late["id"])).await;
    let gone = house.run("get_order", order(&never["id"])).await;
    assert_eq!(
        (&kept["status"], &gone["status"]),
        (&json!("paid"), &json!("cancelled"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_who_stopped_before_paying_gets_the_way_back_once() {
    let house = House::with("abandoned-checkout").await;
    let event = house.draft("Spring Gala", "2027-03-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    let paid = house.buyers_order(&event, ADA).await;
    let stopped = house.buyers_order(&event, GRACE).await;
    // By hand, without an end: that has the payment reminder.
    house.order(&event, HEDY, 1).await;
    house.settle().await;
    house
        .run("confirm_payment", json!({"order": paid["id"]}))
        .await;
    house.at("2027-01-11T09:09:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-01-11T09:10:05Z").await;
    let mails = house.read().await;
    let number = stopped["number"].as_str().unwrap();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].to.address.as_str(), GRACE);
    assert_eq!(mails[0].subject, format!("Order {number} is not paid yet"));
    assert!(mails[0].text.contains("/orders/"), "{}", mails[0].text);
    assert!(!mails[0].html.contains("order.invalid"));
    house.at("2027-01-11T18:00:00Z").await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_count_from_the_order_even_when_no_worker_was_there() {
    let mut house = House::with("payment-reminder").await;
    let event = house.draft("Spring Gala", "2027-03-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.end_worker();
    let paid = house.order(&event, ADA, 1).await;
    let unpaid = house.order(&event, GRACE, 1).await;
    house.set_now("2027-01-15T09:01:00Z");
    house
        .run("confirm_payment", json!({"order": paid["id"]}))
        .await;
    house.replace_worker();
    house.settle().await;
    let number = unpaid["number"].as_str().unwrap();
    let reminder = format!("Order {number} is not paid yet");
    house.assert_sent(&[mail(GRACE, &reminder)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_shortly_before_the_event_expires_when_it_begins() {
    let house = House::with("payment-reminder").await;
    let event = house.draft("Spring Gala", "2027-01-16", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    let order = house.order(&event, ADA, 1).await;
    let number = order["number"].as_str().unwrap();
    house.settle().await;
    house.at("2027-01-14T09:01:00Z").await;
    let unpaid = format!("Order {number} is not paid yet");
    house.assert_sent(&[mail(ADA, &unpaid)]).await;
    house.at("2027-01-16T17:59:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-01-16T18:00:01Z").await;
    let expired = format!("Order {number} has expired");
    house.assert_sent(&[mail(ADA, &expired)]).await;
}
