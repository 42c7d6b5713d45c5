//! Real processes, killed at random: nothing is lost and nothing is done twice.

use std::time::Duration;

use serde_json::json;

use crate::stage::{Dice, Stage, make_event};

const RUNS: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_nothing_and_repeat_nothing() {
    let stage = Stage::new().await;
    let runs = stage.runs();
    for number in 0..RUNS {
        let url = format!("http://{}/ok", stage.outside.host);
        let script = json!([
            make_event("event", &format!("Run {number}")),
            {"path": "call", "do": "http", "url": url},
            {"path": "fact", "do": "emit", "name": "made"},
        ]);
        runs.start(&stage.new_run(script)).await.unwrap();
    }
    let mut dice = Dice::new(5);
    let worker = |number: u64| stage.process(&format!("worker {number}"), 1_000, 16, &[]);
    let mut workers: Vec<_> = (0..3).map(worker).collect();
    let mut kills = 0;
    while stage
        .count("select count(*) from workflow_run where finished_at is null")
        .await
        > 0
    {
        tokio::time::sleep(Duration::from_millis(300 + dice.below(900))).await;
        let victim = usize::try_from(dice.below(3)).unwrap();
        kills += 1;
        // Dropping kills, with SIGKILL.
        workers[victim] = worker(kills + 2);
    }
    drop(workers);

    let events = stage.count("select count(*) from event").await;
    let titles = stage.count("select count(distinct title) from event").await;
    let facts = stage
        .count("select count(*) from change where kind = 'workflow.emitted'")
        .await;
    let done = stage
        .count("select count(*) from workflow_run where status = 'done'")
        .await;
    let steps = stage
        .count("select count(*) from workflow_step where status = 'done'")
        .await;
    let held = stage
        .count("select count(*) from workflow_run where lease_owner is not null")
        .await;
    let ends = stage
        .count("select count(*) from change where kind = 'workflow_run.finished'")
        .await;
    let retaken = stage
        .count("select count(*) from workflow_run where takeovers > 0")
        .await;
    let calls = stage.outside.calls();
    let repeated = calls.values().filter(|count| **count > 1).count();
    eprintln!(
        "{kills} kills, {retaken} runs taken over, {repeated} outside calls repeated under their key"
    );
    let all = i64::try_from(RUNS).unwrap();
    assert_eq!((done, held, ends), (all, 0, all));
    assert_eq!((events, titles, facts, steps), (all, all, all, 3 * all));
    assert_eq!(calls.len(), RUNS, "one key per run");
    // The control: had nobody been killed at a bad moment, the above would say little.
    assert!(retaken > 0, "no kill hit a run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_checkpoints_a_kill_repeats_effects() {
    let stage = Stage::new().await;
    let script = json!([make_event("event", "Twice")]);
    let run = stage.start(script).await;
    // The operation has committed; its step would be written down next, in a transaction of its own.
    let rest = ["abort:record.before@1", "without:checkpoint"];
    let mut doomed = stage.process("doomed", 300, 1, &rest);
    assert!(!doomed.ended().await.success());
    assert_eq!(stage.events("Twice").await, 1);
    let heir = stage.work(stage.options("heir"), store::rig::Rig::default());
    stage.has_status(run, "done").await;
    heir.stop().await;
    assert_eq!(
        stage.events("Twice").await,
        2,
        "the guard is not what keeps it at one"
    );
}
