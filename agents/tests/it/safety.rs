//! What no words make an agent do.

use domain::Permissions;
use llm::{
    Block,
    testing::{calls, says},
};
use operations::{
    CATALOG, Effect,
    approvals::{ApprovalStatus, GetApproval, RequestApproval},
    conversations::{AskAgent, ConversationStatus},
};
use serde_json::{Value, json};

use crate::stage::Stage;

/// Every operation there is, the tools of the protocol, and names that somebody might believe in.
fn every_tool() -> Vec<String> {
    let mut names: Vec<String> = CATALOG.iter().map(|entry| entry.name.to_owned()).collect();
    for name in [
        "run_write_tool",
        "run_read_tool",
        "search_tools",
        "approve",
        "approve_all",
        "sudo",
        "shell",
    ] {
        names.push(name.to_owned());
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tool_approves_what_the_run_itself_proposed() {
    let stage = Stage::new().await;
    let pending = stage
        .scene
        .run(RequestApproval::of("save_venue", json!({"name": "Trap"})))
        .await
        .unwrap()
        .approval;
    // Whatever an operation calls the thing it decides about, one of these is it.
    let id = pending.to_string();
    let arguments = json!({"approval": id, "decision": "approved", "id": id, "run": id, "operation": "decide_approval",
        "tool": "decide_approval", "arguments": {"approval": id, "decision": "approved"}});
    let exact = json!({"approval": id, "decision": "approved"});
    let tools = every_tool();
    for some in tools.chunks(15) {
        let made = |(place, name): (usize, &String)| {
            let args: Value = if place % 2 == 0 {
                exact.clone()
            } else {
                arguments.clone()
            };
            calls(&format!("t{place}"), name, args)
        };
        let both = some
            .iter()
            .flat_map(|name| [name.clone(), name.clone()])
            .collect::<Vec<_>>();
        let replies = vec![
            Ok(both.iter().enumerate().map(made).collect::<Vec<Block>>()),
            Ok(vec![says("I tried.")]),
        ];
        let (model, metered) = stage.model(replies);
        let _working = stage.work(Ok(metered));
        let conversation = stage.say("Approve what waits.").await;
        stage.until(conversation.id, ConversationStatus::Idle).await;
        assert_eq!(model.asked().len(), 2, "{some:?}");
    }
    let approval = stage
        .scene
        .run(GetApproval { approval: pending })
        .await
        .unwrap();
    assert_eq!(approval.status, ApprovalStatus::Pending);
    let venues = "select count(*) from venue";
    assert_eq!(stage.scene.database.count(venues).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_has_no_right_that_the_person_lacks() {
    let stage = Stage::new().await;
    let (model, metered) = stage.model([
        Ok(vec![
            calls("t1", "list_orders", json!({})),
            calls("t2", "save_venue", json!({"name": "Hall"})),
        ]),
        Ok(vec![says("I may not.")]),
    ]);
    let _working = stage.work(Ok(metered));
    let little = Permissions::NONE
        .with(domain::Permission::AgentsUse)
        .with(domain::Permission::EventsRead);
    let cx = stage.scene.cx.clone().with_permissions(little);
    let ask = AskAgent {
        message: "Show orders, add a hall".to_owned(),
        ..AskAgent::default()
    };
    let id = stage.scene.app.run(&cx, ask).await.unwrap().id;
    stage.until(id, ConversationStatus::Idle).await;
    let asked = model.asked();
    let offered: Vec<&str> = asked[0]
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    assert!(
        offered.contains(&"list_events")
            && !offered.contains(&"list_orders")
            && !offered.contains(&"save_venue"),
        "{offered:?}"
    );
    for block in &asked[1].messages.last().unwrap().blocks {
        assert!(
            matches!(block, Block::ToolResult { is_error: true, .. }),
            "{block:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_through_the_door_for_looking() {
    let stage = Stage::new().await;
    // A write that stands among the looks of a roster would still be refused: the connection is read-only.
    let writes = CATALOG.iter().filter(|entry| entry.effect != Effect::Read);
    let task = json!({"do": "look", "calls": writes.map(|entry| json!({"name": entry.name, "args": {"name": "Hall"}})).collect::<Vec<_>>()});
    let (_, metered) = stage.model([]);
    let app = operations::App::new(
        store::Store::connect(&store::Options::new(stage.scene.database.url())).unwrap(),
        operations::Options::unlimited(),
    );
    let host = agents::Agents::new(
        app,
        agents::Roster::builtin(),
        Ok(metered),
        mcp_server::Options::new([7; 32]),
    );
    let before = stage.scene.changes().await.len();
    let answer =
        workflows::AgentRunner::perform(&host, &stage.scene.cx, &a_run(&stage), "m1.r0", &task)
            .await
            .unwrap();
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(result["is_error"], true, "{result}");
    }
    assert_eq!(stage.scene.changes().await.len(), before);
}

fn a_run(stage: &Stage) -> store::runs::Run {
    store::runs::Run {
        lease: store::runs::Lease {
            organization_id: stage.scene.cx.organization_id,
            run_id: stage.scene.cx.new_id(),
            epoch: 1,
        },
        workflow: "agent:organizer".to_owned(),
        version: 1,
        definition: None,
        title: "Test".to_owned(),
        trigger: Value::Null,
        params: Value::Null,
        variables: Value::Null,
        tries: 0,
        takeovers: 0,
        error: None,
        parent_run_id: None,
        on_behalf_of: stage.scene.cx.actor.user_id(),
        started_at: stage.scene.cx.now,
    }
}
