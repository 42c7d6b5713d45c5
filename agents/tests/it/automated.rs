//! An agent as the step of a workflow: it fills in what it is asked for, and proposes nothing.

use std::sync::Arc;

use llm::{
    Block,
    testing::{Scripted, ScriptedModel, calls, says},
};
use serde_json::{Value, json};
use store::runs::NewRun;
use workflows::testing::Scripts;

use crate::stage::{Stage, eventually};

/// What becomes of a workflow whose one step asks the organizer's agent.
async fn asked(stage: &Stage, replies: Vec<Scripted>) -> (ScriptedModel, Value) {
    let (model, metered) = stage.model(replies);
    let _working = stage.work_on(Arc::new(Scripts::default()), Ok(metered));
    let cx = &stage.scene.cx;
    let run = NewRun {
        organization_id: cx.organization_id,
        id: cx.new_id(),
        workflow: "script".to_owned(),
        version: 1,
        definition: None,
        title: "Script".to_owned(),
        idempotency_key: None,
        concurrency: None,
        trigger: json!({"kind": "manual"}),
        params: json!({"script": [{"path": "draft", "do": "agent", "agent": "organizer", "goes_on": true}]}),
        wake_at: cx.now,
        parent: None,
        on_behalf_of: cx.actor.user_id(),
        since: None,
        created_at: cx.now,
    };
    stage.store().runs().start(&run).await.unwrap();
    let ended = "select output from workflow_run where workflow = 'script' and status = 'done'";
    let output = eventually(async || {
        let rows = stage.scene.database.ask(ended).await;
        rows.get(0).map(|row| row["output"]["draft"].clone())
    });
    (model, output.await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_answer_is_the_steps_output() {
    let stage = Stage::new().await;
    let replies = vec![
        Ok(vec![calls("t1", "list_events", json!({}))]),
        Ok(vec![says("{\"subject\": \"See you on Thursday\"}")]),
    ];
    let (model, output) = asked(&stage, replies).await;
    assert_eq!(output, json!({"subject": "See you on Thursday"}));
    assert!(
        model.asked()[0].output.is_some(),
        "its answer is bound to a schema"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_proposes_nothing_and_an_answer_that_is_no_json_fails_the_step() {
    let stage = Stage::new().await;
    let replies = vec![
        Ok(vec![calls("t1", "save_venue", json!({"name": "Hall"}))]),
        Ok(vec![says("I could not.")]),
    ];
    let (model, output) = asked(&stage, replies).await;
    assert_eq!(output, json!({"failed": "call_failed"}));
    let asked = model.asked();
    let told = &asked[1].messages.last().unwrap().blocks[0];
    assert!(
        matches!(told, Block::ToolResult { is_error: true, .. }),
        "{told:?}"
    );
    let questions = "select count(*) from approval";
    assert_eq!(stage.scene.database.count(questions).await, 0);
}
