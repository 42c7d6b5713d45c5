//! The engines take turns on one PostgreSQL, and what they did is counted.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use store::embedded::{Cluster, Options as ClusterOptions};

use super::{
    Settings,
    engines::{Engine, Kind},
    sql,
};
use crate::{
    program::{Installed, Process},
    stats::Sample,
};

/// Runs a worker process works on at once, and runs that are added at once.
pub(crate) const CONCURRENCY: u32 = 16;

/// Steps of a run.
pub(crate) const STEPS: i32 = 3;

/// How long a worker is given to come up, and to fall asleep again after a run.
const SETTLING: Duration = Duration::from_millis(1_500);
const ASLEEP: Duration = Duration::from_millis(30);

/// Claims per round.
const CLAIMS: i32 = 50;

/// How long an engine may take for what it was given.
const PATIENCE: Duration = Duration::from_mins(5);

/// One engine's figures, a number per round.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    /// Runs added in a second, each in a commit of its own.
    pub(crate) enqueued: Vec<f64>,
    /// Runs done in a second, by number of worker processes.
    pub(crate) rates: Vec<(u32, Vec<f64>)>,
    /// How soon an idle worker begins, in milliseconds.
    pub(crate) wake: Latency,
    /// The same with many other runs waiting.
    pub(crate) wake_beside: Latency,
    /// How long a claim takes with many other runs waiting, in milliseconds.
    pub(crate) claim: Latency,
}

/// Percentiles, a number per round.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) p50: Vec<f64>,
    pub(crate) p95: Vec<f64>,
}

impl Latency {
    fn add(&mut self, times: Vec<Duration>) {
        let sample = Sample::new(times, Duration::ZERO);
        self.p50.push(sample.percentile(0.5));
        self.p95.push(sample.percentile(0.95));
    }
}

/// Everything the contest brought.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) figures: Vec<Figures>,
    pub(crate) postgres: String,
}

/// Lets all engines take turns.
pub(crate) fn hold(
    installed: &Installed,
    peers: &Path,
    scratch: &Path,
    kinds: &[Kind],
    settings: &Settings,
) -> Result<Outcome> {
    let cluster = Cluster::open(&ClusterOptions::new(&installed.data_dir), &|_| {})?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let mut contestants = Vec::new();
        for kind in kinds {
            let name = kind.database();
            sql::create(&cluster.url("postgres"), &name).await?;
            let engine = Engine::prepare(*kind, installed, peers, scratch, cluster.url(&name));
            contestants.push(Contestant::new(engine.await?, settings));
        }
        let (postgres, is_durable) = contestants[0].engine.database.server().await?;
        ensure!(
            is_durable,
            "this server forgets commits in a power cut: it measures nothing"
        );
        take_turns(&mut contestants, settings).await?;
        beside_waiting(&mut contestants, settings).await?;
        let figures = contestants.into_iter().map(|c| c.figures).collect();
        Ok(Outcome { figures, postgres })
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    cluster.close()?;
    outcome
}

