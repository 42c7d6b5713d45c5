//! Waits against what may come before, during and after them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Cx, Recorded, Timestamp, WorkflowRunId, fault::Failure};
use operations::{App, approvals::DecideApproval, testing::new_event};
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
async fn what_followed_the_change_that_started_a_run_ends_its_wait_however_late_it_began() {
    let stage = Stage::new().await;
    stage.scene.run(new_event("Begins")).await.unwrap();
    let newest = "select max(transaction_id::text::bigint) from change";
    let begun = stage.count(newest).await;
    stage.scene.run(new_event("Told")).await.unwrap();
    dispatch_all(&stage).await;
    let mut run = stage.new_run(waiting());
    run.since = Some(begun + 1);
    let started = stage.runs().start(&run).await.unwrap().run_id;
    let worker = stage.work(options(&stage), Rig::default());
    assert_eq!(woken_by(&stage, started).await, "event.created");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_from_before_a_run_ends_none_of_its_waits_however_late_the_dispatcher_is() {
    let stage = Stage::new().await;
    stage.scene.run(new_event("Before")).await.unwrap();
    let newest = "select max(transaction_id::text::bigint) from change";
    let mut run = stage.new_run(waiting());
    // Said outright: by itself a run begins at the oldest transaction of the whole server, to miss nothing.
    run.since = Some(stage.count(newest).await + 1);
    let run = stage.runs().start(&run).await.unwrap().run_id;
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
    // The new event has another id than the one that was tried; it is what was shown all the same.
    stage.has_status(big, "done").await;
    assert_eq!(stage.events("Big").await, 1);
    let asked_again = "select count(*) from workflow_step where path = 'told#approval/2'";
    assert_eq!(stage.count(asked_again).await, 0, "it asks once");
    worker.stop().await;
}

/// So many unpaid orders of one event, and the step that writes to their buyers.
async fn many_buyers(stage: &Stage, count: usize) -> (domain::EventId, Value) {
    let (event, _) = stage.scene.on_sale(2_500, 100).await;
    stage.scene.orders_of(event.id, 0..count).await;
    let input = json!({"event": event.id, "segment": "unpaid", "subject": "Please pay",
        "body": "By Friday.", "kind": "transactional"});
    let step = json!({"path": "told", "do": "operation", "name": "send_message", "input": input});
    (event.id, json!([step]))
}

/// The questions of runs that a person may decide, oldest first.
async fn open_questions(stage: &Stage) -> Vec<domain::ApprovalId> {
    let query = "select 'apr_' || replace(id::text, '-', '') as id from approval \
                 where status = 'pending' and run_id is not null order by id";
    let rows = stage.scene.database.ask(query).await;
    let ids = rows.as_array().unwrap().iter();
    ids.map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// A person says yes, today.
async fn agree(stage: &Stage, approval: domain::ApprovalId) {
    let cx = stage.scene.cx.clone().with_now(stage.now());
    let yes = DecideApproval {
        approval,
        decision: operations::approvals::Decision::Approved,
        note: None,
    };
    stage.scene.app.run(&cx, yes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_writes_to_many_does_so_once_as_it_was_shown() {
    let stage = Stage::new().await;
    let (event, script) = many_buyers(&stage, 60).await;
    let sent = async || {
        let query = "select count(*) from message where subject = 'Please pay'";
        stage.count(query).await
    };
    let worker = stage.work(stage.options("worker"), Rig::default());
    let run = stage.start(script).await;
    eventually(async || open_questions(&stage).await.len() == 1).await;
    assert_eq!(sent().await, 0, "nothing before a person has agreed");
    // Another buyer while the person thinks: it is another message now, and is asked about anew.
    stage.scene.orders_of(event, 60..61).await;
    agree(&stage, open_questions(&stage).await[0]).await;
    eventually(async || open_questions(&stage).await.len() == 1).await;
    assert_eq!(sent().await, 0, "nothing was sent");
    agree(&stage, open_questions(&stage).await[0]).await;
    stage.has_status(run, "done").await;
    worker.stop().await;
    assert_eq!(sent().await, 61);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_nobody_decides_ends_and_the_run_takes_its_way() {
    let stage = Stage::new().await;
    let expires_at = stage.now().plus_seconds(3_600);
    let script = json!([
        {"path": "told", "do": "approve", "title": "Send it?", "expires_at": expires_at},
    ]);
    let run = stage.start(script.clone()).await;
    let workers = ["one", "two"].map(|name| stage.work(stage.options(name), Rig::default()));
    stage.has_status(run, "waiting").await;
    // That of a run which a person ends is over at once: nobody waits for the answer.
    let ended = stage.start(script).await;
    stage.has_status(ended, "waiting").await;
    assert_eq!(open_questions(&stage).await.len(), 2);
    let cancel = operations::workflow_runs::CancelWorkflowRun { run: ended };
    stage.scene.run(cancel).await.unwrap();
    eventually(async || open_questions(&stage).await.len() == 1).await;
    stage.set_now(expires_at);
    stage.has_status(run, "done").await;
    let output = stage.run(run).await["output"].clone();
    assert_eq!(output["told"]["decision"], "expired", "{output}");
    eventually(async || open_questions(&stage).await.is_empty()).await;
    for worker in workers {
        worker.stop().await;
    }
    let told = "select count(*) from change where kind = 'approval.expired'";
    assert_eq!(stage.count(told).await, 2, "each of them once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_may_do_what_its_steps_need_and_see_names_only_where_people_are_in_them() {
    let stage = Stage::new().await;
    let look = json!({"path": "look", "do": "operation", "name": "get_context", "input": {}});
    let people = json!({"path": "people", "do": "operation", "name": "list_members", "input": {}});
    let worker = stage.work(stage.options("worker"), Rig::default());
    let seen = async |script: Value| {
        let run = stage.start(script).await;
        stage.has_status(run, "done").await;
        stage.run(run).await["output"].clone()
    };
    let narrow = seen(json!([look.clone()])).await;
    assert_eq!(narrow["look"]["permissions"], json!(["organization:read"]));
    let wide = seen(json!([look, people])).await;
    let permissions = json!(["organization:read", "attendees:personal"]);
    assert_eq!(wide["look"]["permissions"], permissions);
    assert_eq!(wide["people"]["members"][0]["email"], "owner@scene.example");
    worker.stop().await;
}
