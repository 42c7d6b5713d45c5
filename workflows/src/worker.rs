//! A worker: takes up what is due, holds it while it works, and gives it back when it stops. Any number of them may
//! work on one database.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{Timestamp, WorkflowRunId};
use operations::{App, approvals, holds, orders::payments as orders, workflows::StepError};
use store::{
    Ear, Store,
    runs::{Claim, Lease, Run},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    agent::{AgentRunner, NoAgents},
    approvals::{Approvals, CatalogApprovals},
    definitions::Definitions,
    dispatcher::{self, Looked},
    engine::{Engine, Held},
    http::{self, Caller},
    scheduler::Scheduler,
};

/// The clock of the product. Leases do not go by it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a worker works.
#[derive(Clone)]
pub struct Options {
    /// What it calls itself in the rows it holds.
    pub name: String,
    /// How many runs it works on at once.
    pub concurrency: u32,
    /// How many runs of one organization all workers together work on at once.
    pub per_organization: u32,
    /// For how long a run stays with a worker that is not heard of.
    pub lease: Duration,
    /// How often it looks for work, whether it was woken or not.
    pub poll: Duration,
    /// Whether others' notifications wake it in between.
    pub is_woken: bool,
    /// Whether it also turns changes and time into runs.
    pub is_dispatching: bool,
    /// How often it ends the questions that nobody has decided, and the holds that nobody has ordered, in time.
    pub expiring: Duration,
    /// How long running steps may take to end when it is told to stop.
    pub grace: Duration,
    /// Where steps may call.
    pub http: http::Options,
    /// What time it is.
    pub clock: Clock,
}

impl Options {
    /// What suits one process beside a server.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            concurrency: 16,
            per_organization: 64,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            is_woken: true,
            is_dispatching: true,
            expiring: Duration::from_mins(1),
            grace: Duration::from_secs(10),
            http: http::Options::default(),
            clock: Arc::new(Timestamp::now),
        }
    }
}

/// A worker.
pub struct Worker {
    engine: Engine,
    options: Options,
}

/// How long a busy worker gathers news before it claims again: a claim costs the same for one run as for many.
const GATHER: Duration = Duration::from_millis(5);

type Holding = Arc<Mutex<HashMap<WorkflowRunId, (Lease, Arc<AtomicBool>)>>>;

impl Worker {
    /// A worker on a database. Its `app` should have no rate limit: every run counts as a caller of its own.
    pub fn new(
        app: App,
        store: Store,
        definitions: Arc<dyn Definitions>,
        options: Options,
    ) -> Result<Self, StepError> {
        let engine = Engine {
            app,
            runs: store.runs(),
            store,
            definitions,
            agents: Arc::new(NoAgents),
            approvals: Arc::new(CatalogApprovals),
            http: Caller::new(options.http.clone())?,
            clock: Arc::clone(&options.clock),
        };
        Ok(Self { engine, options })
    }

    /// The same worker with agents.
    #[must_use]
    pub fn with_agents(mut self, agents: Arc<dyn AgentRunner>) -> Self {
        self.engine.agents = agents;
        self
    }

    /// The same worker with another way to ask people.
    #[must_use]
    pub fn with_approvals(mut self, approvals: Arc<dyn Approvals>) -> Self {
        self.engine.approvals = approvals;
        self
    }

    /// Works until told to stop, then ends what is running or gives it back.
    pub async fn run(self, stop: CancellationToken) {
        let (options, engine) = (self.options, Arc::new(self.engine));
        tracing::info!(
            worker = options.name,
            concurrency = options.concurrency,
            "A worker is at work"
        );
        let holding = Holding::default();
        // On the heap: the loops together are large, and whoever runs a worker has futures of their own.
        let working = Box::pin(work(&engine, &options, &holding, &stop));
        let beside = Box::pin(async {
            tokio::join!(
                renew(&engine, &options, &holding),
                relay(&engine),
                listen(&engine, &options),
                dispatch(&engine, &options),
                schedule(&engine, &options),
                expire(&engine, &options),
                report(&engine),
            )
        });
        tokio::select! {
            () = working => {}
            _ = beside => {}
        }
        tracing::info!(worker = options.name, "The worker has stopped");
    }
}

