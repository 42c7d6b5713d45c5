//! A forced crash before and after each commit that a run makes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use store::rig::Rig;

use crate::stage::{Stage, make_event};

/// A run that crosses every commit of the executor.
fn script(stage: &Stage, title: &str) -> Value {
    json!([
        make_event("event", title),
        {"path": "look", "do": "operation", "name": "get_context", "input": {}},
        {"path": "call", "do": "http", "url": format!("http://{}/fail/1", stage.outside.host)},
        {"path": "nap", "do": "wait", "until": stage.now()},
        {"path": "told", "do": "wait", "kind": "workflow.emitted", "until": stage.now().plus_seconds(-1)},
        {"path": "nothing", "do": "operation", "name": "no_such_thing", "input": {}, "goes_on": true},
        {"path": "fact", "do": "emit", "name": title},
        {"path": "kept", "do": "keep", "value": 1},
    ])
}

/// How often an undisturbed run comes by each place.
async fn places(stage: &Stage) -> BTreeMap<&'static str, u32> {
    let crossed = Arc::<Mutex<BTreeMap<&'static str, u32>>>::default();
    let counting = Arc::clone(&crossed);
    let rig = Rig {
        hook: Some(Arc::new(move |place| {
            *counting.lock().unwrap().entry(place).or_default() += 1;
            Box::pin(async {})
        })),
        ..Rig::default()
    };
    let mut options = stage.options("count");
    options.is_dispatching = false;
    let run = stage.start(script(stage, "Undisturbed")).await;
    let worker = stage.work(options, rig);
    eventually_retried(stage, run).await;
    worker.stop().await;
    let crossed = crossed.lock().unwrap().clone();
    crossed
}

/// Time passes until the run is done: it is put off once, for a moment.
async fn eventually_retried(stage: &Stage, run: domain::WorkflowRunId) {
    loop {
        stage.set_now(stage.now().plus_seconds(1));
        let status = stage.run(run).await["status"].clone();
        assert_ne!(status, "dead", "{}", stage.run(run).await);
        if status == "done" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_commit_changes_nothing_in_the_end() {
    let stage = Stage::new().await;
    let mut places = places(&stage).await;
    // `commit` is every commit of a run, also those with a name of their own.
    for named in [
        "claim", "record", "begin", "wait", "settle", "give_up", "retry", "finish",
    ] {
        for side in ["before", "after"] {
            let place = format!("{named}.{side}");
            assert!(
                places.contains_key(place.as_str()),
                "{place} is never crossed"
            );
        }
    }
    stage.set_now(domain::Timestamp::now());
    places.retain(|place, _| place.starts_with("commit.") || place.starts_with("claim."));
    let mut crashes = 0;
    for (place, count) in places {
        for number in 1..=count {
            let title = format!("{place} {number}");
            let run = stage.start(script(&stage, &title)).await;
            let abort = format!("abort:{place}@{number}");
            let mut doomed = stage.process("doomed", 250, 1, &[&abort]);
            assert!(
                !doomed.ended().await.success(),
                "{place} {number}: it did not crash"
            );
            crashes += 1;
            let mut options = stage.options("heir");
            options.is_dispatching = false;
            options.clock = Arc::new(domain::Timestamp::now);
            let heir = stage.work(options, Rig::default());
            stage.has_status(run, "done").await;
            heir.stop().await;
            assert_eq!(stage.events(&title).await, 1, "{title}");
            let facts = format!("select count(*) from change where payload ->> 'name' = '{title}'");
            assert_eq!(stage.count(&facts).await, 1, "{title}");
            let calls = stage.outside.calls();
            assert!(calls.contains_key(&format!("{run}:call")), "{title}");
        }
    }
    eprintln!("{crashes} crashes");
    assert!(crashes >= 20, "{crashes}");
    assert_eq!(
        stage
            .count("select count(*) from workflow_run where finished_at is null")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_dispatching_starts_each_run_once() {
    let stage = Stage::new().await;
    stage
        .scripts
        .triggers
        .lock()
        .unwrap()
        .insert("event.created".to_owned(), "greet".to_owned());
    let script = json!([{"path": "fact", "do": "emit", "name": "greeted"}]);
    stage
        .scripts
        .versions
        .lock()
        .unwrap()
        .insert(("greet".to_owned(), 1), script);
    for (number, place) in ["dispatch.before", "dispatch.after"]
        .into_iter()
        .enumerate()
    {
        stage
            .scene
            .run(operations::testing::new_event(place))
            .await
            .unwrap();
        let hook: store::rig::Hook = Arc::new(move |crossed| {
            Box::pin(async move {
                if crossed == place {
                    std::future::pending::<()>().await;
                }
            })
        });
        let rig = Rig {
            hook: Some(hook),
            ..Rig::default()
        };
        let crossing = stage.store(rig).runs();
        let now = stage.now();
        let scripts = Arc::clone(&stage.scripts);
        // Hangs at the place and is dropped there: the connection is lost with whatever it had not committed.
        let dispatch = workflows::dispatch(&crossing, scripts.as_ref(), now);
        let hung = tokio::time::timeout(std::time::Duration::from_millis(300), dispatch).await;
        assert!(hung.is_err(), "{place}");
        let worker = stage.work(stage.options("heir"), Rig::default());
        let started = i64::try_from(number).unwrap() + 1;
        let done = "select count(*) from workflow_run where workflow = 'greet' and status = 'done'";
        crate::stage::eventually(async || stage.count(done).await >= started).await;
        worker.stop().await;
        assert_eq!(
            stage.count("select count(*) from workflow_run").await,
            started
        );
    }
}
