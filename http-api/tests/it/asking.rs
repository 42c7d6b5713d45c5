//! Programs with a token: who is let in, how refusals look, and what is not done at once.

use axum::http::header;
use domain::Cx;
use operations::{
    CATALOG, Shelf,
    approvals::{DecideApproval, Decision},
    testing::{Scene, selling},
    tokens::CreateToken,
};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test]
async fn only_a_token_opens_the_door_and_only_as_far_as_it_goes() {
    let scene = Scene::new().await;
    let anybody = Client::anybody(&scene);
    let refused = anybody.get("/v1/get_context").await;
    refused.is_problem(401, "token_missing");
    assert_eq!(
        refused.headers[header::WWW_AUTHENTICATE],
        "Bearer realm=\"EventOS\""
    );
    let unknown = format!("Bearer eos_{}", "0".repeat(64));
    for wrong in [unknown.as_str(), "Bearer x", "bearer "] {
        let refused = anybody
            .header("authorization", wrong)
            .get("/v1/get_context")
            .await;
        refused.is_problem(401, "token_invalid");
        let challenge = refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(
            challenge.ends_with("error=\"invalid_token\""),
            "{challenge}"
        );
    }
    let basic = anybody
        .header("authorization", "Basic eDp5")
        .get("/v1/get_context")
        .await;
    basic.is_problem(401, "token_missing");
    let full = Client::full(&scene).await;
    let context = full.get("/v1/get_context").await.done();
    assert_eq!(context["organization"]["slug"], "scene");
    let few = CreateToken {
        scopes: vec!["events:read".to_owned()],
        ..CreateToken::default()
    };
    let few = Client::new(&scene, few).await;
    few.post("/v1/list_events", json!({})).await.done();
    few.post("/v1/list_orders", json!({}))
        .await
        .is_problem(403, "forbidden");
    let reading = CreateToken {
        read_only: true,
        toolsets: Some(vec!["events".to_owned()]),
        ..CreateToken::default()
    };
    let reading = Client::new(&scene, reading).await;
    let save = reading
        .post("/v1/save_venue", json!({"name": "Hall"}))
        .await;
    save.is_problem(403, "read_only");
    let orders = reading.post("/v1/list_orders", json!({})).await;
    orders.is_problem(403, "toolset_off");
}

