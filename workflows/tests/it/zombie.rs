//! A worker that is stopped past its lease and comes back writes nothing.

use rustix::process::{Signal, kill_process};
use serde_json::json;
use store::rig::Rig;

use crate::stage::{Process, Stage, eventually, make_event};

fn is_stopped(process: &Process) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.0.id())).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('T')
}

/// Stops a worker at a place in the middle of a run, lets another finish the run, wakes the first up, and waits until
/// it has come to the end of whatever it was doing: with one run at a time, it takes the next one only then.
async fn comes_back(stage: &Stage, place: &str, guards: &[&str]) {
    let url = format!("http://{}/ok", stage.outside.host);
    let script = json!([
        make_event("event", "Once"),
        {"path": "call", "do": "http", "url": url},
        {"path": "fact", "do": "emit", "name": "once"},
    ]);
    let run = stage.start(script).await;
    let stop = format!("stop:{place}@1");
    let zombie = stage.process("zombie", 300, 1, &[&[stop.as_str()], guards].concat());
    eventually(async || is_stopped(&zombie)).await;
    let other = stage.work(stage.options("other"), Rig::default());
    stage.has_status(run, "done").await;
    other.stop().await;
    let next = stage
        .start(json!([{"path": "kept", "do": "keep", "value": 1}]))
        .await;
    kill_process(zombie.pid(), Signal::CONT).unwrap();
    stage.has_status(next, "done").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_worker_writes_nothing_when_it_comes_back() {
    for place in ["claim.after", "begin.after"] {
        let stage = Stage::new().await;
        comes_back(&stage, place, &[]).await;
        assert_eq!(stage.events("Once").await, 1, "{place}");
        assert_eq!(
            stage
                .count("select count(*) from change where kind = 'workflow.emitted'")
                .await,
            1,
            "{place}"
        );
        assert_eq!(
            stage
                .count("select count(*) from change where kind = 'workflow_run.finished'")
                .await,
            2,
            "{place}"
        );
        // What the other wrote is what is there: all under its own, second, lease.
        let written = "select count(*) from workflow_step where path <> 'kept' and finished_at is not null and epoch <> 2";
        let under_first = if place == "claim.after" { 0 } else { 1 };
        assert_eq!(stage.count(written).await, under_first, "{place}");
        assert_eq!(stage.outside.calls().len(), 1, "one key: {place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_a_stopped_worker_repeats_effects() {
    let stage = Stage::new().await;
    comes_back(&stage, "claim.after", &["without:fence"]).await;
    assert_eq!(
        stage.events("Once").await,
        2,
        "the guard is not what keeps it at one"
    );
}