/// Claims and executes.
async fn work(
    engine: &Arc<Engine>,
    options: &Options,
    holding: &Holding,
    stop: &CancellationToken,
) {
    let mut ear = engine.store.bell().ear();
    let mut running = JoinSet::new();
    // Where the round over the organizations goes on, when there is more than one look takes in.
    let mut behind = Uuid::nil();
    while !stop.is_cancelled() {
        let free = options
            .concurrency
            .saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
        let mut is_full = free == 0;
        let claimed_at = tokio::time::Instant::now();
        if free > 0 {
            let claimed = claim(engine, options, free, behind).await;
            let organizations = claimed
                .iter()
                .map(|run| Uuid::from(run.lease.organization_id));
            behind = organizations
                .filter(|id| *id > behind)
                .max()
                .unwrap_or_default();
            is_full = claimed.len() == free as usize;
            for run in claimed {
                start(engine, holding, stop, &mut running, run);
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = made_room(&mut running, options.concurrency / 4), if is_full && !running.is_empty() => {}
            () = news(&mut ear, claimed_at), if !is_full => {}
            () = tokio::time::sleep(options.poll), if !is_full => {}
        }
        while running.try_join_next().is_some() {}
    }
    let ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, ended).await.is_err() {
        running.shutdown().await;
        give_back(engine, holding).await;
    }
}

/// Waits until a full worker has some room, but not long after the first run has ended.
async fn made_room(running: &mut JoinSet<()>, wanted: u32) {
    running.join_next().await;
    let more = async {
        for _ in 1..wanted {
            running.join_next().await;
        }
    };
    // Too few is all right, too.
    drop(tokio::time::timeout(GATHER, more).await);
}

/// Waits for a ring, and gathers others unless the last claim is a while ago.
async fn news(ear: &mut Ear, claimed_at: tokio::time::Instant) {
    ear.rung().await;
    tokio::time::sleep_until(claimed_at + GATHER).await;
}

async fn claim(engine: &Engine, options: &Options, free: u32, behind: Uuid) -> Vec<Run> {
    let claim = Claim {
        owner: &options.name,
        wanted: free,
        per_organization: options.per_organization,
        lease_for: options.lease,
        behind,
        now: (engine.clock)(),
    };
    match engine.runs.claim(&claim).await {
        Ok(runs) => runs,
        Err(error) => {
            tracing::warn!(%error, "Nothing could be claimed; trying again");
            Vec::new()
        }
    }
}

fn start(
    engine: &Arc<Engine>,
    holding: &Holding,
    stop: &CancellationToken,
    running: &mut JoinSet<()>,
    run: Run,
) {
    let held = Held {
        lost: Arc::default(),
        stop: stop.clone(),
    };
    let lease = run.lease;
    lock(holding).insert(lease.run_id, (lease, Arc::clone(&held.lost)));
    let (engine, holding) = (Arc::clone(engine), Arc::clone(holding));
    running.spawn(async move {
        engine.execute(run, held).await;
        let mut holding = lock(&holding);
        // It may have been claimed anew by this same worker a moment ago.
        if holding
            .get(&lease.run_id)
            .is_some_and(|(held, _)| *held == lease)
        {
            holding.remove(&lease.run_id);
        }
    });
}

fn lock(
    holding: &Holding,
) -> std::sync::MutexGuard<'_, HashMap<WorkflowRunId, (Lease, Arc<AtomicBool>)>> {
    holding.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Renews leases three times in their life; tells the executions whose lease is lost.
async fn renew(engine: &Engine, options: &Options, holding: &Holding) {
    let mut renewed_at = Instant::now();
    loop {
        tokio::time::sleep(options.lease / 3).await;
        let held: Vec<(Lease, Arc<AtomicBool>)> = lock(holding).values().cloned().collect();
        if held.is_empty() {
            renewed_at = Instant::now();
            continue;
        }
        let leases: Vec<Lease> = held.iter().map(|(lease, _)| *lease).collect();
        let asked_at = Instant::now();
        match engine
            .runs
            .renew(&options.name, &leases, options.lease)
            .await
        {
            Ok(kept) => {
                renewed_at = asked_at;
                for (lease, lost) in held.iter().filter(|(l, _)| !kept.contains(&l.run_id)) {
                    // Also true of a run that has just been finished, whose execution is over.
                    tracing::debug!(run.id = %lease.run_id, "The lease is gone");
                    lost.store(!engine.lacks("fence"), Ordering::Release);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "Leases could not be renewed");
                if renewed_at.elapsed() > options.lease {
                    for (_, lost) in &held {
                        lost.store(true, Ordering::Release);
                    }
                }
            }
        }
    }
}

/// Gives back what was broken off.
async fn give_back(engine: &Engine, holding: &Holding) {
    let held: Vec<Lease> = lock(holding).values().map(|(lease, _)| *lease).collect();
    for lease in held {
        let cx = engine.bare_cx(lease.organization_id);
        if let Err(error) = engine.runs.release(&cx, &lease).await {
            tracing::warn!(run.id = %lease.run_id, %error, "A run could not be given back");
        }
    }
}