#[tokio::test]
async fn every_failure_is_a_problem() {
    let scene = Scene::new().await;
    let client = Client::full(&scene).await;
    client
        .get("/v1/nothing")
        .await
        .is_problem(404, "path_unknown");
    client
        .get("/v1/public/nothing/at/all")
        .await
        .is_problem(404, "path_unknown");
    client
        .get("/v1/get_context/x")
        .await
        .is_problem(404, "path_unknown");
    let other = client.get("/v1/list_events").await;
    let problem = other.is_problem(405, "method_unknown");
    assert_eq!(problem["detail"], "\"/v1/list_events\" does not know GET.");
    assert_eq!(other.headers[header::ALLOW], "POST");
    let other = client.send("DELETE", "/openapi.json", "").await;
    other.is_problem(405, "method_unknown");
    let typed = client.header("content-type", "application/json");
    for malformed in ["{", "[]", "1", "\u{7b}\"a\":}"] {
        let refused = typed.send("POST", "/v1/list_events", malformed).await;
        refused.is_problem(400, "body_malformed");
    }
    let long = format!("{{\"query\": \"{}\"}}", "x".repeat(1 << 20));
    typed
        .send("POST", "/v1/list_events", long)
        .await
        .is_problem(413, "body_too_large");
    client
        .send("POST", "/v1/list_events", "{}")
        .await
        .is_problem(415, "body_media_type");
    let misspelled = client.post("/v1/list_events?dry_rum=true", json!({})).await;
    misspelled.is_problem(400, "parameter_invalid");
    let venue = |path: &str| format!("/v1/save_venue{path}");
    for (wrong, field) in [("?dry_run=perhaps", "dry_run"), ("?confirm=00", "confirm")] {
        let refused = client.post(&venue(wrong), json!({"name": "Hall"})).await;
        let problem = refused.is_problem(400, "parameter_invalid");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    for (tag, code) in [
        (format!("\"v1.{}\"", "0".repeat(32)), "if_match_unsupported"),
        ("\"1\"".to_owned(), "parameter_invalid"),
        (format!("W/\"v1.{}\"", "0".repeat(32)), "parameter_invalid"),
    ] {
        let matched = client.header("if-match", &tag);
        let matched = matched.post(&venue(""), json!({"name": "Hall"})).await;
        matched.is_problem(400, code);
    }
    let unknown = client.post(&venue(""), json!({"nam": "Hall"})).await;
    assert_eq!(
        unknown.is_problem(422, "invalid_input")["errors"][0]["pointer"],
        "/nam"
    );
    client
        .get("/v1/get_event")
        .await
        .is_problem(422, "invalid_input");
    client
        .get("/v1/get_event?evnt=x")
        .await
        .is_problem(400, "parameter_invalid");
    client
        .get("/v1/get_event?event=x&event=y")
        .await
        .is_problem(400, "parameter_invalid");
    client
        .get("/v1/get_event?event=evt_12")
        .await
        .is_problem(422, "invalid_input");
    let key = client.header("idempotency-key", &"x".repeat(201));
    key.post(&venue(""), json!({"name": "Hall"}))
        .await
        .is_problem(400, "parameter_invalid");
    scene.published("Spring Gala").await;
    let near = client.get("/v1/get_event?event=Spring%20Gal").await;
    let problem = near.is_problem(404, "not_found");
    assert_eq!(problem["errors"][0]["field"], "event");
    let candidate = problem["candidates"][0]["name"].as_str().unwrap();
    assert!(candidate.starts_with("Spring Gala"), "{candidate}");
    // What a problem's type leads to says the same.
    let described = client.get("/problems/not_found").await;
    assert!(
        described.text.contains(problem["hint"].as_str().unwrap()),
        "{}",
        described.text
    );
    client
        .get("/problems/nothing")
        .await
        .is_problem(404, "path_unknown");
}

#[tokio::test]
async fn a_repeat_under_one_key_does_nothing_and_a_dry_run_keeps_nothing() {
    let scene = Scene::new().await;
    let client = Client::full(&scene).await;
    let hall = json!({"name": "Hall"});
    let tried = client
        .post("/v1/save_venue?dry_run=true", hall.clone())
        .await
        .done();
    let would = &tried["dry_run"]["would"];
    assert_eq!(would.as_array().map(Vec::len), Some(1), "{tried}");
    let count = "select count(*) from venue";
    assert_eq!(scene.database.count(count).await, 0);
    let keyed = client.header("idempotency-key", "once");
    let first = keyed.post("/v1/save_venue", hall.clone()).await.done();
    let again = keyed.post("/v1/save_venue", hall.clone()).await.done();
    assert_eq!(first, again);
    assert_eq!(scene.database.count(count).await, 1);
    let other = keyed.post("/v1/save_venue", json!({"name": "Barn"})).await;
    other.is_problem(409, "idempotency_key_reused");
    client
        .post("/v1/save_venue", hall)
        .await
        .is_problem(409, "name_taken");
}

#[tokio::test]
async fn what_is_got_has_a_tag() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let client = Client::full(&scene).await;
    let path = format!("/v1/get_event?event={}", event.id);
    let first = client.get(&path).await;
    let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(first.json["event"]["title"], "Spring Gala");
    let again = client
        .header("if-none-match", &format!("\"x\", W/{tag}"))
        .get(&path)
        .await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    scene.order(event.id, 1).await;
    let changed = client.header("if-none-match", &tag).get(&path).await;
    assert_eq!(changed.status, 200);
    let report = format!("/v1/get_sales_report?event={}&by=type&by=day", event.id);
    client.get(&report).await.done();
}

#[tokio::test]
async fn pages_follow_each_other() {
    let scene = Scene::new().await;
    for name in ["Barn", "Hall", "Loft"] {
        scene.venue(name).await;
    }
    let client = Client::full(&scene).await;
    let mut names = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut input = json!({"limit": 2});
        if !cursor.is_null() {
            input["cursor"] = cursor;
        }
        let page = client.post("/v1/list_venues", input).await.done();
        let items = page["items"].as_array().unwrap();
        names.extend(
            items
                .iter()
                .map(|venue| venue["name"].as_str().unwrap().to_owned()),
        );
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["Barn", "Hall", "Loft"]);
}

#[tokio::test]
async fn what_takes_something_away_is_seen_first() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let order = scene.order(event.id, 2).await;
    let client = Client::full(&scene).await;
    let input = json!({"order": order.order.id});
    let asked = client.post("/v1/cancel_order", input.clone()).await;
    let problem = asked.is_problem(428, "confirmation_needed");
    assert!(
        problem["preview"][0]
            .as_str()
            .unwrap()
            .contains(&order.order.number),
        "{problem}"
    );
    let shown = client
        .post("/v1/cancel_order?dry_run=true", input.clone())
        .await
        .done();
    assert_eq!(shown["dry_run"]["confirm"], problem["confirm"]);
    let wrong = format!("/v1/cancel_order?confirm={}", "0".repeat(64));
    client
        .post(&wrong, input.clone())
        .await
        .is_problem(428, "confirmation_needed");
    let open = "select count(*) from orders where status = 'pending'";
    assert_eq!(scene.database.count(open).await, 1);
    let right = format!(
        "/v1/cancel_order?confirm={}",
        problem["confirm"].as_str().unwrap()
    );
    let done = client.post(&right, input.clone()).await.done();
    assert_eq!(scene.database.count(open).await, 0, "{done}");
    let again = client.post(&right, input).await.done();
    assert_eq!(again["was_cancelled_already"], true);
    scene.reconcile().await;
}

