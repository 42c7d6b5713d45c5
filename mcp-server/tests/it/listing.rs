//! What is listed: few tools, small, complete, and only those a connection may use.

use domain::{Permission, Permissions};
use operations::{CATALOG, Effect, Shelf, Toolset, testing::Scene};
use rmcp::model::{CacheScope, Tool};

use crate::client::{Client, Desk, ERAS, Era, options, owner};

/// A rough count that is on the safe side for JSON.
fn tokens(tools: &[Tool]) -> usize {
    serde_json::to_string(tools).unwrap().len() * 2 / 7
}

#[tokio::test]
async fn is_short_small_and_the_same_every_time() {
    let scene = Scene::new().await;
    let mut lists = Vec::new();
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let list = client.service.list_tools(None).await.unwrap();
        if era == Era::Modern {
            assert_eq!(list.cache_scope, Some(CacheScope::Private));
        }
        lists.push(list.tools);
    }
    assert_eq!(lists[0], lists[1]);
    let tools = &lists[0];
    let sizes = tools
        .iter()
        .map(|tool| format!("{:5} {}", tokens(std::slice::from_ref(tool)), tool.name));
    let sizes: Vec<String> = sizes.collect();
    assert!(tools.len() <= 25, "{} tools", tools.len());
    assert!(
        tokens(tools) <= 8_000,
        "{} tokens:\n{}",
        tokens(tools),
        sizes.join("\n")
    );
    let shown = CATALOG
        .iter()
        .filter(|entry| entry.shelf == Shelf::Shown)
        .map(|entry| entry.name);
    let expected: Vec<&str> = shown
        .chain(["search_tools", "run_read_tool", "run_write_tool"])
        .collect();
    assert_eq!(
        tools
            .iter()
            .map(|tool| tool.name.as_ref())
            .collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn every_tool_says_what_it_is() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    for tool in client.service.list_tools(None).await.unwrap().tools {
        let name = tool.name.as_ref();
        assert!(tool.title.is_some_and(|title| !title.is_empty()), "{name}");
        assert!(
            tool.description.is_some_and(|text| text.len() > 20),
            "{name}"
        );
        let hints = tool.annotations.unwrap();
        let effect = CATALOG
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.effect);
        let reads = effect.map_or(name != "run_write_tool", |effect| effect == Effect::Read);
        let destroys = effect.map_or(name == "run_write_tool", |effect| {
            effect == Effect::Destructive
        });
        assert_eq!(hints.read_only_hint, Some(reads), "{name}");
        assert_eq!(hints.destructive_hint, Some(destroys), "{name}");
        assert_eq!(hints.open_world_hint, Some(false), "{name}");
        let output = tool.output_schema.unwrap();
        assert_eq!(output["type"], "object", "{name}");
        let written = serde_json::to_string(&*output).unwrap()
            + &serde_json::to_string(&*tool.input_schema).unwrap();
        assert!(!written.contains("x-detail"), "{name}");
        assert!(
            !written.contains(":true") && !written.contains("$ref"),
            "{name}: {written}"
        );
        let input = tool.input_schema["properties"].as_object().unwrap();
        assert_eq!(
            input.contains_key("dry_run"),
            !reads && effect.is_some(),
            "{name}"
        );
        assert_eq!(
            input.contains_key("confirm_token"),
            destroys && effect.is_some(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn operators_tools_are_neither_listed_nor_found_nor_run() {
    let scene = Scene::new().await;
    let client = Client::of(&scene, Era::Modern, Desk::silent()).await;
    let found = client
        .call("search_tools", serde_json::json!({}))
        .await
        .to_string();
    for entry in CATALOG
        .iter()
        .filter(|entry| entry.shelf == Shelf::Operators)
    {
        assert!(!client.tools().await.contains(&entry.name.to_owned()));
        assert!(!found.contains(&format!("\"name\":\"{}\"", entry.name)));
        assert!(
            client
                .try_call(entry.name, serde_json::json!({}))
                .await
                .is_err()
        );
        let door = if entry.effect == Effect::Read {
            "run_read_tool"
        } else {
            "run_write_tool"
        };
        let said = client
            .refused(door, serde_json::json!({"tool": entry.name}))
            .await;
        assert!(said.contains("unknown_tool"), "{said}");
    }
}

#[tokio::test]
async fn a_token_sees_only_what_it_may_do() {
    let scene = Scene::new().await;
    let mut grant = owner(&scene);
    grant.permissions = Permissions::NONE
        .with(Permission::EventsRead)
        .with(Permission::OrganizationRead);
    let client = Client::connect(&scene, grant, options(), Era::Modern, Desk::silent()).await;
    let tools = client.tools().await;
    assert!(
        tools.contains(&"list_events".to_owned()) && tools.contains(&"get_context".to_owned()),
        "{tools:?}"
    );
    assert!(
        !tools.contains(&"create_event".to_owned()) && !tools.contains(&"list_venues".to_owned()),
        "{tools:?}"
    );
    assert!(!tools.contains(&"run_write_tool".to_owned()), "{tools:?}");
    let said = client
        .refused(
            "create_event",
            serde_json::json!({"title": "x", "starts": "2030-01-01T19:00"}),
        )
        .await;
    assert!(said.contains("\"code\":\"forbidden\""), "{said}");
    assert!(
        scene
            .changes()
            .await
            .iter()
            .all(|change| change.kind != "event.created")
    );
}

#[tokio::test]
async fn read_only_hides_and_refuses_every_write() {
    let scene = Scene::new().await;
    let by_flag = || {
        let mut options = options();
        options.read_only = true;
        (owner(&scene), options)
    };
    let by_scope = || {
        let mut grant = owner(&scene);
        grant.read_only = true;
        (grant, options())
    };
    for (grant, options) in [by_flag(), by_scope()] {
        let client = Client::connect(&scene, grant, options, Era::Modern, Desk::silent()).await;
        for tool in client.service.list_tools(None).await.unwrap().tools {
            assert_eq!(
                tool.annotations.unwrap().read_only_hint,
                Some(true),
                "{}",
                tool.name
            );
        }
        let before = scene.changes().await.len();
        for entry in CATALOG
            .iter()
            .filter(|e| e.effect != Effect::Read && e.shelf != Shelf::Operators)
        {
            let said = client
                .refused(entry.name, serde_json::json!({"dry_run": true}))
                .await;
            assert!(
                said.contains("\"code\":\"read_only\""),
                "{}: {said}",
                entry.name
            );
            let through = serde_json::json!({"tool": entry.name, "arguments": {}});
            let said = client.refused("run_write_tool", through).await;
            assert!(
                said.contains("\"code\":\"read_only\""),
                "{}: {said}",
                entry.name
            );
        }
        assert_eq!(scene.changes().await.len(), before);
        client.call("list_events", serde_json::json!({})).await;
    }
}

#[tokio::test]
async fn a_toolset_hides_and_refuses_the_others() {
    let scene = Scene::new().await;
    let mut grant = owner(&scene);
    grant.toolsets = Some(vec![Toolset::Events, Toolset::Organization]);
    let mut options = options();
    options.toolsets = Some(vec![Toolset::Events, Toolset::Reports]);
    let client = Client::connect(&scene, grant, options, Era::Legacy, Desk::silent()).await;
    let tools = client.tools().await;
    let of = |name: &str| {
        CATALOG
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.toolset)
    };
    assert!(
        tools
            .iter()
            .filter_map(|name| of(name))
            .all(|toolset| toolset == Toolset::Events),
        "{tools:?}"
    );
    assert!(tools.contains(&"list_events".to_owned()));
    let said = client.refused("get_context", serde_json::json!({})).await;
    assert!(said.contains("\"code\":\"toolset_off\""), "{said}");
}
