//! What the team hears.

use serde_json::json;

use super::{ADA, GRACE, HEDY, House, OWNER, mail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_mondays_bring_three_reports() {
    let mut house = House::with("weekly-sales-report").await;
    house.gala("2027-03-04").await;
    let mondays = ["2027-01-18", "2027-01-25", "2027-02-01"];
    let subjects = [
        "Sales: 4 tickets, 2027-01-11 to 2027-01-17",
        "Sales: 0 tickets, 2027-01-18 to 2027-01-24",
        "Sales: 0 tickets, 2027-01-25 to 2027-01-31",
    ];
    for (monday, subject) in mondays.iter().zip(subjects) {
        house.at(&format!("{monday}T07:59:00Z")).await;
        house.assert_sent(&[]).await;
        // Nine in the morning in Berlin, with a worker that dies over it.
        house.set_now(&format!("{monday}T08:00:05Z"));
        house.replace_worker();
        house.until_run("weekly-sales-report").await;
        house.assert_sent(&[mail(OWNER, subject)]).await;
    }
    house.disable("weekly-sales-report").await;
    house.at("2027-02-08T08:00:05Z").await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_sales_are_told_two_weeks_before_and_good_ones_are_not() {
    // On from the start.
    let house = House::new().await;
    house.disable("order-confirmation").await;
    // Four of fifty; and one that is half sold.
    house.gala("2027-06-10").await;
    let good = house.draft("Summer Fête", "2027-06-10", 8).await;
    house.run("publish_event", json!({"event": good})).await;
    house.paid(&good, ADA, 4).await;
    house.at("2027-05-27T16:59:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-05-27T17:00:01Z").await;
    house
        .assert_sent(&[mail(OWNER, "Spring Gala sells slowly")])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_ticket_is_told_once() {
    // On from the start.
    let house = House::new().await;
    house.disable("order-confirmation").await;
    let event = house.draft("Spring Gala", "2027-02-04", 3).await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, ADA, 2).await;
    house.settle().await;
    house.assert_sent(&[]).await;
    house.paid(&event, GRACE, 1).await;
    house.settle().await;
    house
        .assert_sent(&[mail(OWNER, "Spring Gala is sold out")])
        .await;
    house.disable("sold-out-alert").await;
    let other = house.draft("Summer Fête", "2027-07-01", 1).await;
    house.run("publish_event", json!({"event": other})).await;
    house.paid(&other, ADA, 1).await;
    house.settle().await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_price_is_told_once() {
    let house = House::with("price-tier-notice").await;
    let event = house.draft("Spring Gala", "2027-02-04", 3).await;
    let early = json!({
        "event": event, "name": "Early", "quantity": 2, "price": {"amount": 1500, "currency": "EUR"},
    });
    house.run("save_ticket_type", early).await;
    let chain = json!({"event": event, "ticket_types": ["Early", "Regular"]});
    house.run("set_price_tiers", chain).await;
    house.run("publish_event", json!({"event": event})).await;
    let ordering = || {
        json!({
            "event": event, "items": [{"ticket_type": "Early", "quantity": 1}],
            "buyer": {"name": "Some Body", "email": ADA},
        })
    };
    house.run("place_order", ordering()).await;
    house.settle().await;
    house.assert_sent(&[]).await;
    house.run("place_order", ordering()).await;
    house.settle().await;
    let told = mail(OWNER, "Spring Gala: now Regular for 25.00 EUR");
    house.assert_sent(&[told]).await;
    house.order(&event, GRACE, 1).await;
    house.settle().await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settlement_comes_the_day_after() {
    let house = House::with("settlement-statement").await;
    house.gala("2027-02-04").await;
    house.at("2027-02-05T20:59:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-02-05T21:00:05Z").await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].to.address.as_str(), OWNER);
    assert_eq!(mails[0].subject, "Settlement of Spring Gala: 100.00 EUR");
    let by_hand = "100.00 EUR came in, 0.00 EUR went back, 100.00 EUR stay";
    assert!(mails[0].text.contains(by_hand), "{}", mails[0].text);
    house.at("2027-02-09T21:00:05Z").await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_briefed_on_the_day_and_only_then() {
    let house = House::with("door-briefing").await;
    let event = house.gala("2027-02-04").await;
    house.order(&event, GRACE, 1).await;
    house.at("2027-02-03T07:00:05Z").await;
    house.until_run("door-briefing").await;
    house.assert_sent(&[]).await;
    house.at("2027-02-04T07:00:05Z").await;
    house.until_run("door-briefing").await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1);
    // Nobody has the role, so that it goes to who leads.
    assert_eq!(mails[0].to.address.as_str(), OWNER);
    assert_eq!(mails[0].subject, "Door: Spring Gala");
    for part in ["4 guests expected", "Regular", "Not paid yet: 1 orders"] {
        assert!(
            mails[0].text.replace("**", "").contains(part),
            "{part}: {}",
            mails[0].text
        );
    }
    assert_eq!(house.ends("door-briefing").await, ["skipped", "done"]);
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_failed_are_listed_in_the_morning_after_and_nothing_is_when_none_did() {
    // On from the start.
    let house = House::new().await;
    let event = house.draft("Spring Gala", "2027-02-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, HEDY, 1).await;
    house.settle().await;
    house.read().await;
    house.at("2027-01-12T07:00:05Z").await;
    house.until_run("failed-mail-digest").await;
    house.assert_sent(&[]).await;
    house.refuse(ADA);
    house.paid(&event, ADA, 1).await;
    house.paid(&event, GRACE, 1).await;
    house.settle().await;
    let confirmed = [mail(GRACE, "Your tickets for Spring Gala")];
    house.assert_sent(&confirmed).await;
    house.at("2027-01-13T07:00:05Z").await;
    house.until_run("failed-mail-digest").await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to.address.as_str(), OWNER);
    assert_eq!(mails[0].subject, "1 mail could not be delivered");
    for part in [ADA, "Your tickets for Spring Gala", "the mailbox is full"] {
        assert!(mails[0].text.contains(part), "{part}: {}", mails[0].text);
    }
    // What was told is not told again, not even that the digest itself came back.
    house.at("2027-01-14T07:00:05Z").await;
    house.until_run("failed-mail-digest").await;
    house.assert_sent(&[]).await;
    let ends = house.ends("failed-mail-digest").await;
    assert_eq!(ends, ["skipped", "done", "skipped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_add_up_is_stopped_and_told_once() {
    let house = House::with("reconciliation").await;
    let event = house.draft("Spring Gala", "2027-03-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, ADA, 2).await;
    house.at("2027-01-11T09:17:05Z").await;
    house.until_run("reconciliation").await;
    house.assert_sent(&[]).await;
    let lost = "update capacity_pool set sold_count = 1";
    house.scene.database.tell(lost).await;
    house.at("2027-01-11T10:17:05Z").await;
    house.until_run("reconciliation").await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to.address.as_str(), OWNER);
    for part in [
        "Regular",
        "Spring Gala",
        "0 set aside, 1 sold",
        "0 set aside, 2 sold",
    ] {
        assert!(mails[0].text.contains(part), "{part}: {}", mails[0].text);
    }
    let order = json!({
        "event": event, "items": [{"ticket_type": "Regular", "quantity": 1}],
        "buyer": {"name": "Grace Hopper", "email": GRACE},
    });
    let refused = house.try_run("place_order", order.clone()).await;
    assert!(refused.unwrap_err().starts_with("sales_stopped"));
    house.at("2027-01-11T11:17:05Z").await;
    house.until_run("reconciliation").await;
    house.assert_sent(&[]).await;
    let stopped = house.run("check_inventory", json!({})).await;
    let pool = &stopped["stopped"][0]["id"];
    house.run("resume_sales", json!({"pool": pool})).await;
    house.run("place_order", order).await;
    let ends = house.ends("reconciliation").await;
    assert_eq!(ends, ["skipped", "done", "skipped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_nobody_told_of_is_found_within_the_hour() {
    let house = House::with("payment-reconciliation").await;
    let event = house.draft("Spring Gala", "2027-03-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    let order = json!({
        "event": event, "items": [{"ticket_type": "Regular", "quantity": 1}],
        "buyer": {"name": "Grace Hopper", "email": GRACE},
    });
    let placed = house.run("place_order", order).await;
    let order = json!({"order": placed["order"]["id"]});
    let started = house.run("start_checkout", order.clone()).await;
    let page = started["page_url"].as_str().unwrap();
    let page = page.rsplit('/').next().unwrap();
    // The provider's message gets lost.
    house.till.simulator.choose(page, "pay").unwrap();
    assert_eq!(
        house.run("get_order", order.clone()).await["status"],
        "pending"
    );
    house.at("2027-01-11T09:41:05Z").await;
    house.until_run("payment-reconciliation").await;
    house.until_run("job:check_payment").await;
    let paid = house.run("get_order", order).await;
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["payments"].as_array().unwrap().len(), 1);
    assert_eq!(house.ends("payment-reconciliation").await, ["done"]);
}
