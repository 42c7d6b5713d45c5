//! Approvals over MCP: what the policy asks for waits for a person, and nothing that a model reaches decides.

use domain::Cx;
use operations::{
    CATALOG, Shelf,
    approvals::{DecideApproval, Decision},
    testing::Scene,
    workflows::Kept,
};
use serde_json::json;

use crate::client::{Client, Desk, ERAS, Reply, text};

const YAML: &str = "id: weekly\ntitle: Weekly look\non: [{cron: \"0 9 * * MON\"}]\nsteps:\n  - {id: events, operation: list_events}\n";

#[tokio::test]
async fn a_workflow_made_in_a_chat_is_switched_on_by_a_person_only() {
    for era in ERAS {
        let scene = Scene::new().await;
        let client = Client::of(&scene, era, Desk::silent()).await;
        let write = async |tool: &str, arguments: serde_json::Value| {
            let call = json!({"tool": tool, "arguments": arguments});
            client.try_call("run_write_tool", call).await.unwrap()
        };
        let saved = write("save_workflow", json!({"yaml": YAML})).await;
        assert_eq!(saved.is_error, Some(false), "{}", text(&saved));
        let tried = write("dry_run_workflow", json!({"workflow": "weekly"})).await;
        assert!(
            text(&tried).contains("\"end\":\"done\""),
            "{}",
            text(&tried)
        );
        let asked = write("enable_workflow", json!({"workflow": "weekly"})).await;
        let said = text(&asked);
        assert!(
            said.starts_with("Not done: a person must decide."),
            "{said}"
        );
        assert!(said.contains("eventos approvals approve apr_") && said.contains("get_approval"));
        assert!(!said.contains("/approvals/"), "no link: {said}");
        let answer = asked.structured_content.unwrap();
        let id = answer["approval"]["id"].as_str().unwrap().to_owned();
        // Asking again gives the same question.
        let again = write("enable_workflow", json!({"workflow": "weekly"})).await;
        assert_eq!(
            again.structured_content.unwrap()["approval"]["id"],
            id.as_str()
        );
        assert!(
            Kept::default()
                .scheduled(&scene.app)
                .await
                .unwrap()
                .is_empty(),
            "nothing is on yet"
        );
        for entry in CATALOG
            .iter()
            .filter(|entry| entry.shelf == Shelf::Operators)
        {
            let arguments = json!({"approval": id, "decision": "approved"});
            assert!(
                client
                    .try_call(entry.name, arguments.clone())
                    .await
                    .is_err(),
                "{}",
                entry.name
            );
            let through = write(entry.name, arguments).await;
            assert!(
                text(&through).contains("unknown_tool"),
                "{}: {}",
                entry.name,
                text(&through)
            );
        }
        let decide = DecideApproval {
            approval: id.parse().unwrap(),
            decision: Decision::Approved,
            note: None,
        };
        // The person decides today; the scene's own clock is another.
        let person = Cx::new(
            scene.cx.organization_id,
            scene.cx.actor.clone(),
            scene.cx.permissions,
        );
        scene.app.run(&person, decide).await.unwrap();
        assert_eq!(
            Kept::default().scheduled(&scene.app).await.unwrap().len(),
            1
        );
        let look = json!({"tool": "get_approval", "arguments": {"approval": id}});
        let done = client.try_call("run_read_tool", look).await.unwrap();
        assert!(
            text(&done).contains("\"status\":\"done\""),
            "{}",
            text(&done)
        );
    }
}

#[tokio::test]
async fn a_price_that_nobody_has_paid_yet_needs_nobody() {
    let scene = Scene::new().await;
    let (event, kind) = scene.on_sale(2_500, 10).await;
    let client = Client::of(&scene, ERAS[0], Desk::silent()).await;
    let raise = |amount: i64| json!({"event": event.id, "ticket_type": kind.id, "price": {"amount": amount, "currency": "EUR"}});
    let free = client
        .try_call("save_ticket_type", raise(3_000))
        .await
        .unwrap();
    assert!(
        !text(&free).contains("a person must decide"),
        "{}",
        text(&free)
    );
    let order = scene.order(event.id, 1).await;
    let paid = json!({"order": order.order.id});
    let entry = operations::catalog::find("confirm_payment").unwrap();
    entry.run(&scene.app, &scene.cx, paid, None).await.unwrap();
    let asked = client
        .try_call("save_ticket_type", raise(3_500))
        .await
        .unwrap();
    let said = text(&asked);
    assert!(
        said.contains("1 tickets were sold at the old one"),
        "{said}"
    );
    let dry = client
        .try_call("save_ticket_type", with_dry_run(raise(3_500)))
        .await
        .unwrap();
    assert!(text(&dry).starts_with("Dry run"), "{}", text(&dry));
}

#[tokio::test]
async fn a_message_to_many_needs_more_than_a_yes_in_the_conversation() {
    for era in ERAS {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2_500, 100).await;
        scene.orders_of(event.id, 0..50).await;
        let send = |body: &str| {
            let input = json!({"event": event.id, "segment": "unpaid", "subject": "Please pay",
                "body": body, "kind": "transactional"});
            json!({"tool": "send_message", "arguments": input})
        };
        let queued = async || {
            let query = "select count(*) from message where subject = 'Please pay'";
            scene.database.count(query).await
        };
        let agree = Reply::Form(json!({"confirm": true}));
        let desk = Desk::with([agree.clone(), agree]);
        let client = Client::of(&scene, era, desk.clone()).await;
        // Fifty are confirmed in the conversation, ...
        let few = client.try_call("run_write_tool", send("By Friday.")).await;
        assert!(!text(&few.unwrap()).contains("a person must decide"));
        assert_eq!((desk.questions().len(), queued().await), (1, 50));
        // ... and one more is for a person outside of it: nobody in it is even asked.
        scene.orders_of(event.id, 50..51).await;
        let many = client.try_call("run_write_tool", send("By Monday.")).await;
        let said = text(&many.unwrap());
        assert!(
            said.starts_with("Not done: a person must decide."),
            "{said}"
        );
        assert!(said.contains("51 people"), "{said}");
        assert!(!said.contains("/approvals/"), "no link: {said}");
        assert_eq!((desk.questions().len(), queued().await), (1, 50));
        let asked = "select count(*) from approval where status = 'pending'";
        assert_eq!(scene.database.count(asked).await, 1);
    }
}

fn with_dry_run(mut arguments: serde_json::Value) -> serde_json::Value {
    arguments["dry_run"] = true.into();
    arguments
}