async fn take_turns(contestants: &mut [Contestant<'_>], settings: &Settings) -> Result<()> {
    for round in 0..settings.rounds {
        eprintln!("round {} of {}", round + 1, settings.rounds);
        // Another one is first each time.
        contestants.rotate_left(usize::from(round > 0));
        for contestant in contestants.iter_mut() {
            let name = format!("{:?}", contestant.engine.kind);
            contestant.turn(settings).await.context(name)?;
        }
    }
    contestants.sort_by_key(|c| Kind::ALL.iter().position(|kind| *kind == c.engine.kind));
    Ok(())
}

/// How the engines do while very many runs wait for another day.
async fn beside_waiting(contestants: &mut [Contestant<'_>], settings: &Settings) -> Result<()> {
    for contestant in contestants.iter_mut() {
        eprintln!(
            "{:?} beside {} that wait",
            contestant.engine.kind, settings.waiting
        );
        let engine = &contestant.engine;
        engine.database.empty().await?;
        engine.wait(settings.waiting).await?;
        engine.database.settle().await?;
    }
    for _ in 0..settings.rounds {
        for contestant in contestants.iter_mut() {
            let engine = &contestant.engine;
            if let Some(times) = engine.claims(CLAIMS).await? {
                contestant.figures.claim.add(times);
            }
            let workers = start(engine, 1).await?;
            let before = engine.database.wake_ups().await?.len();
            engine.wake(settings.wakes, ASLEEP).await?;
            let times = woken(engine, before, settings.wakes).await?;
            contestant.figures.wake_beside.add(times);
            drop(workers);
        }
        contestants.rotate_left(1);
    }
    contestants.sort_by_key(|c| Kind::ALL.iter().position(|kind| *kind == c.engine.kind));
    Ok(())
}

struct Contestant<'a> {
    engine: Engine<'a>,
    figures: Figures,
}

impl<'a> Contestant<'a> {
    fn new(engine: Engine<'a>, settings: &Settings) -> Self {
        let rates = settings.processes.iter().map(|count| (*count, Vec::new()));
        let figures = Figures {
            kind: engine.kind,
            enqueued: Vec::new(),
            rates: rates.collect(),
            wake: Latency::default(),
            wake_beside: Latency::default(),
            claim: Latency::default(),
        };
        Self { engine, figures }
    }

    async fn turn(&mut self, settings: &Settings) -> Result<()> {
        let engine = &self.engine;
        engine.database.empty().await?;
        engine.database.settle().await?;
        let took = engine.enqueue(settings.runs).await?;
        self.figures
            .enqueued
            .push(f64::from(settings.runs) / took.as_secs_f64());
        for (processes, rates) in &mut self.figures.rates {
            engine.database.empty().await?;
            let mut workers = start(engine, *processes).await?;
            rates.push(drain(engine, &mut workers, settings.runs).await?);
            if *processes == 1 {
                engine.database.empty().await?;
                engine.wake(settings.wakes, ASLEEP).await?;
                self.figures
                    .wake
                    .add(woken(engine, 0, settings.wakes).await?);
            }
        }
        Ok(())
    }
}

/// Starts workers and lets them do something, so that they are connected and have prepared what they ask.
async fn start(engine: &Engine<'_>, processes: u32) -> Result<Vec<Process>> {
    let mut workers = Vec::new();
    for number in 0..processes {
        workers.push(engine.worker(number)?);
    }
    tokio::time::sleep(SETTLING).await;
    let before = engine.database.finished().await?;
    let count = 64 * i32::try_from(processes)?;
    engine.batch(count).await?;
    finished(engine, &mut workers, before + i64::from(count)).await?;
    tokio::time::sleep(SETTLING).await;
    Ok(workers)
}

/// Gives the workers many runs at once; how many they did in a second. Fails unless each step was done exactly once.
async fn drain(engine: &Engine<'_>, workers: &mut [Process], runs: i32) -> Result<f64> {
    engine.database.empty().await?;
    engine.batch(runs).await?;
    finished(engine, workers, i64::from(runs)).await?;
    let done = engine.database.done().await?;
    let expected = i64::from(runs * STEPS);
    ensure!(
        (done.effects, done.steps) == (expected, expected),
        "of {expected} steps {} were done, some of them again: {} effects",
        done.steps,
        done.effects
    );
    Ok(f64::from(runs) / done.seconds)
}

/// Waits until so many runs are through.
async fn finished(engine: &Engine<'_>, workers: &mut [Process], runs: i64) -> Result<()> {
    let started = Instant::now();
    let mut looked_at = started;
    while engine.database.finished().await? < runs {
        for worker in &mut *workers {
            worker.check()?;
        }
        if looked_at.elapsed() > Duration::from_secs(5) {
            untroubled(engine).await?;
            looked_at = Instant::now();
        }
        ensure!(started.elapsed() < PATIENCE, "runs were not done in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    untroubled(engine).await
}

/// Nothing may go wrong: what is tried again is measured twice.
async fn untroubled(engine: &Engine<'_>) -> Result<()> {
    let troubled = engine.database.troubled().await?;
    ensure!(troubled == 0, "{troubled} runs failed or were tried again");
    Ok(())
}

/// How soon each of the runs began that were started one by one.
async fn woken(engine: &Engine<'_>, before: usize, runs: i32) -> Result<Vec<Duration>> {
    let started = Instant::now();
    let expected = before + usize::try_from(runs)?;
    loop {
        let times = engine.database.wake_ups().await?;
        if times.len() >= expected {
            let times = times.into_iter().skip(before);
            return Ok(times
                .map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)))
                .collect());
        }
        ensure!(started.elapsed() < PATIENCE, "runs did not begin in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
