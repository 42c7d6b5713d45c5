//! Random programs under random crashes against a small reference that knows no crashes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Map, Value, json};
use store::rig::{Hook, Rig};
use tokio::sync::Notify;

use crate::stage::{Dice, Stage, eventually, make_event};

/// What a program must have done in the end.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    status: String,
    /// The paths that answered, with what is known beforehand of their answers.
    outputs: Map<String, Value>,
    events: BTreeMap<String, i64>,
    facts: i64,
    calls: Vec<String>,
}

/// A random program and what the reference says of it.
fn program(dice: &mut Dice, name: &str, stage: &Stage, depth: u32) -> (Value, Expected) {
    let mut lines = Vec::new();
    let mut expected = Expected {
        status: "done".to_owned(),
        ..Expected::default()
    };
    let length = 1 + dice.below(7);
    for number in 0..length {
        let path = format!("s{number}");
        let goes_on = dice.below(2) == 0;
        let url = |what: &str| format!("http://{}{what}", stage.outside.host);
        let failed = match dice.below(if depth == 0 { 9 } else { 10 }) {
            0 | 1 => {
                let title = format!("{name} {path}");
                lines.push(make_event(&path, &title));
                expected.events.insert(title, 1);
                None
            }
            2 => {
                let value = json!(dice.below(1_000));
                lines.push(json!({"path": path, "do": "keep", "value": value}));
                expected.outputs.insert(path.clone(), value);
                None
            }
            3 => {
                lines.push(json!({"path": path, "do": "emit", "name": name}));
                expected.facts += 1;
                None
            }
            4 => {
                // Of three tries, none to two fail.
                let fails = dice.below(3);
                lines.push(
                    json!({"path": path, "do": "http", "url": url(&format!("/fail/{fails}"))}),
                );
                expected.calls.push(path.clone());
                None
            }
            5 => {
                lines.push(
                    json!({"path": path, "do": "http", "url": url("/refuse"), "goes_on": goes_on}),
                );
                expected.calls.push(path.clone());
                Some("http_422")
            }
            6 => {
                let until = stage
                    .now()
                    .plus_seconds(i64::try_from(dice.below(20)).unwrap());
                lines.push(json!({"path": path, "do": "wait", "until": until}));
                expected
                    .outputs
                    .insert(path.clone(), json!({"woken_by": "time"}));
                None
            }
            7 => {
                lines.push(
                    json!({"path": path, "do": "operation", "name": "get_context", "input": {}}),
                );
                None
            }
            8 => {
                let input = json!({"event": "no such event"});
                let operation = json!({"path": path, "do": "operation", "name": "publish_event", "input": input, "goes_on": goes_on});
                lines.push(operation);
                Some("not_found")
            }
            _ => {
                let (script, inner) = program(dice, &format!("{name} {path}"), stage, depth - 1);
                let params = json!({"script": script});
                lines.push(json!({"path": path, "do": "call", "workflow": "script", "params": params, "goes_on": goes_on}));
                let ends_well = inner.status == "done";
                expected.events.extend(inner.events);
                expected.facts += inner.facts;
                (!ends_well).then_some("call_failed")
            }
        };
        if let Some(code) = failed {
            if goes_on {
                if code != "not_found" {
                    expected.outputs.insert(path, json!({"failed": code}));
                }
            } else {
                "dead".clone_into(&mut expected.status);
                break;
            }
        }
    }
    (Value::Array(lines), expected)
}

/// What has really happened.
async fn actual(
    stage: &Stage,
    run: domain::WorkflowRunId,
    name: &str,
    expected: &Expected,
) -> Expected {
    let row = stage.run(run).await;
    let mut outputs = row["output"].as_object().cloned().unwrap_or_default();
    outputs.retain(|path, _| expected.outputs.contains_key(path));
    if row["status"] == "dead" {
        outputs.clone_from(&expected.outputs);
    }
    let query =
        format!("select title, count(*) from event where title like '{name} %' group by title");
    let events = stage.scene.database.ask(&query).await;
    let events = events.as_array().unwrap().iter();
    let facts = format!(
        "select count(*) from change where payload ->> 'name' = '{name}' or payload ->> 'name' like '{name} %'"
    );
    let calls = stage.outside.calls();
    let mut calls: Vec<String> = calls
        .keys()
        .filter_map(|key| key.strip_prefix(&format!("{run}:")).map(ToOwned::to_owned))
        .collect();
    calls.sort();
    Expected {
        status: row["status"].as_str().unwrap().to_owned(),
        outputs,
        events: events
            .map(|e| {
                (
                    e["title"].as_str().unwrap().to_owned(),
                    e["count"].as_i64().unwrap(),
                )
            })
            .collect(),
        facts: stage.count(&facts).await,
        calls,
    }
}

