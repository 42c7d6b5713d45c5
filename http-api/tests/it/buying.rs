//! People who buy: no login, a checkout in their hands, and nothing that is not theirs.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use domain::Money;
use http_api::{Options, router};
use operations::{
    gift_cards::{GetGiftCard, IssueGiftCards},
    lifecycle::UnpublishEvent,
    promo_codes::SavePromoCode,
    testing::{Scene, eur, new_event, promo, selling},
    ticket_types::{SaveTicketType, Visibility},
    waiting_room::SetWaitingRoom,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::client::{Client, KEY};

fn regular(quantity: i32) -> Value {
    json!({"items": [{"ticket_type": "Regular", "quantity": quantity}]})
}

fn ada() -> Value {
    json!({"buyer": {"name": "Ada Lovelace", "email": "ada@example.org"}})
}

fn holds(event: &operations::events::Event) -> String {
    format!("/v1/public/scene/events/{}/holds", event.slug)
}

async fn held(client: &Client, event: &operations::events::Event, quantity: i32) -> String {
    let hold = client.post(&holds(event), regular(quantity)).await.done();
    hold["checkout"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_free_order_has_its_ticket_codes_at_once() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    let anybody = Client::anybody(&scene);
    let path = format!("/v1/public/scene/events/{}", event.slug);
    let shown = anybody.get(&path).await.done();
    assert_eq!(shown["title"], "Spring Gala");
    assert_eq!(shown["ticket_types"][0]["left"], 10);
    assert_eq!(shown["ticket_types"][0]["state"], "on_sale");
    let by_id = format!(
        "/v1/public/{}/events/{}",
        scene.cx.organization_id, event.id
    );
    assert_eq!(anybody.get(&by_id).await.done(), shown);
    let created = anybody.post(&holds(&event), regular(2)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let hold = created.json;
    assert_eq!(
        (&hold["status"], &hold["ticket_count"]),
        (&json!("live"), &json!(2))
    );
    let checkout = hold["checkout"].as_str().unwrap();
    assert_eq!(anybody.get(&path).await.json["ticket_types"][0]["left"], 8);
    let order = format!("/v1/public/holds/{checkout}/order");
    anybody.get(&order).await.is_problem(404, "not_ordered");
    let placed = anybody.post(&order, ada()).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let placed = placed.json;
    assert_eq!(placed["status"], "paid");
    let codes = placed["tickets"].as_array().unwrap();
    assert!(
        codes.len() == 2
            && codes
                .iter()
                .all(|t| t["code"].as_str().unwrap().len() == 23)
    );
    assert_eq!(anybody.get(&order).await.done(), placed);
    let hold = anybody
        .get(&format!("/v1/public/holds/{checkout}"))
        .await
        .done();
    assert_eq!(hold["status"], "ordered");
    anybody
        .post(&order, ada())
        .await
        .is_problem(409, "hold_ended");
    let changes = scene.changes().await;
    let placed = changes.iter().find(|change| change.kind == "order.placed");
    assert_eq!(placed.unwrap().actor, "buyer");
    scene.reconcile().await;
}

#[tokio::test]
async fn a_paid_order_says_how_to_pay_and_has_its_codes_once_it_is_paid() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let anybody = Client::anybody(&scene);
    let checkout = held(&anybody, &event, 2).await;
    let order = format!("/v1/public/holds/{checkout}/order");
    let placed = anybody.post(&order, ada()).await.done();
    assert_eq!(
        (&placed["status"], &placed["tickets"]),
        (&json!("pending"), &json!([]))
    );
    assert_eq!(placed["open"], json!({"amount": 5000, "currency": "EUR"}));
    let number = placed["number"].as_str().unwrap();
    assert!(
        placed["payment_instructions"]
            .as_str()
            .unwrap()
            .contains(number)
    );
    let office = Client::full(&scene).await;
    office
        .post("/v1/confirm_payment", json!({"order": number}))
        .await
        .done();
    let paid = anybody.get(&order).await.done();
    assert_eq!(
        (&paid["status"], paid["tickets"].as_array().unwrap().len()),
        (&json!("paid"), 2)
    );
    scene.reconcile().await;
}

#[tokio::test]
async fn a_hold_is_extended_once_and_given_back() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 3).await;
    let anybody = Client::anybody(&scene);
    let checkout = held(&anybody, &event, 3).await;
    let at = |step: &str| format!("/v1/public/holds/{checkout}/{step}");
    anybody
        .post(&holds(&event), regular(1))
        .await
        .is_problem(409, "sold_out");
    assert_eq!(
        anybody.post(&at("extend"), json!({})).await.done()["is_extended"],
        true
    );
    anybody
        .post(&at("extend"), json!({}))
        .await
        .is_problem(409, "hold_extended_already");
    assert_eq!(
        anybody.post(&at("release"), json!({})).await.done()["status"],
        "released"
    );
    held(&anybody, &event, 3).await;
    anybody
        .post(&at("order"), ada())
        .await
        .is_problem(409, "hold_ended");
    scene.reconcile().await;
}