/// Passes what happens here on to other processes.
async fn relay(engine: &Engine) {
    engine.store.relay_rings().await;
    std::future::pending::<()>().await;
}

/// Hears what happens in other processes. Silence costs a second, no more: every loop also looks by itself.
async fn listen(engine: &Engine, options: &Options) {
    if !options.is_woken {
        std::future::pending::<()>().await;
    }
    loop {
        if let Err(error) = engine.store.listen_for_rings().await {
            tracing::debug!(%error, "Not woken by others for a while");
        }
        tokio::time::sleep(options.poll).await;
    }
}

async fn dispatch(engine: &Engine, options: &Options) {
    const SOON: Duration = Duration::from_millis(10);
    if !options.is_dispatching {
        std::future::pending::<()>().await;
    }
    let mut ear = engine.store.bell().ear();
    let mut pause = SOON;
    loop {
        let now = (engine.clock)();
        match dispatcher::dispatch(&engine.runs, engine.definitions.as_ref(), now).await {
            Ok(Looked::Dispatched(dispatched)) => {
                tracing::trace!(?dispatched, "Changes were dealt with");
                // Gathers a little, so that a busy time costs some dozens of looks a second and not thousands.
                tokio::time::sleep(SOON).await;
                pause = SOON;
            }
            Ok(Looked::Soon) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(options.poll);
            }
            Ok(Looked::Nothing) => {
                pause = SOON;
                heard(&mut ear, options.poll).await;
            }
            Err(error) => {
                tracing::warn!(%error, "Changes could not be dealt with; trying again");
                tokio::time::sleep(options.poll).await;
            }
        }
    }
}

async fn heard(ear: &mut Ear, poll: Duration) {
    tokio::select! {
        () = ear.rung() => {}
        () = tokio::time::sleep(poll) => {}
    }
}

async fn schedule(engine: &Engine, options: &Options) {
    if !options.is_dispatching {
        std::future::pending::<()>().await;
    }
    let mut scheduler = Scheduler::default();
    loop {
        let now = (engine.clock)();
        let ticked = scheduler.tick(&engine.runs, engine.definitions.as_ref(), now);
        if let Err(error) = ticked.await {
            tracing::warn!(%error, "Schedules could not be looked at; trying again");
        }
        tokio::time::sleep(options.poll).await;
    }
}

/// Ends questions, holds and orders whose time is over, and takes up what was left lying. The runs that wait for a question go on by their own clock, and whoever
/// finds too few places left ends holds without waiting for this; it is for everybody else.
async fn expire(engine: &Engine, options: &Options) {
    if !options.is_dispatching {
        std::future::pending::<()>().await;
    }
    loop {
        match approvals::expire_due(&engine.app, (engine.clock)()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "Questions that nobody decided have ended"),
            Err(error) => tracing::warn!(%error, "Questions could not be ended; trying again"),
        }
        match holds::expire_due(&engine.app, (engine.clock)()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "Places that nobody ordered in time are free again"),
            Err(error) => tracing::warn!(%error, "Holds could not be ended; trying again"),
        }
        match orders::expire_due(&engine.app, (engine.clock)()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "Orders that nobody paid in time are being ended"),
            Err(error) => tracing::warn!(%error, "Orders could not be ended; trying again"),
        }
        match orders::take_notices(&engine.app, (engine.clock)()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "What was told of payments is being looked up"),
            Err(error) => tracing::warn!(%error, "What was told of payments waits; trying again"),
        }
        tokio::time::sleep(options.expiring).await;
    }
}

/// Says once a minute how the queue stands, loudly when somebody should look.
async fn report(engine: &Engine) {
    let mut dead_before = 0;
    loop {
        tokio::time::sleep(Duration::from_mins(1)).await;
        match engine.runs.health((engine.clock)()).await {
            Ok(health) if health.lag_seconds > 60.0 || health.dead > dead_before => {
                tracing::warn!(
                    due_lag_seconds = health.lag_seconds,
                    dead = health.dead,
                    running = health.running,
                    "Runs are late, or have given up and wait for a person"
                );
                dead_before = health.dead;
            }
            Ok(health) => {
                tracing::debug!(
                    due_lag_seconds = health.lag_seconds,
                    dead = health.dead,
                    running = health.running,
                    "The queue is in order"
                );
                dead_before = health.dead;
            }
            Err(error) => tracing::warn!(%error, "The queue could not be looked at"),
        }
    }
}
