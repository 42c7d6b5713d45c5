//! Resources, completion and prompts: the same operations by other names.

use operations::testing::Scene;
use rmcp::{
    ServiceError,
    model::{
        ArgumentInfo, CompleteRequestParams, ErrorCode, GetPromptRequestParams,
        ReadResourceRequestParams, Reference, ResourceContents,
    },
};
use serde_json::{Value, json};

use crate::client::{Client, Desk, ERAS, Era, options, owner};

async fn read(client: &Client, uri: &str) -> Result<Value, ServiceError> {
    let read = client
        .service
        .read_resource(ReadResourceRequestParams::new(uri))
        .await?;
    let ResourceContents::TextResourceContents { text, .. } = &read.contents[0] else {
        panic!("a resource is JSON text");
    };
    Ok(serde_json::from_str(text).unwrap())
}

async fn complete(
    client: &Client,
    reference: Reference,
    argument: &str,
    typed: &str,
) -> Vec<String> {
    let argument = ArgumentInfo::new(argument, typed);
    let request = CompleteRequestParams::new(reference, argument);
    client
        .service
        .complete(request)
        .await
        .unwrap()
        .completion
        .values
}

#[tokio::test]
async fn reads_what_the_tools_read() {
    let scene = Scene::new().await;
    let venue = scene.venue("Town Hall").await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let event = client
            .call(
                "create_event",
                json!({"title": format!("Gala {era:?}"), "starts": "2030-02-04T19:00"}),
            )
            .await;
        let id = event["event"]["id"].as_str().unwrap();
        let slug = event["event"]["slug"].as_str().unwrap();
        for name in [id, slug] {
            let read = read(&client, &format!("event://{name}")).await.unwrap();
            assert_eq!(read["event"]["id"], id);
            let read = self::read(&client, &format!("report://{name}/sales")).await;
            assert!(read.is_ok(), "{read:?}");
        }
        for name in [venue.id.to_string().as_str(), "Town%20Hall"] {
            assert_eq!(
                read(&client, &format!("venue://{name}")).await.unwrap()["name"],
                "Town Hall"
            );
        }
        let list = client.service.list_resources(None).await.unwrap().resources;
        assert!(
            list.iter()
                .any(|resource| resource.uri == format!("event://{id}")),
            "{list:?}"
        );
        for resource in list {
            read(&client, &resource.uri).await.unwrap();
        }
        let templates = client
            .service
            .list_resource_templates(None)
            .await
            .unwrap()
            .resource_templates;
        assert_eq!(templates.len(), 4, "{templates:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_an_error_with_its_address() {
    let scene = Scene::new().await;
    let other = scene.other_organization().await;
    let foreign = scene
        .app
        .run(&other, operations::testing::new_event("Foreign"))
        .await
        .unwrap()
        .event
        .id;
    for (era, code) in [
        (Era::Modern, ErrorCode::INVALID_PARAMS),
        (Era::Legacy, ErrorCode::RESOURCE_NOT_FOUND),
    ] {
        let client = Client::of(&scene, era, Desk::silent()).await;
        for uri in [
            &format!("event://{foreign}"),
            "event://nope",
            "order://nope",
            "venue://nope",
            "file:///etc/passwd",
        ] {
            let error = read(&client, uri).await.unwrap_err();
            let ServiceError::McpError(error) = error else {
                panic!("{error}")
            };
            assert_eq!(error.code, code, "{uri}");
            assert_eq!(error.data.unwrap()["uri"], *uri);
        }
    }
}

#[tokio::test]
async fn shows_only_what_the_connection_may_read() {
    let scene = Scene::new().await;
    let mut options = options();
    options.toolsets = Some(vec![operations::Toolset::Orders]);
    let client = Client::connect(&scene, owner(&scene), options, Era::Modern, Desk::silent()).await;
    assert!(
        client
            .service
            .list_resources(None)
            .await
            .unwrap()
            .resources
            .is_empty()
    );
    let templates = client
        .service
        .list_resource_templates(None)
        .await
        .unwrap()
        .resource_templates;
    assert_eq!(
        templates
            .iter()
            .map(|t| t.uri_template.as_str())
            .collect::<Vec<_>>(),
        ["order://{order}"]
    );
    assert!(read(&client, "organization://current").await.is_err());
}

#[tokio::test]
async fn completes_names_and_leaves_strangers_alone() {
    let scene = Scene::new().await;
    for title in ["Spring Gala", "Spring Ball", "Autumn Fair"] {
        scene
            .run(operations::testing::new_event(title))
            .await
            .unwrap();
    }
    scene.venue("Town Hall").await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let found = complete(
            &client,
            Reference::for_resource("event://{event}"),
            "event",
            "spring",
        )
        .await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|slug| slug.starts_with("spring")));
        let found = complete(
            &client,
            Reference::for_prompt("sales_check"),
            "event",
            "spring-g",
        )
        .await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            complete(&client, Reference::for_prompt("sales_check"), "event", "")
                .await
                .len(),
            3
        );
        let found = complete(
            &client,
            Reference::for_resource("venue://{venue}"),
            "venue",
            "to",
        )
        .await;
        assert_eq!(found, ["Town Hall"]);
        for (prompt, argument) in [
            ("no_such_prompt", "event"),
            ("sales_check", "nonsense"),
            ("plan_event", "brief"),
        ] {
            assert_eq!(
                complete(&client, Reference::for_prompt(prompt), argument, "s").await,
                Vec::<String>::new()
            );
        }
    }
}

#[tokio::test]
async fn offers_prompts_that_can_be_carried_out() {
    let scene = Scene::new().await;
    for era in ERAS {
        let client = Client::of(&scene, era, Desk::silent()).await;
        let prompts = client.service.list_prompts(None).await.unwrap().prompts;
        assert_eq!(prompts.len(), 6, "{prompts:?}");
        for prompt in prompts {
            assert!(prompt.title.is_some() && prompt.description.is_some());
            let mut request = GetPromptRequestParams::new(prompt.name.clone());
            let arguments = prompt.arguments.unwrap_or_default();
            let filled = arguments
                .iter()
                .map(|a| (a.name.clone(), Value::from("gala\u{202e}-2030")))
                .collect();
            request.arguments = Some(filled);
            let text = client.service.get_prompt(request).await.unwrap().messages[0]
                .content
                .as_text()
                .unwrap()
                .text
                .clone();
            assert!(!text.contains('{') && !text.contains('\u{202e}'), "{text}");
            assert!(arguments.is_empty() || text.contains("gala-2030"), "{text}");
        }
        let missing = client
            .service
            .get_prompt(GetPromptRequestParams::new("sales_check"))
            .await
            .unwrap_err();
        assert!(missing.to_string().contains("needs `event`"), "{missing}");
        assert!(
            client
                .service
                .get_prompt(GetPromptRequestParams::new("nonsense"))
                .await
                .is_err()
        );
    }
    let mut grant = owner(&scene);
    grant.read_only = true;
    let client = Client::connect(&scene, grant, options(), Era::Modern, Desk::silent()).await;
    let prompts = client.service.list_prompts(None).await.unwrap().prompts;
    assert!(prompts.iter().all(|prompt| prompt.name != "plan_event"));
}