#[tokio::test]
async fn a_promo_code_makes_it_cheaper_and_unlocks_what_is_hidden() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let hidden = SaveTicketType {
        visibility: Some(Visibility::Hidden),
        ..selling(event.id, "Guests", 1000, 5)
    };
    scene.run(hidden).await.unwrap();
    let half = SavePromoCode {
        unlocks_hidden: Some(true),
        ..promo(event.id, "HALF", 50, Some(1))
    };
    scene.run(half).await.unwrap();
    let anybody = Client::anybody(&scene);
    let wanted = |code: &str| {
        let items = json!([
            {"ticket_type": "Regular", "quantity": 1},
            {"ticket_type": "Guests", "quantity": 1},
        ]);
        json!({"items": items, "promo_code": code})
    };
    let wrong = anybody.post(&holds(&event), wanted("HAIF")).await;
    wrong.is_problem(404, "promo_code_unknown");
    let hold = anybody.post(&holds(&event), wanted("half")).await.done();
    assert_eq!(hold["promo_code"], "HALF");
    assert_eq!(
        (&hold["total"]["amount"], &hold["discount"]["amount"]),
        (&json!(1750), &json!(1750))
    );
    assert_eq!(hold["items"][0]["listed_price"]["amount"], 2500);
    let again = anybody.post(&holds(&event), wanted("half")).await;
    again.is_problem(409, "promo_code_used_up");
    let order = format!(
        "/v1/public/holds/{}/order",
        hold["checkout"].as_str().unwrap()
    );
    let placed = anybody.post(&order, ada()).await.done();
    assert_eq!(
        (&placed["promo_code"], &placed["total"]["amount"]),
        (&json!("HALF"), &json!(1750))
    );
    assert_eq!(placed["items"][1]["unit_price"]["amount"], 500);
    scene.reconcile().await;
}

#[tokio::test]
async fn what_is_hidden_or_not_published_is_not_there() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let guests = SaveTicketType {
        visibility: Some(Visibility::Hidden),
        ..selling(event.id, "Guests", 0, 5)
    };
    let guests = scene.run(guests).await.unwrap().ticket_type;
    let draft = scene.run(new_event("Secret Gala")).await.unwrap().event;
    let anybody = Client::anybody(&scene);
    let path = format!("/v1/public/scene/events/{}", event.slug);
    let shown = anybody.get(&path).await;
    assert!(!shown.text.contains("Guests"), "{}", shown.text);
    // Nor where it would only help those who attend, or who count.
    for secret in ["online_url", "live.example.org", "sold", "held", "version"] {
        assert!(!shown.text.contains(secret), "{secret}: {}", shown.text);
    }
    for wanted in [
        guests.id.to_string(),
        "Guests".to_owned(),
        "Guest".to_owned(),
    ] {
        let item = json!({"items": [{"ticket_type": wanted, "quantity": 1}]});
        let refused = anybody.post(&holds(&event), item).await;
        let problem = refused.is_problem(404, "not_found");
        assert!(
            !problem["candidates"].to_string().contains("Guests"),
            "{problem}"
        );
    }
    for name in [
        draft.id.to_string(),
        draft.slug.clone(),
        "Secret%20Gala".to_owned(),
    ] {
        let path = format!("/v1/public/scene/events/{name}");
        let refused = anybody.get(&path).await;
        refused.is_problem(404, "not_found");
        let hold = anybody.post(&format!("{path}/holds"), regular(1)).await;
        hold.is_problem(404, "not_found");
    }
    let checkout = held(&anybody, &event, 1).await;
    let unpublish = UnpublishEvent {
        event: event.id.into(),
    };
    scene.run(unpublish).await.unwrap();
    anybody.get(&path).await.is_problem(404, "not_found");
    let order = format!("/v1/public/holds/{checkout}/order");
    anybody
        .post(&order, ada())
        .await
        .is_problem(404, "not_found");
}

