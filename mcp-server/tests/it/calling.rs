//! Calls: structured answers that keep their promises, dry runs, repeats, refusals that help.

use operations::{CATALOG, Shelf, testing::Scene};
use rmcp::model::{ClientRequest, RequestMetaObject, Tool};
use serde_json::{Value, json};

use crate::client::{Client, Desk, ERAS, Era, params, text};

/// Whether a value has the shape a published schema promises: types and required fields are all they have.
fn conforms(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        other => return Err(format!("{path}: the schema says {other:?}")),
    };
    if !fits {
        return Err(format!("{path}: {value} is no {}", schema["type"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        value
            .get(name)
            .ok_or_else(|| format!("{path}.{name} is missing"))?;
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            conforms(inner, value, &format!("{path}.{name}"))?;
        }
    }
    if let Some(items) = schema.get("items") {
        for (i, item) in value.as_array().into_iter().flatten().enumerate() {
            conforms(items, item, &format!("{path}[{i}]"))?;
        }
    }
    Ok(())
}

fn assert_conforms(tools: &[Tool], name: &str, value: &Value) {
    let tool = tools.iter().find(|tool| tool.name == name).unwrap();
    let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
    conforms(&schema, value, name).unwrap();
}

fn gala() -> Value {
    json!({"title": "Gala", "starts": "2030-02-04T19:00"})
}

#[tokio::test]
async fn answers_as_promised_with_the_same_json_as_text() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let tools = client.service.list_tools(None).await.unwrap().tools;
        let calls = [
            ("get_context", json!({})),
            (
                "save_venue",
                json!({"name": format!("Hall {era:?}"), "capacity": 200}),
            ),
            (
                "create_event",
                json!({"title": format!("Gala {era:?}"), "starts": "2030-02-04T19:00"}),
            ),
            ("list_events", json!({})),
            ("list_venues", json!({"limit": 1})),
            ("search_tools", json!({"query": "audit trail"})),
            (
                "run_read_tool",
                json!({"tool": "list_changes", "arguments": {"limit": 2}}),
            ),
        ];
        for (tool, arguments) in calls {
            let result = client.try_call(tool, arguments).await.unwrap();
            assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
            let value = result.structured_content.clone().unwrap();
            assert_conforms(&tools, tool, &value);
            assert_eq!(
                serde_json::from_str::<Value>(&text(&result)).unwrap(),
                value,
                "{tool}"
            );
        }
    }
    let trail = scene.changes().await;
    assert_eq!(trail.last().unwrap().client.as_deref(), Some("desk 1.0"));
}

#[tokio::test]
async fn is_concise_unless_asked_for_details() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let created = client.call("create_event", gala()).await;
    assert!(created["event"].get("starts_at").is_none(), "{created}");
    let concise = client.call("list_events", json!({})).await;
    assert!(concise["items"][0].get("starts_at").is_none(), "{concise}");
    let detailed = client
        .call("list_events", json!({"response_format": "detailed"}))
        .await;
    assert!(detailed["items"][0]["starts_at"].is_string(), "{detailed}");
    let said = client
        .refused("list_events", json!({"response_format": "poetic"}))
        .await;
    assert!(said.contains("\"field\":\"response_format\""), "{said}");
    let inner = json!({"tool": "list_changes", "arguments": {"response_format": "detailed"}});
    let changes = client.call("run_read_tool", inner).await;
    assert!(changes["items"][0]["payload"].is_object(), "{changes}");
}

