//! Schedules fire once: with several schedulers, after being away, and when a clock is set back.

use std::sync::Arc;

use domain::Timestamp;
use store::rig::Rig;
use workflows::{Schedule, Scheduler};

use crate::stage::Stage;

const HOUR: i64 = 3_600;

/// Every full hour.
fn hours(last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let hour = HOUR * 1_000_000;
    let first = last.as_microseconds().div_euclid(hour) + 1;
    (first..=now.as_microseconds().div_euclid(hour))
        .map(|number| Timestamp::from_microseconds(number * hour))
        .collect()
}

fn schedule(stage: &Stage, workflow: &str, policy: fn(Timestamp, Timestamp) -> Vec<Timestamp>) {
    stage.scripts.schedules.lock().unwrap().push(Schedule {
        organization_id: stage.organization(),
        workflow: workflow.to_owned(),
        version: 1,
        trigger: 0,
        title: workflow.to_owned(),
        concurrency: None,
        on_behalf_of: None,
        since: stage.now(),
        due: Arc::new(policy),
    });
}

async fn fired(stage: &Stage, workflow: &str) -> i64 {
    stage
        .count(&format!(
            "select count(*) from workflow_run where workflow = '{workflow}'"
        ))
        .await
}

/// Two schedulers at the same time, so many hours one after the other.
async fn two_schedulers(stage: &Stage, rig: &Rig, count: i64) {
    let (mut first, mut second) = (Scheduler::default(), Scheduler::default());
    let (one, other) = (
        stage.store(rig.clone()).runs(),
        stage.store(rig.clone()).runs(),
    );
    for _ in 0..count {
        stage.set_now(stage.now().plus_seconds(HOUR));
        let now = stage.now();
        let scripts = stage.scripts.as_ref();
        let (a, b) = tokio::join!(
            first.tick(&one, scripts, now),
            second.tick(&other, scripts, now)
        );
        a.unwrap();
        b.unwrap();
    }
}

#[tokio::test]
async fn two_schedulers_fire_a_tick_once() {
    let stage = Stage::new().await;
    schedule(&stage, "hourly", hours);
    two_schedulers(&stage, &Rig::default(), 12).await;
    assert_eq!(fired(&stage, "hourly").await, 12);

    // The control: without the key of the tick, each fires its own.
    let stage = Stage::new().await;
    schedule(&stage, "hourly", hours);
    let rig = Rig {
        without: ["fire"].into(),
        ..Rig::default()
    };
    two_schedulers(&stage, &rig, 12).await;
    // Whoever comes late to the first tick reads that it has fired; that is the only one they read of.
    let fired = fired(&stage, "hourly").await;
    assert!(
        (23..=24).contains(&fired),
        "the guard is not what keeps it at one: {fired}"
    );
}

#[tokio::test]
async fn three_days_down_are_caught_up_as_the_definition_says() {
    let stage = Stage::new().await;
    // A full hour.
    stage.set_now(
        *hours(stage.now(), stage.now().plus_seconds(HOUR))
            .last()
            .unwrap(),
    );
    schedule(&stage, "all", |last, now| {
        hours(last, now).into_iter().take(100).collect()
    });
    schedule(&stage, "last", |last, now| {
        hours(last, now)
            .into_iter()
            .next_back()
            .into_iter()
            .collect()
    });
    schedule(&stage, "skip", |last, now| {
        let on_time = |due: &Timestamp| *due >= now.plus_seconds(-60);
        hours(last, now).into_iter().filter(on_time).collect()
    });
    let runs = stage.runs();
    let tick = async |scheduler: &mut Scheduler| {
        scheduler
            .tick(&runs, stage.scripts.as_ref(), stage.now())
            .await
            .unwrap();
    };
    stage.set_now(stage.now().plus_seconds(HOUR));
    tick(&mut Scheduler::default()).await;
    // Another process, three days and a half hour later.
    stage.set_now(stage.now().plus_seconds(72 * HOUR + HOUR / 2));
    let mut scheduler = Scheduler::default();
    tick(&mut scheduler).await;
    let counts = async || {
        (
            fired(&stage, "all").await,
            fired(&stage, "last").await,
            fired(&stage, "skip").await,
        )
    };
    assert_eq!(counts().await, (1 + 72, 1 + 1, 1));
    // From then on all are on time again.
    stage.set_now(stage.now().plus_seconds(HOUR / 2));
    tick(&mut scheduler).await;
    assert_eq!(counts().await, (74, 3, 2));
}

#[tokio::test]
async fn a_clock_set_back_fires_nothing_twice() {
    let stage = Stage::new().await;
    schedule(&stage, "hourly", hours);
    let runs = stage.runs();
    let mut scheduler = Scheduler::default();
    let start = stage.now();
    for hour in [1, 2, 3] {
        scheduler
            .tick(
                &runs,
                stage.scripts.as_ref(),
                start.plus_seconds(hour * HOUR),
            )
            .await
            .unwrap();
    }
    // Two hours back, for the scheduler that was there and for one that was not.
    for hour in [1, 2, 3, 4] {
        let now = start.plus_seconds(hour * HOUR);
        scheduler
            .tick(&runs, stage.scripts.as_ref(), now)
            .await
            .unwrap();
        Scheduler::default()
            .tick(&runs, stage.scripts.as_ref(), now)
            .await
            .unwrap();
    }
    assert_eq!(fired(&stage, "hourly").await, 4);
}