#[tokio::test]
async fn nobody_reaches_what_is_not_theirs() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    let anybody = Client::anybody(&scene);
    let checkout = held(&anybody, &event, 1).await;
    let order = format!("/v1/public/holds/{checkout}/order");
    anybody.post(&order, ada()).await.done();
    let ids = scene.database.ask("select id, order_id from hold").await;
    let bare = |field: &str| ids[0][field].as_str().unwrap().replace('-', "");
    let mut forged = checkout.clone();
    let last = if checkout.ends_with('0') { "1" } else { "0" };
    forged.replace_range(checkout.len() - 1.., last);
    // The ids of the hold and the order are in changes, which others are told.
    let wrong = [
        forged,
        format!("hld_{}", bare("id")),
        format!("ord_{}", bare("order_id")),
        checkout[2..].to_owned(),
        "x".to_owned(),
    ];
    for wrong in wrong {
        let path = format!("/v1/public/holds/{wrong}");
        anybody.get(&path).await.is_problem(404, "checkout_unknown");
        let order = anybody.get(&format!("{path}/order")).await;
        order.is_problem(404, "checkout_unknown");
    }
    // Another server's key opens nothing here.
    let elsewhere = Client::with(&scene, Options::new([8; 32]));
    elsewhere
        .get(&order)
        .await
        .is_problem(404, "checkout_unknown");
    scene.other_organization().await;
    let foreign = format!("/v1/public/other/events/{}", event.id);
    anybody.get(&foreign).await.is_problem(404, "not_found");
    let nobody = format!("/v1/public/nobody/events/{}", event.id);
    anybody.get(&nobody).await.is_problem(404, "path_unknown");
    // The buyers' part leads to no operation, and a buyer to no one else's data.
    for name in ["list_orders", "get_order", "list_attendees"] {
        let path = format!("/v1/public/{name}");
        anybody
            .post(&path, json!({}))
            .await
            .is_problem(404, "path_unknown");
    }
    let more = json!({"buyer": ada()["buyer"], "event": event.id});
    let taken = held(&anybody, &event, 1).await;
    let refused = anybody
        .post(&format!("/v1/public/holds/{taken}/order"), more)
        .await;
    refused.is_problem(422, "invalid_input");
}

