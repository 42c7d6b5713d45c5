//! Waits against what may come before, during and after them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Cx, Recorded, Timestamp, WorkflowRunId, fault::Failure};
use operations::{App, testing::new_event};
use serde_json::{Value, json};
use store::rig::{Hook, Rig};
use tokio::task::JoinSet;
use uuid::Uuid;
use workflows::{Approvals, Asked, Decision, Options, Request};

use crate::stage::{Stage, eventually};

fn waiting() -> Value {
    json!([{"path": "told", "do": "wait", "kind": "event.created"}])
}

/// Without a dispatcher and never woken: the test does both by hand.
fn options(stage: &Stage) -> Options {
    let mut options = stage.options("worker");
    options.is_dispatching = false;
    options.is_woken = false;
    options.lease = std::time::Duration::from_secs(30);
    options
}

/// Deals with all changes that are there.
async fn dispatch_all(stage: &Stage) {
    let (runs, scripts) = (stage.runs(), Arc::clone(&stage.scripts));
    let now = stage.now();
    eventually(async || {
        let looked = workflows::dispatch(&runs, scripts.as_ref(), now)
            .await
            .unwrap();
        looked == workflows::Looked::Nothing
    })
    .await;
}

/// At one place, the first time it is crossed, the awaited change commits and the dispatcher goes past it.
fn change_at(stage: &Arc<Stage>, wanted: &'static str, waits_for_it: bool) -> Hook {
    let done = Arc::new(AtomicBool::new(false));
    let tasks = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
    let stage = Arc::clone(stage);
    Arc::new(move |place| {
        let (stage, done, tasks) = (Arc::clone(&stage), Arc::clone(&done), Arc::clone(&tasks));
        Box::pin(async move {
            if place == wanted && !done.swap(true, Ordering::SeqCst) {
                stage.scene.run(new_event("Told")).await.unwrap();
                if waits_for_it {
                    dispatch_all(&stage).await;
                } else {
                    tasks
                        .lock()
                        .await
                        .spawn(async move { dispatch_all(&stage).await });
                }
            }
        })
    })
}

