//! PostgreSQL goes away in the middle; notifications get lost.

use std::{sync::Arc, time::Duration};

use domain::{Actor, Permissions};
use operations::{
    App,
    organizations::{FoundOrganization, found_organization},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use store::{
    Store,
    embedded::{Cluster, Durability, Options as ClusterOptions},
    rig::Rig,
    runs::NewRun,
};
use workflows::{Options, Worker, testing::Scripts};

use crate::stage::{Stage, Working, eventually, make_event};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_survive_a_crash_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = ClusterOptions::new(folder.path());
    wanted.durability = Durability::Throwaway;
    let open = move || Cluster::open(&wanted, &|_| {});
    let cluster = Arc::new(tokio::task::spawn_blocking(open).await.unwrap().unwrap());
    let store = Store::connect(&store::Options::new(cluster.url("postgres"))).unwrap();
    store.migrate().await.unwrap();
    let app = App::new(store.clone(), operations::Options::unlimited());
    let founding = FoundOrganization {
        name: "Home".parse().unwrap(),
        slug: "home".to_owned(),
        currency: "EUR".parse().unwrap(),
        zone: "Europe/Berlin".parse().unwrap(),
        owner_email: "owner@example.org".parse().unwrap(),
        owner_name: "Olga".parse().unwrap(),
    };
    let (organization_id, user_id) = found_organization(&app, &founding).await.unwrap().unwrap();
    let cx = domain::Cx::new(
        organization_id,
        Actor::Member { user_id },
        Permissions::all(),
    );
    let runs = store.runs();
    let mut ids = Vec::new();
    for number in 0..150 {
        let title = format!("Run {number}");
        let mut script = vec![make_event("event", &title)];
        script.extend((0..6).map(|n| json!({"path": format!("k{n}"), "do": "keep", "value": n})));
        let run = new_run(&cx, &json!(script));
        ids.push(runs.start(&run).await.unwrap().run_id);
    }
    let mut options = Options::new("worker");
    options.lease = Duration::from_secs(2);
    options.poll = Duration::from_millis(50);
    let worker = Worker::new(
        app.clone(),
        store.clone(),
        Arc::<Scripts>::default(),
        options,
    );
    let worker = Working::new(worker.unwrap());
    let lock = folder.path().join("postgres/cluster/postmaster.pid");
    for done in [30, 70] {
        eventually(async || ended(&store, &cx, &ids).await >= done).await;
        // An immediate shutdown, as in a crash: no goodbye, recovery at the next start.
        let pid = std::fs::read_to_string(&lock).unwrap();
        let pid = pid.lines().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        eventually(async || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
        let cluster = Arc::clone(&cluster);
        let revive = move || cluster.ensure_running().map(drop);
        tokio::task::spawn_blocking(revive).await.unwrap().unwrap();
    }
    eventually(async || ended(&store, &cx, &ids).await == ids.len()).await;
    worker.stop().await;
    let (seen, _) = app.changes_after(0).await.unwrap();
    let events = seen.iter().filter(|seen| seen.kind == "event.created");
    assert_eq!(events.count(), 150, "each once");
    for run in ids {
        let (status, _) = runs.outcome_of(&cx, run).await.unwrap();
        assert_eq!(status, "done");
    }
    store.close().await;
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .unwrap();
}

async fn ended(store: &Store, cx: &domain::Cx, ids: &[domain::WorkflowRunId]) -> usize {
    let mut ended = 0;
    for id in ids {
        match store.runs().outcome_of(cx, *id).await {
            Ok((status, _)) if status == "done" => ended += 1,
            Ok(_) => {}
            Err(_) => return 0,
        }
    }
    ended
}

fn new_run(cx: &domain::Cx, script: &serde_json::Value) -> NewRun {
    NewRun {
        organization_id: cx.organization_id,
        id: cx.new_id(),
        workflow: "script".to_owned(),
        version: 1,
        definition: None,
        title: "Script".to_owned(),
        idempotency_key: None,
        concurrency: None,
        trigger: json!({}),
        params: json!({"script": script}),
        wake_at: cx.now,
        parent: None,
        on_behalf_of: None,
        since: None,
        created_at: cx.now,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_alone_is_enough() {
    let stage = Stage::new().await;
    // Deaf: never woken by others, and the runs below are started by another store, whose bell it does not hear.
    let mut deaf = stage.options("deaf");
    deaf.is_woken = false;
    deaf.poll = Duration::from_hours(1);
    let worker = stage.work(deaf.clone(), Rig::default());
    // It has looked once, found nothing, and waits.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let run = stage
        .start(json!([{"path": "told", "do": "wait", "kind": "event.created"}]))
        .await;
    stage
        .scene
        .run(operations::testing::new_event("Told"))
        .await
        .unwrap();
    // The control: without the poll nothing happens.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(
        stage.run(run).await["status"],
        "queued",
        "something else than the poll found it"
    );
    worker.stop().await;
    deaf.poll = Duration::from_millis(50);
    let worker = stage.work(deaf, Rig::default());
    stage.has_status(run, "done").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_wakes_a_worker_elsewhere() {
    let stage = Stage::new().await;
    let mut listening = stage.options("listening");
    listening.poll = Duration::from_hours(1);
    let worker = stage.work(listening, Rig::default());
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Another process: its own store and its own relay.
    let mut relaying = stage.options("relaying");
    relaying.concurrency = 0;
    relaying.is_dispatching = false;
    let store = stage.store(Rig::default());
    let app = App::new(store.clone(), operations::Options::unlimited());
    let scripts = Arc::clone(&stage.scripts);
    let relay = Working::new(Worker::new(app, store.clone(), scripts, relaying).unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let run = stage.new_run(json!([{"path": "kept", "do": "keep", "value": 1}]));
    let run = store.runs().start(&run).await.unwrap().run_id;
    stage.has_status(run, "done").await;
    relay.stop().await;
    worker.stop().await;
}