#[tokio::test]
async fn what_a_person_must_decide_waits_for_one_and_no_token_is_one() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let client = Client::full(&scene).await;
    let input = json!({"event": event.id, "reason": "Storm"});
    let shown = client
        .post("/v1/cancel_event?dry_run=true", input.clone())
        .await
        .done();
    // Knowing what would be confirmed does not help.
    let confirm = shown["dry_run"]["confirm"].as_str().unwrap().to_owned();
    for path in [
        "/v1/cancel_event".to_owned(),
        format!("/v1/cancel_event?confirm={confirm}"),
    ] {
        let asked = client.post(&path, input.clone()).await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        assert_eq!(asked.json["approval"]["status"], "pending");
    }
    let asked = client.post("/v1/cancel_event", input.clone()).await.done();
    let id = asked["approval"]["approval"].as_str().unwrap().to_owned();
    let published = "select count(*) from event where status = 'published'";
    assert_eq!(scene.database.count(published).await, 1);
    for entry in CATALOG
        .iter()
        .filter(|entry| entry.shelf == Shelf::Operators)
    {
        let decide = json!({"approval": id, "decision": "approved"});
        let path = format!("/v1/{}", entry.name);
        client
            .post(&path, decide)
            .await
            .is_problem(404, "path_unknown");
    }
    let decide = DecideApproval {
        approval: id.parse().unwrap(),
        decision: Decision::Approved,
        note: None,
    };
    let person = Cx::new(
        scene.cx.organization_id,
        scene.cx.actor.clone(),
        scene.cx.permissions,
    );
    scene.app.run(&person, decide).await.unwrap();
    assert_eq!(scene.database.count(published).await, 0);
    let seen = client
        .get(&format!("/v1/get_approval?approval={id}"))
        .await
        .done();
    assert_eq!(seen["status"], "done");
}

#[tokio::test]
async fn another_organization_sees_nothing() {
    let scene = Scene::new().await;
    let (event, _) = scene.on_sale(2500, 10).await;
    let order = scene.order(event.id, 2).await;
    let other = Scene {
        cx: scene.other_organization().await,
        ..scene
    };
    let client = Client::full(&other).await;
    let event = format!("/v1/get_event?event={}", event.id);
    client.get(&event).await.is_problem(404, "not_found");
    let order = format!("/v1/get_order?order={}", order.order.number);
    client.get(&order).await.is_problem(404, "not_found");
    let listed = client.post("/v1/list_orders", json!({})).await.done();
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn a_write_is_refused_when_what_it_is_based_on_has_changed() {
    let scene = Scene::new().await;
    let event = scene.published("Gala").await;
    let client = Client::full(&scene).await;
    let path = format!("/v1/get_event?event={}", event.slug);
    let got = client.get(&path).await;
    let tag = got.headers["etag"].to_str().unwrap().to_owned();
    let change = |summary: &str| json!({"event": event.id, "summary": summary});
    let based = client.header("if-match", &tag);
    based.post("/v1/update_event", change("First")).await.done();
    let second = based.post("/v1/update_event", change("Second")).await;
    second.is_problem(412, "changed_meanwhile");
    // Without the header it is a conflict, as everywhere else.
    let mut stale = change("Second");
    stale["version"] = got.json["event"]["version"].clone();
    let stale = client.post("/v1/update_event", stale).await;
    stale.is_problem(409, "changed_meanwhile");
    let mut two = change("Second");
    two["version"] = json!(999);
    let two = based.post("/v1/update_event", two).await;
    two.is_problem(400, "parameter_invalid");
    // Got anew, it fits; and what changed beside the version, such as how much is left, is in nobody's way.
    let tag = client.get(&path).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    scene.run(selling(event.id, "Regular", 0, 5)).await.unwrap();
    let based = client.header("if-match", &tag);
    let done = based
        .post("/v1/update_event", change("Second"))
        .await
        .done();
    assert_eq!(done["event"]["summary"], "Second");
    let any = client.header("if-match", "*");
    any.post("/v1/update_event", change("Third")).await.done();
}