async fn woken_by(stage: &Stage, run: WorkflowRunId) -> Value {
    stage.has_status(run, "done").await;
    let run = stage.run(run).await;
    run["output"]["told"]["woken_by"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_any_moment_ends_the_wait() {
    // At a place before a commit the dispatcher cannot go past the change: it stays below the oldest transaction.
    let places = [
        ("claim.after", true),
        ("step.before", true),
        ("wait.before", false),
        ("wait.after", true),
        ("settle.before", false),
        ("settle.after", true),
    ];
    for (place, waits_for_it) in places {
        let stage = Arc::new(Stage::new().await);
        let rig = Rig {
            hook: Some(change_at(&stage, place, waits_for_it)),
            ..Rig::default()
        };
        let run = stage.start(waiting()).await;
        let worker = stage.work(options(&stage), rig);
        assert_eq!(woken_by(&stage, run).await, "event.created", "{place}");
        worker.stop().await;
        assert_eq!(stage.count("select count(*) from workflow_wait").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_look_a_change_before_the_wait_is_lost() {
    let stage = Arc::new(Stage::new().await);
    let rig = Rig {
        hook: Some(change_at(&stage, "step.before", true)),
        without: ["look"].into(),
    };
    let run = stage.start(waiting()).await;
    let worker = stage.work(options(&stage), rig);
    stage.has_status(run, "waiting").await;
    dispatch_all(&stage).await;
    worker.stop().await;
    assert_eq!(
        stage.run(run).await["status"],
        "waiting",
        "the guard is not what finds it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_after_long_sleep_ends_the_wait_and_another_one_does_not() {
    let stage = Stage::new().await;
    let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let script =
        |about| json!([{"path": "told", "do": "wait", "kind": "approval.decided", "about": about}]);
    let run = stage.start(script(mine)).await;
    let worker = stage.work(stage.options("worker"), Rig::default());
    stage.has_status(run, "waiting").await;
    decide(&stage, other, "somebody").await;
    dispatch_all(&stage).await;
    assert_eq!(stage.run(run).await["status"], "waiting");
    decide(&stage, mine, "me").await;
    assert_eq!(woken_by(&stage, run).await, "approval.decided");
    // A second run that begins after both is not ended by what was there before it.
    let late = stage.start(script(mine)).await;
    stage.has_status(late, "waiting").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_ends_one_wait_of_a_run() {
    let stage = Stage::new().await;
    let script = json!([
        {"path": "first", "do": "wait", "kind": "event.created"},
        {"path": "told", "do": "wait", "kind": "event.created"},
    ]);
    let run = stage.start(script).await;
    stage.scene.run(new_event("One")).await.unwrap();
    let worker = stage.work(options(&stage), Rig::default());
    stage.has_status(run, "waiting").await;
    let open = "select count(*) from workflow_wait where path = 'told'";
    eventually(async || stage.count(open).await == 1).await;
    // The worker saw the first event by itself; the dispatcher is late, and comes to it while the second wait is open.
    dispatch_all(&stage).await;
    assert_eq!(stage.count(open).await, 1, "one change ended two waits");
    stage.scene.run(new_event("Two")).await.unwrap();
    dispatch_all(&stage).await;
    worker.stop().await;
    let worker = stage.work(options(&stage), Rig::default());
    stage.has_status(run, "done").await;
    let output = stage.run(run).await["output"].clone();
    assert_ne!(output["first"]["change_id"], output["told"]["change_id"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_from_before_a_run_ends_none_of_its_waits_however_late_the_dispatcher_is() {
    let stage = Stage::new().await;
    stage.scene.run(new_event("Before")).await.unwrap();
    let run = stage.start(waiting()).await;
    let worker = stage.work(options(&stage), Rig::default());
    stage.has_status(run, "waiting").await;
    dispatch_all(&stage).await;
    worker.stop().await;
    assert_eq!(stage.run(run).await["status"], "waiting");
}

/// A decision, as the operations on approvals will record it.
async fn decide(stage: &Stage, approval: Uuid, note: &str) {
    let organization = Uuid::from(stage.organization());
    let id = Uuid::from(stage.scene.cx.new_id::<domain::ChangeId>());
    let statement = format!(
        "insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, actor, \
           operation, request_id) \
         values ('{organization}', '{id}', now(), 'approval.decided', 'apr', '{approval}', 'x', \
           '{{\"note\": \"{note}\"}}', '{{}}', 'test', '{id}')"
    );
    stage.scene.database.tell(&statement).await;
}

/// Approvals as a table-less stand-in: the request is the step, the decision is the first change about it.
struct People;

impl Approvals for People {
    fn may_ask(&self, operation: &str) -> bool {
        operation == "create_event"
    }

    fn verdict(&self, _: &str, _: &Value, changes: &[Recorded]) -> Option<String> {
        changes
            .iter()
            .any(|c| c.summary.contains("Big"))
            .then(|| "it is big".to_owned())
    }

    fn request<'a>(&'a self, _: &'a App, cx: &'a Cx, _: Request) -> Asked<'a, Uuid> {
        Box::pin(async { Ok(Uuid::from(cx.new_id::<domain::ChangeId>())) })
    }

    fn decision<'a>(&'a self, _: &'a App, _: &'a Cx, _: Uuid) -> Asked<'a, Decision> {
        Box::pin(async {
            Ok::<_, Failure>(Decision {
                decision: "approved".to_owned(),
                by: None,
                note: None,
            })
        })
    }
}

async fn asked(stage: &Stage) -> Uuid {
    let query = "select replace(output ->> 'approval', 'apr_', '')::uuid as id from workflow_step \
                 where path like '%#approval' and status = 'done'";
    eventually(async || stage.scene.database.ask(query).await[0].is_object()).await;
    let found = stage.scene.database.ask(query).await;
    found[0]["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_decisions_at_once_the_first_counts() {
    let stage = Stage::new().await;
    let expires_at = stage.now().plus_seconds(3_600);
    let script = json!([
        {"path": "told", "do": "approve", "title": "Send it?", "expires_at": expires_at},
        {"path": "fact", "do": "emit", "name": "decided"},
    ]);
    let run = stage.start(script).await;
    let worker = stage.worker(stage.options("worker"), Rig::default());
    let worker = crate::stage::Working::new(worker.with_approvals(Arc::new(People)));
    let approval = asked(&stage).await;
    tokio::join!(
        decide(&stage, approval, "yes"),
        decide(&stage, approval, "no")
    );
    stage.has_status(run, "done").await;
    dispatch_all(&stage).await;
    worker.stop().await;
    let output = stage.run(run).await["output"].clone();
    assert_eq!(output["told"]["decision"], "approved", "{output}");
    let facts = "select count(*) from change where kind = 'workflow.emitted'";
    assert_eq!(stage.count(facts).await, 1);
    let answers =
        "select count(*) from workflow_step where path = 'told#decision' and status = 'done'";
    assert_eq!(stage.count(answers).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_at_the_instant_of_expiry_is_one_answer() {
    let stage = Stage::new().await;
    let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
    for round in 0..12_u128 {
        let expires_at = stage.now().plus_seconds(60);
        let about = Uuid::from_u128(round);
        let script = json!([{"path": "told", "do": "wait", "until": expires_at, "kind": "approval.decided", "about": about}]);
        let run = stage.start(script).await;
        let worker = stage.work(stage.options("worker"), Rig::default());
        stage.has_status(run, "waiting").await;
        // The clock reaches the end of the wait while the decision commits.
        let passing = async {
            if round % 3 == 0 {
                tokio::task::yield_now().await;
            }
            stage.set_now(expires_at);
        };
        tokio::join!(decide(&stage, about, "just so"), passing);
        let by = woken_by(&stage, run).await;
        dispatch_all(&stage).await;
        worker.stop().await;
        *outcomes.entry(by.to_string()).or_default() += 1;
        let finished = "select count(*) from change where kind = 'workflow_run.finished'";
        assert_eq!(
            stage.count(finished).await,
            i64::try_from(round).unwrap() + 1
        );
        assert_eq!(
            stage.run(run).await["output"]["told"]["woken_by"],
            by,
            "a late answer changed it"
        );
    }
    eprintln!("{outcomes:?}");
    assert!(
        outcomes
            .keys()
            .all(|k| k == "\"time\"" || k == "\"approval.decided\""),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_wait_is_ended_by_time() {
    let stage = Stage::new().await;
    let until = stage.now().plus_seconds(30 * 24 * 3_600);
    let run = stage
        .start(json!([{"path": "told", "do": "wait", "until": until, "kind": "event.created"}]))
        .await;
    let worker = stage.work(stage.options("worker"), Rig::default());
    stage.has_status(run, "waiting").await;
    assert_eq!(
        stage.run(run).await["wake_at"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap(),
        until
    );
    stage.set_now(until);
    assert_eq!(woken_by(&stage, run).await, "time");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_needs_a_person_waits_for_one() {
    let stage = Stage::new().await;
    let script = |title: &str| json!([crate::stage::make_event("told", title)]);
    let small = stage.start(script("Small")).await;
    let worker = stage.worker(stage.options("worker"), Rig::default());
    let worker = crate::stage::Working::new(worker.with_approvals(Arc::new(People)));
    stage.has_status(small, "done").await;
    let big = stage.start(script("Big")).await;
    stage.has_status(big, "waiting").await;
    assert_eq!(stage.events("Big").await, 0);
    let approval = asked(&stage).await;
    decide(&stage, approval, "yes").await;
    // The new event's id is another one each time, so what was shown never is what would happen: it asks again.
    let asked_again =
        "select count(*) from workflow_step where path = 'told#approval/2' and status = 'done'";
    eventually(async || stage.count(asked_again).await == 1 || stage.events("Big").await == 1)
        .await;
    worker.stop().await;
}
