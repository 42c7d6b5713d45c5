//! What is forgotten.

use serde_json::json;

use super::{ADA, House};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_years_after_an_event_nobody_is_named_any_more_if_that_is_on() {
    let house = House::with("data-retention").await;
    house.gala("2027-02-04").await;
    let kept = house.draft("Summer Fête", "2028-07-01", 50).await;
    house.run("publish_event", json!({"event": kept})).await;
    house.order(&kept, "lin@example.org", 1).await;
    let named = async |address: &str| {
        let query = format!("select count(*) from orders where buyer_email = '{address}'");
        house.scene.database.count(&query).await
    };
    house.at("2029-02-03T02:30:05Z").await;
    house.until_run("data-retention").await;
    assert_eq!(named(ADA).await, 1, "a day too early");
    house.disable("data-retention").await;
    house.at("2029-02-06T02:30:05Z").await;
    assert_eq!(named(ADA).await, 1, "nobody wants it");
    house
        .run("enable_workflow", json!({"workflow": "data-retention"}))
        .await;
    house.at("2029-02-07T02:30:05Z").await;
    house.until_run("data-retention").await;
    assert_eq!((named(ADA).await, named("lin@example.org").await), (0, 1));
    let changes = house
        .run("list_changes", json!({"kind": "personal_data.erased"}))
        .await;
    let items = changes["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{changes:#}");
    assert_eq!(items[0]["payload"]["order_count"], 3);
    // Nobody was asked: who enabled it has agreed.
    let asked = house.run("list_approvals", json!({})).await;
    assert_eq!(asked["items"], json!([]));
    house.at("2029-02-08T02:30:05Z").await;
    house.until_run("data-retention").await;
    assert_eq!(
        house.ends("data-retention").await,
        ["skipped", "done", "skipped"]
    );
    house.assert_sent(&[]).await;
}