#[tokio::test]
async fn a_key_is_one_buyers_and_a_repeat_is_one_hold() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    let anybody = Client::anybody(&scene);
    let keyed = |key: &str| anybody.header("idempotency-key", key);
    let guessable = keyed("1").post(&holds(&event), regular(1)).await;
    guessable.is_problem(422, "idempotency_key_guessable");
    let key = "0b1e5f0e-55b5-4a5e-9d3c-6a3f8b9d0c11";
    let first = keyed(key).post(&holds(&event), regular(2)).await.done();
    let again = keyed(key).post(&holds(&event), regular(2)).await.done();
    assert_eq!(first["checkout"], again["checkout"]);
    assert_eq!(scene.database.count("select count(*) from hold").await, 1);
    let order = |checkout: &Value| format!("/v1/public/holds/{}/order", checkout.as_str().unwrap());
    let mine = order(&first["checkout"]);
    let placed = keyed(key).post(&mine, ada()).await.done();
    assert_eq!(keyed(key).post(&mine, ada()).await.done(), placed);
    // The same key for another hold is another request.
    let other = held(&anybody, &event, 1).await;
    let other = keyed(key).post(&order(&json!(other)), ada()).await.done();
    assert_ne!(other["number"], placed["number"]);
    scene.reconcile().await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits_and_others_do_not() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    for behind_proxy in [false, true] {
        let mut options = Options::new(KEY);
        (options.public_per_minute, options.public_burst) = (1, 2);
        options.behind_proxy = behind_proxy;
        let router = router(scene.app.clone(), options);
        let ask = async |peer: &str, forwarded: &str| {
            let request = Request::get(format!("/v1/public/scene/events/{}", event.slug));
            let request = request.header("x-forwarded-for", forwarded);
            let mut request = request.body(Body::empty()).unwrap();
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request).await.unwrap()
        };
        // Behind a proxy of ours, whatever a client writes before its address changes nothing; without one, nothing does.
        for number in 0..2 {
            let forwarded = format!("10.0.0.{number}, 192.0.2.1");
            let answer = ask("198.51.100.1:1", &forwarded).await;
            assert_eq!(answer.status(), 200);
        }
        let answer = ask("198.51.100.1:2", "10.0.0.9, 192.0.2.1").await;
        assert_eq!(answer.status(), 429);
        assert!(
            answer.headers()[header::RETRY_AFTER]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
                > 0
        );
        let other = if behind_proxy {
            ask("198.51.100.1:3", "192.0.2.2").await
        } else {
            ask("198.51.100.2:1", "192.0.2.1").await
        };
        assert_eq!(other.status(), 200, "{behind_proxy}");
    }
}

#[tokio::test]
async fn somebody_waits_for_what_is_sold_out_and_nobody_learns_who_does() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 2).await;
    let anybody = Client::anybody(&scene);
    let path = format!("/v1/public/scene/events/{}/waitlist", event.slug);
    let ada = json!({"ticket_type": "Regular", "quantity": 2, "name": "Ada Lovelace", "email": "ada@example.org"});
    let early = anybody.post(&path, ada.clone()).await;
    early.is_problem(409, "not_sold_out");
    let checkout = held(&anybody, &event, 2).await;
    let joined = anybody.post(&path, ada.clone()).await;
    assert_eq!(joined.status, 202, "{}", joined.text);
    let again = anybody
        .post(&path, json!({"ticket_type": "Regular", "quantity": 1, "name": "Eve", "email": "ADA@example.org"}))
        .await;
    assert_eq!((again.status.as_u16(), &again.json), (202, &joined.json));
    assert!(!joined.text.contains("wte_"), "{}", joined.text);
    let shown = anybody
        .get(&format!("/v1/public/scene/events/{}", event.slug))
        .await
        .done();
    assert_eq!(shown["ticket_types"][0]["state"], "sold_out");
    // What is given back is kept for Ada, and shown as sold out.
    let release = format!("/v1/public/holds/{checkout}/release");
    anybody.post(&release, json!({})).await.done();
    let shown = anybody
        .get(&format!("/v1/public/scene/events/{}", event.slug))
        .await
        .done();
    assert_eq!(
        (
            &shown["ticket_types"][0]["state"],
            &shown["ticket_types"][0]["left"]
        ),
        (&json!("sold_out"), &json!(0))
    );
    anybody
        .post(&holds(&event), regular(1))
        .await
        .is_problem(409, "sold_out");
    let mut priority = ada.clone();
    priority["priority"] = json!(9);
    anybody
        .post(&path, priority)
        .await
        .is_problem(422, "invalid_input");
    let mut unknown = ada.clone();
    unknown["ticket_type"] = json!("Balcony");
    anybody
        .post(&path, unknown)
        .await
        .is_problem(404, "not_found");
    let draft = scene.run(new_event("Secret Gala")).await.unwrap().event;
    scene
        .run(selling(draft.id, "Regular", 2500, 1))
        .await
        .unwrap();
    let path = format!("/v1/public/scene/events/{}/waitlist", draft.slug);
    anybody.post(&path, ada).await.is_problem(404, "not_found");
    scene.reconcile().await;
}

