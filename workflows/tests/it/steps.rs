//! What each kind of step does, how it fails, and how runs share the workers.

use serde_json::{Value, json};
use std::time::Duration;

use domain::OrganizationId;
use operations::jobs::Job;
use store::{
    rig::Rig,
    runs::{Claim, Concurrency, OnConflict},
};
use uuid::Uuid;

use crate::stage::{Stage, eventually, make_event};

/// Runs a script to its end, with time passing.
async fn ended(stage: &Stage, script: Value) -> Value {
    let run = stage.start(script).await;
    let worker = stage.work(stage.options("worker"), Rig::default());
    eventually(async || {
        stage.set_now(stage.now().plus_seconds(1));
        !stage.run(run).await["finished_at"].is_null()
    })
    .await;
    worker.stop().await;
    stage.run(run).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_step_works() {
    let stage = Stage::new().await;
    let url = format!("http://{}/fail/2", stage.outside.host);
    let child = json!([{"path": "inner", "do": "keep", "value": 7}]);
    stage
        .scripts
        .versions
        .lock()
        .unwrap()
        .insert(("child".to_owned(), 3), child);
    let run = ended(
        &stage,
        json!([
            make_event("event", "Gala"),
            {"path": "look", "do": "operation", "name": "get_context", "input": {}},
            {"path": "call", "do": "http", "url": url},
            {"path": "child", "do": "call", "workflow": "child", "params": {}},
            {"path": "fact", "do": "emit", "name": "made"},
            {"path": "asked", "do": "agent", "agent": "writer", "goes_on": true},
            {"path": "kept", "do": "keep", "value": [1, 2]},
        ]),
    )
    .await;
    assert_eq!(run["status"], "done", "{run}");
    let output = &run["output"];
    assert_eq!(output["call"], json!({"status": 200, "body": {}}));
    assert_eq!(output["child"], json!({"inner": 7}));
    assert_eq!(output["asked"], json!({"failed": "call_failed"}));
    assert_eq!(output["kept"], json!([1, 2]));
    assert_eq!(
        stage.outside.calls().values().sum::<u32>(),
        3,
        "two failures and a success"
    );
    assert_eq!(stage.outside.calls().len(), 1, "under one key");
    let actor = "select actor ->> 'type' as type, actor ->> 'run_id' as run from change where kind = 'event.created'";
    let actor = stage.scene.database.ask(actor).await[0].clone();
    assert_eq!(actor["type"], "workflow");
    assert!(actor["run"].as_str().unwrap().starts_with("run_"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_not_tried_again_and_what_may_is() {
    let stage = Stage::new().await;
    let call = |path: &str| json!([{"path": "call", "do": "http", "url": format!("http://{}{path}", stage.outside.host)}]);
    let run = ended(&stage, call("/refuse")).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("dead"), &json!("http_422"))
    );
    assert_eq!(stage.outside.calls().values().sum::<u32>(), 1);
    let run = ended(&stage, call("/fail/99")).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("dead"), &json!("http_503"))
    );
    assert_eq!(
        stage.outside.calls().values().sum::<u32>(),
        1 + 3,
        "as often as the step says"
    );
    let run = ended(
        &stage,
        json!([{"path": "call", "do": "http", "url": "http://169.254.169.254/"}]),
    )
    .await;
    assert_eq!(run["error"]["code"], "http_host_not_allowed");
    let run = ended(
        &stage,
        json!([{"path": "x", "do": "operation", "name": "drop_everything", "input": {}}]),
    )
    .await;
    assert_eq!(run["error"]["code"], "operation_not_found");
    let run = ended(
        &stage,
        json!([{"path": "x", "do": "operation", "name": "create_token", "input": {}}]),
    )
    .await;
    assert_eq!(run["status"], "dead", "a run may not raise its own rights");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_panics_takes_nobody_along() {
    let stage = Stage::new().await;
    let other = stage
        .start(json!([{"path": "kept", "do": "keep", "value": 1}]))
        .await;
    let run = ended(
        &stage,
        json!([{"path": "kept", "do": "keep", "value": 1}, {"path": "boom", "do": "panic"}]),
    )
    .await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("dead"), &json!("panicked"))
    );
    assert_eq!(stage.run(other).await["status"], "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_a_run_of_one_step() {
    let stage = Stage::new().await;
    let input = json!({"title": "By a job", "starts": "2099-02-04T19:00"});
    let cx = stage.scene.cx.clone().with_now(stage.now());
    let new = || Job::new("create_event", input.clone()).run(&cx, Some("one".to_owned()));
    let runs = stage.runs();
    let first = runs.start(&new()).await.unwrap();
    let again = runs.start(&new()).await.unwrap();
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.run_id, again.run_id);
    let worker = stage.work(stage.options("worker"), Rig::default());
    stage.has_status(first.run_id, "done").await;
    worker.stop().await;
    assert_eq!(stage.events("By a job").await, 1);
    // Once more without the key that makes it once.
    let other = Job::new("create_event", input.clone()).run(&cx, None);
    assert!(runs.start(&other).await.unwrap().is_new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_one_concurrency_key_queue_skip_or_replace() {
    let stage = Stage::new().await;
    let runs = stage.runs();
    let start = async |key: &str, on_conflict| {
        let mut run =
            stage.new_run(json!([{"path": "told", "do": "wait", "kind": "event.created"}]));
        run.concurrency = Some(Concurrency {
            key: key.to_owned(),
            on_conflict,
        });
        runs.start(&run).await.unwrap().run_id
    };
    let status = async |run| stage.run(run).await["status"].as_str().unwrap().to_owned();
    let worker = stage.work(stage.options("worker"), Rig::default());

    let first = start("a", OnConflict::Queue).await;
    stage.has_status(first, "waiting").await;
    let second = start("a", OnConflict::Queue).await;
    let third = start("a", OnConflict::Skip).await;
    assert_eq!(
        (status(second).await, status(third).await),
        ("queued".to_owned(), "skipped".to_owned())
    );
    assert!(stage.run(second).await["wake_at"].is_null());
    // It begins once the first has ended, and then waits for a change of its own.
    stage
        .scene
        .run(operations::testing::new_event("One"))
        .await
        .unwrap();
    stage.has_status(first, "done").await;
    eventually(async || status(second).await == "done" || status(second).await == "waiting").await;

    let old = start("b", OnConflict::Queue).await;
    stage.has_status(old, "waiting").await;
    let new = start("b", OnConflict::Replace).await;
    assert_eq!(status(old).await, "cancelled");
    stage.has_status(new, "waiting").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_gives_its_runs_back() {
    let stage = Stage::new().await;
    let script: Vec<Value> = (0..200)
        .map(|n| json!({"path": format!("k{n}"), "do": "keep", "value": n}))
        .collect();
    let run = stage.start(json!(script)).await;
    let mut options = stage.options("first");
    options.lease = Duration::from_hours(1);
    let worker = stage.work(options, Rig::default());
    eventually(async || stage.count("select count(*) from workflow_step").await > 0).await;
    worker.stop().await;
    let row = stage.run(run).await;
    assert_eq!(
        (&row["status"], &row["lease_owner"]),
        (&json!("queued"), &Value::Null),
        "{row}"
    );
    assert_eq!(row["takeovers"], 0);
    let mut options = stage.options("second");
    options.lease = Duration::from_mins(1);
    let worker = stage.work(options, Rig::default());
    stage.has_status(run, "done").await;
    worker.stop().await;
    let steps = "select count(distinct path) from workflow_step where status = 'done'";
    assert_eq!(stage.count(steps).await, 200);
    // Given back, not taken over when a lease ran out.
    assert_eq!(stage.run(run).await["takeovers"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops_at_its_next_commit() {
    let stage = Stage::new().await;
    let script: Vec<Value> = (0..300)
        .map(|n| json!({"path": format!("k{n}"), "do": "keep", "value": n}))
        .collect();
    let run = stage.start(json!(script)).await;
    let worker = stage.work(stage.options("worker"), Rig::default());
    eventually(async || stage.count("select count(*) from workflow_step").await > 0).await;
    stage.scene.database.tell(
        "update workflow_run set status = 'cancelled', epoch = epoch + 1, lease_owner = null, lease_until = null, \
         finished_at = now()",
    ).await;
    let steps = stage.count("select count(*) from workflow_step").await;
    let other = stage
        .start(json!([{"path": "kept", "do": "keep", "value": 1}]))
        .await;
    stage.has_status(other, "done").await;
    worker.stop().await;
    assert_eq!(
        stage.count("select count(*) from workflow_step").await,
        steps + 1
    );
    assert_eq!(stage.run(run).await["status"], "cancelled");
}

/// Organizations with so many due runs each, by plain rows.
async fn backlog(stage: &Stage, organizations: &[(u128, i64)]) {
    for (number, count) in organizations {
        let id = Uuid::from_u128(*number);
        let statement = format!(
            "insert into organization (id, name, slug, currency, zone, created_at, updated_at) \
               values ('{id}', 'O', 'o-{number}', 'EUR', 'Europe/Berlin', now(), now()); \
             insert into workflow_run (organization_id, id, workflow, version, title, status, trigger, params, wake_at, \
               created_at) \
             select '{id}', gen_random_uuid(), 'w', 1, 'W', 'queued', '{{}}', '{{}}', \
               now() - interval '1 hour' + interval '1 ms' * n, now() from generate_series(1, {count}) n"
        );
        stage.scene.database.tell(&statement).await;
    }
}

#[tokio::test]
async fn one_organization_with_much_to_do_holds_up_nobody() {
    let stage = Stage::new().await;
    // The big one is due first, by far more than a look takes in; the small ones have one run each.
    let mut organizations = vec![(1_000, 5_000)];
    organizations.extend((1..=20).map(|n| (1_000 + n, 1)));
    backlog(&stage, &organizations).await;
    let runs = stage.runs();
    let claim = |wanted, per_organization| Claim {
        owner: "worker",
        wanted,
        per_organization,
        lease_for: Duration::from_mins(1),
        behind: Uuid::nil(),
        now: stage.now(),
    };
    let big = OrganizationId::from(Uuid::from_u128(1_000));
    let first = runs.claim(&claim(16, 64)).await.unwrap();
    assert_eq!(first.len(), 16);
    let of_big = first
        .iter()
        .filter(|run| run.lease.organization_id == big)
        .count();
    assert_eq!(of_big, 1, "everybody's first comes before anybody's second");
    let second = runs.claim(&claim(16, 8)).await.unwrap();
    let of_big = second
        .iter()
        .filter(|run| run.lease.organization_id == big)
        .count();
    assert_eq!(
        (second.len(), of_big),
        (5 + 7, 7),
        "the five left, and the big one up to its limit"
    );
    assert!(
        runs.claim(&claim(16, 8)).await.unwrap().is_empty(),
        "the limit holds over claims"
    );
}

#[tokio::test]
async fn what_is_due_longest_is_claimed_first() {
    let stage = Stage::new().await;
    backlog(&stage, &[(1_000, 300)]).await;
    let runs = stage.runs();
    let mut claimed = Vec::new();
    for _ in 0..3 {
        let claim = Claim {
            owner: "worker",
            wanted: 16,
            per_organization: 64,
            lease_for: Duration::from_mins(1),
            behind: Uuid::nil(),
            now: stage.now(),
        };
        let taken = runs.claim(&claim).await.unwrap();
        assert_eq!(taken.len(), 16);
        let mut ids: Vec<String> = taken
            .iter()
            .map(|run| Uuid::from(run.lease.run_id).to_string())
            .collect();
        ids.sort();
        claimed.push(ids);
    }
    let rows = (stage.scene.database)
        .ask("select id from workflow_run order by wake_at limit 48")
        .await;
    for (number, rows) in rows.as_array().unwrap().chunks(16).enumerate() {
        let mut expected: Vec<&str> = rows.iter().map(|r| r["id"].as_str().unwrap()).collect();
        expected.sort_unstable();
        assert_eq!(claimed[number], expected, "claim {number}");
    }
}

#[tokio::test]
async fn another_organization_sees_no_runs() {
    let stage = Stage::new().await;
    stage.start(json!([])).await;
    let other = stage.scene.other_organization().await;
    let store = stage.store(Rig::default());
    let lease = runs_lease(&stage, &other);
    assert!(store.runs().steps(&other, &lease).await.unwrap().is_empty());
    let released = store.runs().release(&other, &lease).await;
    released.unwrap();
    assert_eq!(
        stage
            .count("select count(*) from workflow_run where status = 'queued'")
            .await,
        1
    );
}

fn runs_lease(_: &Stage, cx: &domain::Cx) -> store::runs::Lease {
    store::runs::Lease {
        organization_id: cx.organization_id,
        run_id: cx.new_id(),
        epoch: 1,
    }
}
