//! Subscriptions on sales, in both eras; never across organizations.
#![expect(deprecated, reason = "sessions of the older era subscribe like this")]

use std::time::Duration;

use operations::testing::Scene;
use rmcp::model::{
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use serde_json::{Value, json};

use crate::client::{Client, Desk, ERAS, Era};

/// The feed waits for transactions that began earlier, of other tests too.
const SOON: Duration = Duration::from_secs(20);
const LONG_ENOUGH: Duration = Duration::from_millis(1_200);

/// An event on sale, and a free ticket type of it.
async fn on_sale(client: &Client, title: &str) -> String {
    let event = client.call("create_event", json!({"title": title, "starts": "2030-02-04T19:00", "online_url": "https://example.org"})).await;
    let id = event["event"]["id"].as_str().unwrap().to_owned();
    let free = json!({"amount": 0, "currency": "EUR"});
    client
        .call(
            "save_ticket_type",
            json!({"event": id, "name": "Seat", "price": free, "quantity": 50}),
        )
        .await;
    client.call("publish_event", json!({"event": id})).await;
    id
}

async fn buy(client: &Client, event: &str) -> Value {
    let buyer = json!({"name": "Ada Lovelace", "email": "ada@example.org"});
    let items = json!([{"ticket_type": "Seat", "quantity": 1}]);
    client
        .call(
            "place_order",
            json!({"event": event, "items": items, "buyer": buyer}),
        )
        .await
}

async fn heard(desk: &Desk, uri: &str) -> bool {
    let heard = async {
        while !desk
            .notes
            .updates
            .lock()
            .unwrap()
            .iter()
            .any(|heard| heard == uri)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, heard).await.is_ok()
}

/// Another organization's client on the same database.
async fn neighbour(scene: &Scene) -> Client {
    let other = scene.other_organization().await;
    let grant =
        operations::tokens::Grant::local(other.organization_id, other.actor.user_id().unwrap());
    Client::connect(
        scene,
        grant,
        crate::client::options(),
        Era::Modern,
        Desk::silent(),
    )
    .await
}

#[tokio::test]
async fn a_session_hears_of_sales_until_it_unsubscribes() {
    let scene = Scene::new().await;
    let desk = Desk::silent();
    let client = Client::of(&scene, Era::Legacy, desk.clone()).await;
    let other = neighbour(&scene).await;
    let event = on_sale(&client, "Gala").await;
    let foreign = on_sale(&other, "Gala").await;
    let uris = [
        format!("event://{event}"),
        format!("report://{event}/sales"),
    ];
    for uri in &uris {
        client
            .service
            .subscribe(SubscribeRequestParams::new(uri))
            .await
            .unwrap();
    }
    assert!(
        client
            .service
            .subscribe(SubscribeRequestParams::new(format!("event://{foreign}")))
            .await
            .is_err()
    );
    assert!(
        client
            .service
            .subscribe(SubscribeRequestParams::new("event://nope"))
            .await
            .is_err()
    );
    // What happened before subscribing may still arrive: other tests' transactions on the server hold the feed back.
    tokio::time::sleep(LONG_ENOUGH).await;
    desk.notes.updates.lock().unwrap().clear();
    buy(&other, &foreign).await;
    tokio::time::sleep(LONG_ENOUGH).await;
    assert!(
        desk.notes.updates.lock().unwrap().is_empty(),
        "told of another organization's sale"
    );
    buy(&client, &event).await;
    for uri in &uris {
        assert!(heard(&desk, uri).await, "{uri}");
        client
            .service
            .unsubscribe(UnsubscribeRequestParams::new(uri))
            .await
            .unwrap();
    }
    tokio::time::sleep(LONG_ENOUGH).await;
    desk.notes.updates.lock().unwrap().clear();
    buy(&client, &event).await;
    tokio::time::sleep(LONG_ENOUGH).await;
    assert!(
        desk.notes.updates.lock().unwrap().is_empty(),
        "told after unsubscribing"
    );
}

#[tokio::test]
async fn a_listener_hears_of_sales() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let other = neighbour(&scene).await;
    let event = on_sale(&client, "Gala").await;
    let foreign = on_sale(&other, "Gala").await;
    let uri = format!("event://{event}");
    let filter = SubscriptionFilter::builder()
        .resource_subscription(&uri)
        .resource_subscription("venue://x")
        .build();
    let mut subscription = client.service.listen(filter).await.unwrap();
    assert_eq!(
        subscription.acknowledged().resource_subscriptions,
        Some(vec![uri.clone()])
    );
    // What happened before listening may still arrive: other tests' transactions on the server hold the feed back.
    while tokio::time::timeout(LONG_ENOUGH, subscription.next())
        .await
        .is_ok()
    {}
    buy(&other, &foreign).await;
    let silence = tokio::time::timeout(LONG_ENOUGH, subscription.next()).await;
    assert!(
        silence.is_err(),
        "told of another organization's sale: {silence:?}"
    );
    buy(&client, &event).await;
    let news = tokio::time::timeout(SOON, subscription.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let ServerNotification::ResourceUpdatedNotification(update) = news else {
        panic!("{news:?}")
    };
    assert_eq!(update.params.uri, uri);
    subscription.cancel().await.unwrap();

    let filter = SubscriptionFilter::builder()
        .resource_subscription(format!("event://{foreign}"))
        .build();
    let mut subscription = client.service.listen(filter).await.unwrap();
    let end = tokio::time::timeout(SOON, subscription.next())
        .await
        .unwrap();
    assert!(!matches!(end, Ok(Some(_))), "{end:?}");
}

#[tokio::test]
async fn an_order_can_be_watched_by_its_number() {
    let scene = Scene::new().await;
    for era in ERAS {
        let desk = Desk::silent();
        let client = Client::of(&scene, era, desk.clone()).await;
        let event = on_sale(&client, &format!("Gala {era:?}")).await;
        let order = buy(&client, &event).await;
        let number = order
            .pointer("/order/number")
            .or(order.pointer("/order/order/number"))
            .unwrap()
            .as_str()
            .unwrap();
        let uri = format!("order://{number}");
        let cancel = async || {
            let agreed = client.call("cancel_order", json!({"order": number})).await;
            let token = agreed["confirmation"]["confirm_token"].clone();
            client
                .call(
                    "cancel_order",
                    json!({"order": number, "confirm_token": token}),
                )
                .await;
        };
        if era == Era::Modern {
            let filter = SubscriptionFilter::builder()
                .resource_subscription(&uri)
                .build();
            let mut subscription = client.service.listen(filter).await.unwrap();
            cancel().await;
            assert!(
                tokio::time::timeout(SOON, subscription.next())
                    .await
                    .unwrap()
                    .unwrap()
                    .is_some()
            );
        } else {
            client
                .service
                .subscribe(SubscribeRequestParams::new(&uri))
                .await
                .unwrap();
            cancel().await;
            assert!(heard(&desk, &uri).await);
        }
    }
}