/// A hook that now and then makes the worker vanish at a place.
fn crashes(
    seed: u64,
    one_in: u64,
    only: Option<&'static str>,
) -> (Hook, Arc<Notify>, Arc<AtomicBool>) {
    let dice = Arc::new(Mutex::new(Dice::new(seed)));
    let crashed = Arc::new(Notify::new());
    let armed = Arc::new(AtomicBool::new(true));
    let (told, is_armed) = (Arc::clone(&crashed), Arc::clone(&armed));
    let hook: Hook = Arc::new(move |place| {
        let eligible = only.is_none_or(|only| only == place) && is_armed.load(Ordering::SeqCst);
        let hit = eligible && dice.lock().unwrap().below(one_in) == 0;
        if hit {
            told.notify_one();
        }
        Box::pin(async move {
            if hit {
                std::future::pending::<()>().await;
            }
        })
    });
    (hook, crashed, armed)
}

/// Runs random programs under crashes; returns what differs from the reference.
async fn differences(
    seed: u64,
    rig: Rig,
    crashed: Arc<Notify>,
    armed: Arc<AtomicBool>,
) -> (u32, Vec<String>) {
    let stage = Stage::new().await;
    let mut dice = Dice::new(seed);
    let mut programs = Vec::new();
    for number in 0..40 {
        let name = format!("p{number}");
        let (script, expected) = program(&mut dice, &name, &stage, 2);
        programs.push((stage.start(script.clone()).await, name, script, expected));
    }
    let unfinished = "select count(*) from workflow_run where finished_at is null";
    let mut crashes = 0;
    loop {
        let mut options = stage.options("mortal");
        options.lease = std::time::Duration::from_millis(300);
        options.concurrency = 8;
        let worker = stage.work(options, rig.clone());
        let over = eventually(async || {
            stage.set_now(stage.now().plus_seconds(1));
            stage.count(unfinished).await == 0
        });
        let is_over = tokio::select! {
            () = over => true,
            () = crashed.notified() => false,
        };
        worker.crash().await;
        if is_over {
            break;
        }
        crashes += 1;
        // Enough: the rest may end in peace.
        armed.store(crashes < 25, Ordering::SeqCst);
    }
    let mut different = Vec::new();
    for (run, name, script, mut expected) in programs {
        expected.calls.sort();
        let actual = actual(&stage, run, &name, &expected).await;
        if actual != expected {
            different.push(format!(
                "seed {seed}, {name} {run}\n{script}\nexpected {expected:?}\nactual   {actual:?}"
            ));
        }
    }
    (crashes, different)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_end_as_the_reference_says_whatever_crashes() {
    for seed in [1, 2] {
        let (hook, crashed, armed) = crashes(seed, 40, None);
        let rig = Rig {
            hook: Some(hook),
            ..Rig::default()
        };
        let (crashes, different) = differences(seed, rig, crashed, armed).await;
        eprintln!("seed {seed}: {crashes} crashes");
        assert!(crashes > 3, "too few crashes to say anything");
        assert!(different.is_empty(), "{}", different.join("\n\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_checkpoints_they_do_not() {
    let (hook, crashed, armed) = crashes(3, 3, Some("record.before"));
    let rig = Rig {
        hook: Some(hook),
        without: ["checkpoint"].into(),
    };
    let (_, different) = differences(3, rig, crashed, armed).await;
    assert!(
        !different.is_empty(),
        "the guard is not what makes them agree"
    );
}
