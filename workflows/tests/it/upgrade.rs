//! Runs that were begun before: under an older definition, and by the previous release.

use serde_json::{Value, json};
use store::rig::Rig;
use uuid::Uuid;

use crate::stage::{Stage, eventually};

fn version(number: i32) -> Value {
    json!([
        {"path": "before", "do": "keep", "value": number},
        {"path": "told", "do": "wait", "kind": "event.created"},
        {"path": format!("after_{number}"), "do": "keep", "value": number},
    ])
}

/// A run begins under version 1, version 2 is stored, the run goes on: what did it do after its wait?
async fn after_an_upgrade(keeps_old: bool) -> Value {
    let stage = Stage::new().await;
    let store = |number: i32, script: Value| {
        stage
            .scripts
            .versions
            .lock()
            .unwrap()
            .insert(("w".to_owned(), number), script);
    };
    store(1, version(1));
    let mut run = stage.new_run(Value::Null);
    "w".clone_into(&mut run.workflow);
    let run = stage.runs().start(&run).await.unwrap().run_id;
    let worker = stage.work(stage.options("old"), Rig::default());
    stage.has_status(run, "waiting").await;
    worker.stop().await;
    store(2, version(2));
    if !keeps_old {
        // The control: definitions that forget what a run began with.
        store(1, version(2));
    }
    let worker = stage.work(stage.options("new"), Rig::default());
    stage
        .scene
        .run(operations::testing::new_event("Told"))
        .await
        .unwrap();
    stage.has_status(run, "done").await;
    worker.stop().await;
    stage.run(run).await["output"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_under_the_version_it_began_with() {
    let output = after_an_upgrade(true).await;
    assert_eq!(
        (&output["before"], &output["after_1"]),
        (&json!(1), &json!(1)),
        "{output}"
    );
    let output = after_an_upgrade(false).await;
    assert_eq!(
        output["after_2"], 2,
        "the version is not what decides: {output}"
    );
}

/// Rows as the release of migration 20261123000002 writes them. These statements are never changed: a later schema must
/// take such rows over.
const ROWS: &str = "\
insert into workflow_run (organization_id, id, workflow, version, title, status, trigger, params, wake_at, epoch, \
  created_at, started_at, lease_owner, lease_until) values \
  (:org, '00000000-0000-7000-8000-000000000001', 'script', 1, 'Queued', 'queued', '{}', :params, now() - interval '1 hour', 0, now(), null, \
   null, null), \
  (:org, '00000000-0000-7000-8000-000000000002', 'script', 1, 'Held', 'running', '{}', :params, now(), 3, now(), now(), \
   'gone', now() - interval '1 minute'), \
  (:org, '00000000-0000-7000-8000-000000000003', 'script', 1, 'Waits', 'waiting', '{}', :params, null, 1, now(), now(), \
   null, null); \
insert into workflow_step (organization_id, run_id, path, kind, status, input, output, tries, started_at, finished_at, \
  epoch) values \
  (:org, '00000000-0000-7000-8000-000000000002', 'before', 'keep', 'done', 'null', '9', 1, now(), now(), 1), \
  (:org, '00000000-0000-7000-8000-000000000003', 'before', 'keep', 'done', 'null', '9', 1, now(), now(), 1), \
  (:org, '00000000-0000-7000-8000-000000000003', 'told', 'wait', 'started', 'null', null, 1, now(), null, 1); \
insert into workflow_wait (organization_id, run_id, path, number, kinds, about, expires_at) values \
  (:org, '00000000-0000-7000-8000-000000000003', 'told', 0, '{event.created}', null, null);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_the_previous_release_end_under_this_one() {
    let stage = Stage::new().await;
    let params = json!({"script": version(1)}).to_string();
    let rows = ROWS
        .replace(":org", &format!("'{}'", Uuid::from(stage.organization())))
        .replace(":params", &format!("'{params}'"));
    stage.scene.database.tell(&rows).await;
    // What each has done is known, and nothing is done again.
    let worker = stage.work(stage.options("new"), Rig::default());
    let waiting = "select count(*) from workflow_run where status = 'waiting'";
    eventually(async || stage.count(waiting).await == 3).await;
    stage
        .scene
        .run(operations::testing::new_event("Told"))
        .await
        .unwrap();
    stage.all_ended().await;
    worker.stop().await;
    let outputs = stage
        .scene
        .database
        .ask("select status, output -> 'before' as before, output -> 'after_1' as after from workflow_run order by id");
    let expected = json!([
        {"status": "done", "before": 1, "after": 1},
        {"status": "done", "before": 9, "after": 1},
        {"status": "done", "before": 9, "after": 1},
    ]);
    assert_eq!(outputs.await, expected);
}