#[tokio::test]
async fn goes_through_pages_by_cursor() {
    let scene = Scene::new().await;
    for name in ["A", "B", "C"] {
        scene.venue(name).await;
    }
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let mut arguments = json!({"limit": 2});
    let mut names = Vec::new();
    loop {
        let page = client.call("list_venues", arguments.clone()).await;
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v["name"].as_str().unwrap().to_owned()),
        );
        match page.get("next") {
            Some(next) => arguments["cursor"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(names, ["A", "B", "C"]);
    let said = client
        .refused("list_venues", json!({"cursor": "abc"}))
        .await;
    assert!(
        said.contains("pass the `next`") && said.contains("invalid_input"),
        "{said}"
    );
}

#[tokio::test]
async fn a_dry_run_previews_and_keeps_nothing() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let before = scene.changes().await.len();
    let mut arguments = gala();
    arguments["dry_run"] = true.into();
    let result = client.try_call("create_event", arguments).await.unwrap();
    assert!(
        text(&result).starts_with("Dry run: nothing was kept. It would do this:\n- "),
        "{}",
        text(&result)
    );
    let value = result.structured_content.unwrap();
    assert!(
        value["dry_run"]["would"][0]
            .as_str()
            .unwrap()
            .contains("Gala"),
        "{value}"
    );
    assert_eq!(scene.changes().await.len(), before);
    assert_eq!(
        client.call("list_events", json!({})).await["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_repeat_under_the_same_key_does_nothing_new() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let mut arguments =
            json!({"name": format!("Hall {era:?}"), "idempotency_key": format!("k-{era:?}")});
        let first = client.call("save_venue", arguments.clone()).await;
        let count = scene.changes().await.len();
        assert_eq!(client.call("save_venue", arguments.clone()).await, first);
        assert_eq!(scene.changes().await.len(), count);
        arguments["name"] = "Other".into();
        let said = client.refused("save_venue", arguments).await;
        assert!(said.contains("idempotency_key_reused"), "{said}");

        let mut request = params("save_venue", json!({"name": format!("Meta {era:?}")}));
        let mut meta = RequestMetaObject::new();
        meta.insert(
            "eventos/idempotencyKey".to_owned(),
            format!("m-{era:?}").into(),
        );
        request.meta = Some(meta);
        let first = client.service.call_tool(request.clone()).await.unwrap();
        let again = client.service.call_tool(request).await.unwrap();
        assert_ne!(first.is_error, Some(true), "{}", text(&first));
        assert_eq!(first.structured_content, again.structured_content);
    }
}

#[tokio::test]
async fn refusals_are_tool_errors_that_say_what_to_do() {
    let scene = Scene::new().await;
    scene.venue("Town Hall").await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let cases = [
        (
            "create_event",
            json!({"title": "x", "starts": "2030-01-01T19:00", "colour": "red"}),
            "invalid_input",
            "colour",
        ),
        ("create_event", json!({}), "invalid_input", ""),
        (
            "create_event",
            json!({"title": 7, "starts": "2030-01-01T19:00"}),
            "invalid_input",
            "title",
        ),
        (
            "create_event",
            json!({"title": "x", "starts": "next Friday"}),
            "invalid_input",
            "starts",
        ),
        (
            "create_event",
            json!({"title": "x", "starts": "2030-01-01T19:00", "venue": "Town Hal"}),
            "not_found",
            "venue",
        ),
        (
            "save_venue",
            json!({"name": "x", "dry_run": "perhaps"}),
            "invalid_input",
            "dry_run",
        ),
        (
            "save_venue",
            json!({"name": "x", "idempotency_key": "k".repeat(300)}),
            "idempotency_key_malformed",
            "",
        ),
        (
            "list_events",
            json!({"dry_run": true}),
            "invalid_input",
            "dry_run",
        ),
        (
            "list_events",
            json!({"confirm_token": "x"}),
            "invalid_input",
            "confirm_token",
        ),
        ("search_tools", json!({"q": "x"}), "invalid_input", "q"),
        ("run_read_tool", json!({}), "invalid_input", "tool"),
        (
            "run_read_tool",
            json!({"tool": "nonsense"}),
            "unknown_tool",
            "tool",
        ),
        (
            "run_read_tool",
            json!({"tool": "archive_venue"}),
            "wrong_door",
            "tool",
        ),
        (
            "run_write_tool",
            json!({"tool": "list_changes"}),
            "wrong_door",
            "tool",
        ),
        (
            "run_read_tool",
            json!({"tool": "list_changes", "arguments": {"x": 1}}),
            "invalid_input",
            "x",
        ),
    ];
    for (tool, arguments, code, field) in cases {
        let said = client.refused(tool, arguments.clone()).await;
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.len() >= 3, "{tool} {arguments}: {said}");
        let machine: Value = serde_json::from_str(lines[lines.len() - 1]).unwrap();
        assert_eq!(machine["code"], code, "{tool} {arguments}: {said}");
        assert_eq!(
            machine["field"].as_str().unwrap_or_default(),
            field,
            "{tool} {arguments}: {said}"
        );
    }
    let said = client
        .refused(
            "create_event",
            json!({"title": "x", "starts": "2030-01-01T19:00", "venue": "Town Hal"}),
        )
        .await;
    assert!(
        said.contains("Candidates:\n- ven_") && said.contains(": Town Hall"),
        "{said}"
    );
}