#[tokio::test]
async fn a_turn_of_the_waiting_room_is_what_a_hold_needs() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(0, 10).await;
    let anybody = Client::anybody(&scene);
    let path = format!("/v1/public/scene/events/{}", event.slug);
    let turns = format!("{path}/turns");
    anybody
        .post(&turns, json!({}))
        .await
        .is_problem(409, "no_waiting_room");
    let room = SetWaitingRoom {
        event: event.id.into(),
        is_on: None,
        opens: None,
        at_once: Some(1),
        turn_minutes: None,
    };
    // The buyers' clock is the server's, years before that of the scene.
    let owner = scene.cx.clone().with_now(domain::Timestamp::now());
    scene.app.run(&owner, room).await.unwrap();
    assert_eq!(anybody.get(&path).await.done()["has_waiting_room"], true);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let turn = anybody.post(&turns, json!({})).await;
        assert_eq!(turn.status, 201, "{}", turn.text);
        taken.push(turn.json["turn"].as_str().unwrap().to_owned());
    }
    let shown = async |turn: &str| {
        let turn = anybody.get(&format!("/v1/public/turns/{turn}")).await;
        turn.done()
    };
    assert_eq!(shown(&taken[0]).await["status"], "now");
    let second = shown(&taken[1]).await;
    assert_eq!(
        (&second["status"], &second["position"]),
        (&json!("waiting"), &json!(1))
    );
    let with = |turn: &str| {
        let mut hold = regular(1);
        hold["turn"] = turn.into();
        hold
    };
    anybody
        .post(&holds(&event), regular(1))
        .await
        .is_problem(409, "turn_needed");
    anybody
        .post(&holds(&event), with(&taken[1]))
        .await
        .is_problem(409, "turn_not_now");
    anybody
        .post(&holds(&event), with("00"))
        .await
        .is_problem(404, "turn_unknown");
    let bad = "/v1/public/turns/00";
    anybody.get(bad).await.is_problem(404, "turn_unknown");
    let hold = anybody.post(&holds(&event), with(&taken[0])).await.done();
    let order = format!(
        "/v1/public/holds/{}/order",
        hold["checkout"].as_str().unwrap()
    );
    anybody.post(&order, ada()).await.done();
    assert_eq!(shown(&taken[0]).await["status"], "over");
    scene.reconcile().await;
}

#[tokio::test]
async fn a_gift_card_pays_what_was_ordered() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let anybody = Client::anybody(&scene);
    let checkout = held(&anybody, &event, 2).await;
    let order = format!("/v1/public/holds/{checkout}/order");
    let card = format!("{order}/gift-card");
    let early = anybody.post(&card, json!({"code": "x"})).await;
    early.is_problem(404, "not_ordered");
    anybody.post(&order, ada()).await;
    let mut codes = Vec::new();
    for amount in [2000, 9000] {
        let issue = IssueGiftCards::of(Money::new(amount, eur()));
        let id = scene.run(issue).await.unwrap().gift_cards[0].id;
        let shown = scene.run(GetGiftCard::of(id.into())).await.unwrap();
        codes.push(shown.code.unwrap());
    }
    let wrong = anybody.post(&card, json!({"code": "ABCD-EFGH"})).await;
    wrong.is_problem(422, "gift_card_misread");
    // How much is not the buyer's to say, nor which order.
    let amount = json!({"code": codes[0], "amount": {"amount": 1, "currency": "EUR"}});
    anybody
        .post(&card, amount)
        .await
        .is_problem(422, "invalid_input");
    let first = anybody.post(&card, json!({"code": codes[0]})).await.done();
    assert_eq!(
        (&first["status"], &first["open"]["amount"]),
        (&json!("pending"), &json!(3000))
    );
    let used_up = anybody.post(&card, json!({"code": codes[0]})).await;
    used_up.is_problem(409, "gift_card_not_active");
    let paid = anybody.post(&card, json!({"code": codes[1]})).await.done();
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["tickets"].as_array().unwrap().len(), 2);
    assert!(!paid.to_string().contains(&codes[1]), "{paid}");
    let again = anybody.post(&card, json!({"code": codes[1]})).await;
    again.is_problem(409, "nothing_to_pay");
}
