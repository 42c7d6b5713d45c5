//! What those who wait hear.

use serde_json::{Value, json};

use super::{ADA, GRACE, HEDY, House, mail};

const OFFER: &str = "Your places for Spring Gala are here";

/// A gala of two places, held, which Ada and then Grace wait for alone and Hedy for two.
async fn sold_out() -> (House, String, Value) {
    // On from the start.
    let house = House::new().await;
    house.disable("order-confirmation").await;
    house.disable("sold-out-alert").await;
    let event = house.draft("Spring Gala", "2027-03-04", 2).await;
    house.run("publish_event", json!({"event": event})).await;
    let order = house.order(&event, "first@example.org", 2).await;
    for (email, quantity) in [(ADA, 1), (GRACE, 1), (HEDY, 2)] {
        let join = json!({
            "event": event, "ticket_type": "Regular", "quantity": quantity, "name": "Some Body", "email": email,
        });
        house.run("join_waitlist", join).await;
    }
    house.settle().await;
    house.assert_sent(&[]).await;
    (house, event, order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_free_is_offered_at_once_and_then_to_the_next() {
    let (house, event, order) = sold_out().await;
    let cancel = json!({"order": order["id"]});
    house.run("cancel_order", cancel).await;
    house.settle().await;
    house
        .assert_sent(&[mail(ADA, OFFER), mail(GRACE, OFFER)])
        .await;
    let list = json!({"event": event, "status": "offered"});
    let offered = house.run("list_waitlist", list).await;
    let hold = &offered["items"][1]["offer"]["hold_id"];
    // Grace takes hers, Ada does not: two days later there is one place, too few for Hedy, until Grace's order is called off.
    let take = json!({"event": event, "hold": hold, "buyer": {"name": "Grace", "email": GRACE}});
    let order = house.run("place_order", take).await["order"].clone();
    house.at("2027-01-13T08:59:00Z").await;
    house.assert_sent(&[]).await;
    // Holds are ended by the worker's minute, which this house does not have: the hourly round finds it.
    house.at("2027-01-13T09:29:05Z").await;
    house.until_run("waitlist-offers").await;
    house.assert_sent(&[]).await;
    house
        .run("cancel_order", json!({"order": order["id"]}))
        .await;
    house.settle().await;
    house.assert_sent(&[mail(HEDY, OFFER)]).await;
    let listed = house.run("list_waitlist", json!({"event": event})).await;
    let states: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["status"].clone())
        .collect();
    assert_eq!(states, ["lapsed", "bought", "offered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raised_limit_a_given_back_hold_and_somebody_who_leaves_serve_the_next() {
    let (house, event, _) = sold_out().await;
    let more = json!({"event": event, "ticket_type": "Regular", "quantity": 3});
    house.run("save_ticket_type", more).await;
    house.settle().await;
    house.assert_sent(&[mail(ADA, OFFER)]).await;
    let offered = house
        .run(
            "list_waitlist",
            json!({"event": event, "status": "offered"}),
        )
        .await;
    let entry = &offered["items"][0];
    house
        .run("leave_waitlist", json!({"entry": entry["id"]}))
        .await;
    house.settle().await;
    house.assert_sent(&[mail(GRACE, OFFER)]).await;
    let more = json!({"event": event, "ticket_type": "Regular", "quantity": 4});
    house.run("save_ticket_type", more).await;
    let offered = house
        .run(
            "list_waitlist",
            json!({"event": event, "status": "offered"}),
        )
        .await;
    let hold = &offered["items"][0]["offer"]["hold_id"];
    house.run("release_hold", json!({"hold": hold})).await;
    house.settle().await;
    house.assert_sent(&[mail(HEDY, OFFER)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_holds_nobody_waits_for_and_nothing_is_offered_while_it_is_off() {
    let (house, event, order) = sold_out().await;
    let other = house.draft("Summer Gala", "2027-06-04", 2).await;
    house.run("publish_event", json!({"event": other})).await;
    house.settle().await;
    let before = house.ends("waitlist-offers").await.len();
    let hold = json!({"event": other, "items": [{"ticket_type": "Regular", "quantity": 1}]});
    let hold = house.run("hold_tickets", hold).await;
    house.run("release_hold", json!({"hold": hold["id"]})).await;
    house.settle().await;
    assert_eq!(house.ends("waitlist-offers").await.len(), before);
    house.disable("waitlist-offers").await;
    house
        .run("cancel_order", json!({"order": order["id"]}))
        .await;
    house.settle().await;
    house.assert_sent(&[]).await;
    let served = house.run("offer_places", json!({"event": event})).await;
    assert_eq!(served["offers"].as_array().unwrap().len(), 2);
    house
        .assert_sent(&[mail(ADA, OFFER), mail(GRACE, OFFER)])
        .await;
}