#[tokio::test]
async fn a_tool_that_does_not_exist_is_an_error_of_the_protocol() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let error = client
            .try_call("no_such_tool", json!({}))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("There is no tool"), "{error}");
    }
}

#[tokio::test]
async fn search_finds_what_is_not_listed() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let names = |found: Value| -> Vec<String> {
        found["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = names(client.call("search_tools", json!({})).await);
    let expected: Vec<&str> = CATALOG
        .iter()
        .filter(|entry| entry.shelf == Shelf::Searchable)
        .map(|entry| entry.name)
        .collect();
    assert_eq!(all, expected);
    let found = client
        .call(
            "search_tools",
            json!({"query": "who changed what, audit trail"}),
        )
        .await;
    assert_eq!(found["tools"][0]["name"], "list_changes", "{found}");
    assert_eq!(found["tools"][0]["run_with"], "run_read_tool");
    assert!(found["tools"][0]["input_schema"]["properties"]["kind"].is_object());
    assert_eq!(
        names(
            client
                .call("search_tools", json!({"query": "members"}))
                .await
        )[0],
        "list_members"
    );
    assert_eq!(
        names(
            client
                .call("search_tools", json!({"query": "venue", "limit": 1}))
                .await
        )
        .len(),
        1
    );
    assert_eq!(
        client.call("search_tools", json!({"query": "zzzz"})).await,
        json!({"tools": []})
    );
}

#[tokio::test]
async fn tells_of_progress_where_asked() {
    let scene = Scene::new().await;
    for era in ERAS {
        let desk = Desk::silent();
        let client = Client::of(&scene, era, desk.clone()).await;
        let request = ClientRequest::CallToolRequest(rmcp::model::CallToolRequest::new(params(
            "get_context",
            json!({}),
        )));
        // The SDK's client puts a progress token into every request.
        client.service.send_request(request).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let progress = desk.notes.progress.lock().unwrap();
        assert_eq!(progress.len(), 2, "{progress:?}");
        assert!(
            progress[1].progress > progress[0].progress
                && progress[1].total == Some(progress[1].progress)
        );
    }
}

#[tokio::test]
async fn a_search_takes_no_more_than_it_needs() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let long = "x ".repeat(101);
    let said = client.refused("search_tools", json!({"query": long})).await;
    assert!(said.contains("200 characters"), "{said}");
    // The word that fits is the seventeenth.
    let late = format!("{}venue", "zz ".repeat(16));
    let found = client.call("search_tools", json!({"query": late})).await;
    assert_eq!(found["tools"], json!([]));
    let many = json!({"query": "a e i o u", "limit": u64::MAX});
    let found = client.call("search_tools", many).await;
    let count = found["tools"].as_array().unwrap().len();
    assert!((1..=50).contains(&count), "{count}");
}
