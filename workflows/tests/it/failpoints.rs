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
    crossed.lock().unwrap().clone()
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
    let crashes: Vec<String> = places
        .iter()
        .flat_map(|(place, count)| (1..=*count).map(move |number| format!("{place}@{number}")))
        .collect();
    assert!(crashes.len() >= 20, "{crashes:?}");
    let mut runs = Vec::new();
    for crash in &crashes {
        runs.push((stage.start(script(&stage, crash)).await, crash));
    }
    // Each process takes a run of its own and dies over it; a few at a time.
    for some in crashes.chunks(4) {
        let doomed = some.iter().map(|crash| {
            let abort = format!("abort:{crash}");
            (stage.process("doomed", 3_600_000, 1, &[&abort]), crash)
        });
        for (mut doomed, crash) in doomed.collect::<Vec<_>>() {
            let status = doomed.ended().await;
            assert!(!status.success(), "{crash}: it did not crash");
        }
    }
    let lost = "update workflow_run set lease_until = now() - interval '1 second' where status = 'running'";
    stage.scene.database.tell(lost).await;
    let mut options = stage.options("heir");
    options.is_dispatching = false;
    options.clock = Arc::new(domain::Timestamp::now);
    let heir = stage.work(options, Rig::default());
    stage.all_ended().await;
    heir.stop().await;
    for (run, title) in runs {
        assert_eq!(stage.run(run).await["status"], "done", "{title}");
        assert_eq!(stage.events(title).await, 1, "{title}");
        let facts = format!("select count(*) from change where payload ->> 'name' = '{title}'");
        assert_eq!(stage.count(&facts).await, 1, "{title}");
        let calls = stage.outside.calls();
        assert!(calls.contains_key(&format!("{run}:call")), "{title}");
    }
    eprintln!("{} crashes", crashes.len());
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
        // Others' transactions on the same server may put it off, so it is tried until it gets there.
        crate::stage::eventually(async || {
            let dispatch = workflows::dispatch(&crossing, scripts.as_ref(), now);
            let hung = tokio::time::timeout(std::time::Duration::from_millis(300), dispatch).await;
            hung.is_err()
        })
        .await;
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
