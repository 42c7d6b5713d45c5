//! One run, from the claim to where it can go no further now: done, asleep, put off, or another's.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Actor, Checkpoint, Cx, Permissions, context::Entropy};
use futures_util::FutureExt as _;
use operations::{
    App,
    conversations::AGENT_PREFIX,
    workflows::{End, Next, Program, Retry, Step, StepError},
};
use serde_json::{Value, json};
use store::{
    Store, StoreError,
    runs::{Outcome, Run, Runs, StepRecord},
};
use tokio_util::sync::CancellationToken;

use crate::{
    agent::AgentRunner,
    approvals::Approvals,
    definitions::Definitions,
    http::Caller,
    job::{JobProgram, PREFIX},
    retry,
    steps::kind_of,
    worker::Clock,
};

/// How often a lease on a run may run out before the run is given up: it may be what kills the workers.
const TAKEOVERS: i32 = 20;

/// What workers execute runs with.
pub(crate) struct Engine {
    pub(crate) app: App,
    pub(crate) store: Store,
    pub(crate) runs: Runs,
    pub(crate) definitions: Arc<dyn Definitions>,
    pub(crate) agents: Arc<dyn AgentRunner>,
    pub(crate) approvals: Arc<dyn Approvals>,
    pub(crate) http: Caller,
    pub(crate) clock: Clock,
}

/// What a worker knows of a run it holds.
#[derive(Clone)]
pub(crate) struct Held {
    /// Set when the lease is lost: nothing more may be begun.
    pub(crate) lost: Arc<AtomicBool>,
    /// Cancelled when the worker stops: the run is given back between two steps.
    pub(crate) stop: CancellationToken,
}

/// Why a run is left alone in the middle.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Another worker holds it, or somebody stopped it. It is none of ours.
    Fenced,
    /// The database failed the engine's own bookkeeping.
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced | StoreError::Cancelled => Self::Fenced,
            other => Self::Store(other),
        }
    }
}

/// What came of a step.
pub(crate) enum Stepped {
    /// Done and written down.
    Done(Value),
    /// The run sleeps; the lease is given up.
    Sleeping,
    /// It did not work. Nothing is written down yet.
    Failed(StepError),
}

/// A run in the middle of being executed.
pub(crate) struct Execution<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) run: &'a Run,
    pub(crate) held: &'a Held,
    /// What its steps may do.
    pub(crate) permissions: Permissions,
    /// Everything written down about its steps, by path.
    pub(crate) steps: BTreeMap<String, StepRecord>,
}

impl Engine {
    /// Executes a run as far as it goes. Whatever happens, the run ends up with somebody who will go on with it.
    pub(crate) async fn execute(&self, run: Run, held: Held) {
        let at = Mutex::new((String::new(), Retry::default()));
        let driven = AssertUnwindSafe(self.drive(&run, &held, &at))
            .catch_unwind()
            .await;
        let halt = match driven {
            Ok(Ok(())) => return,
            Ok(Err(halt)) => halt,
            Err(_) => {
                let (path, retry) = at.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tracing::error!(run.id = %run.lease.run_id, path, "A step panicked");
                let error = step_error("panicked", "The step broke in a way nobody foresaw.", true);
                match self.put_off(&run, &held, &path, retry, &error).await {
                    Ok(()) => return,
                    Err(halt) => halt,
                }
            }
        };
        let (path, retry) = at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match halt {
            Halt::Fenced => {
                tracing::debug!(run.id = %run.lease.run_id, "The run went to somebody else");
            }
            // A row the database refuses will be refused again: that counts as a try, or it would go on for ever.
            Halt::Store(StoreError::Internal(error)) => {
                tracing::error!(run.id = %run.lease.run_id, path, %error, "A step could not be written down");
                let error = step_error(
                    "not_written",
                    "The step's answer could not be written down.",
                    true,
                );
                if let Err(halt) = self.put_off(&run, &held, &path, retry, &error).await {
                    tracing::error!(run.id = %run.lease.run_id, ?halt, "The run waits for its lease to run out");
                }
            }
            Halt::Store(error) => {
                tracing::warn!(run.id = %run.lease.run_id, path, %error, "The run is given back");
                self.give_back(&run, &held).await;
            }
        }
    }

    async fn drive(&self, run: &Run, held: &Held, at: &Mutex<(String, Retry)>) -> Result<(), Halt> {
        if run.takeovers > TAKEOVERS {
            let error = step_error("keeps_crashing", "Workers keep dying over this run.", false);
            return self.finish(run, held, End::Failed(error)).await;
        }
        let program = if run.workflow.starts_with(PREFIX) {
            JobProgram::read(run.definition.as_ref()).map(|job| Box::new(job) as Box<dyn Program>)
        } else if run.workflow.starts_with(AGENT_PREFIX) {
            self.agents.program(run).await
        } else {
            self.definitions.program(run).await
        };
        let mut program = match program {
            Ok(program) => program,
            Err(error) => return self.put_off(run, held, "", Retry::default(), &error).await,
        };
        // Steps are written under a lease, so under the first there are none to read.
        let steps = if run.lease.epoch == 1 {
            BTreeMap::new()
        } else {
            self.runs.steps(&self.cx(run, held), &run.lease).await?
        };
        for (path, record) in steps.iter().filter(|(path, _)| !path.contains('#')) {
            match record {
                StepRecord::Done(output) => program.record(path, output.clone()),
                StepRecord::Failed(error) => program.record_failure(path, &read_error(error)),
                StepRecord::Started => {}
            }
        }
        let mut execution = Execution {
            engine: self,
            run,
            held,
            permissions: program.needs(),
            steps,
        };
        loop {
            if held.lost.load(Ordering::Acquire) {
                return Err(Halt::Fenced);
            }
            if held.stop.is_cancelled() {
                return Ok(self.runs.release(&self.cx(run, held), &run.lease).await?);
            }
            let step = match program.next((self.clock)()) {
                Ok(Next::Do(step)) => step,
                Ok(Next::End(end)) => return self.finish(run, held, end).await,
                Err(error) => return self.finish(run, held, End::Failed(error)).await,
            };
            *at.lock().unwrap_or_else(PoisonError::into_inner) = (step.path.clone(), step.retry);
            if !self
                .advance(&mut execution, program.as_mut(), &step)
                .await?
            {
                return Ok(());
            }
        }
    }

    /// Does one step and tells the program; false when the run goes no further now.
    async fn advance(
        &self,
        execution: &mut Execution<'_>,
        program: &mut dyn Program,
        step: &Step,
    ) -> Result<bool, Halt> {
        let (run, held) = (execution.run, execution.held);
        if let Some(error) = not_a_step(execution, step) {
            self.finish(run, held, End::Failed(error)).await?;
            return Ok(false);
        }
        match execution.step(step).await? {
            Stepped::Sleeping => Ok(false),
            Stepped::Done(output) => {
                let record = StepRecord::Done(output.clone());
                execution.steps.insert(step.path.clone(), record);
                program.record(&step.path, output);
                Ok(true)
            }
            Stepped::Failed(error) => {
                let tries = tries_of(run, &step.path) + 1;
                if error.is_transient && tries < step.retry.tries {
                    self.put_off(run, held, &step.path, step.retry, &error)
                        .await?;
                    return Ok(false);
                }
                let json = serde_json::to_value(&error).expect("an error is plain data");
                let checkpoint = self.checkpoint(run, &step.path, kind_of(&step.action));
                let cx = self.cx(run, held);
                self.runs.give_up(&cx, &checkpoint, &json).await?;
                execution
                    .steps
                    .insert(step.path.clone(), StepRecord::Failed(json));
                program.record_failure(&step.path, &error);
                Ok(true)
            }
        }
    }

    /// Puts the run off until the step's next try, or gives it up after the last.
    async fn put_off(
        &self,
        run: &Run,
        held: &Held,
        path: &str,
        retry: Retry,
        error: &StepError,
    ) -> Result<(), Halt> {
        let tries = tries_of(run, path) + 1;
        if !error.is_transient || tries >= retry.tries {
            return self.finish(run, held, End::Failed(error.clone())).await;
        }
        let pause = retry::delay(retry, tries, run.lease.run_id, path);
        let cx = self.cx(run, held);
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        let wake_at =
            domain::Timestamp::from_microseconds(cx.now.as_microseconds().saturating_add(pause));
        let error = json!({"path": path, "code": error.code, "message": error.message});
        let tries = i32::try_from(tries).unwrap_or(i32::MAX);
        Ok(self
            .runs
            .retry_later(&cx, &run.lease, wake_at, tries, &error)
            .await?)
    }

    async fn finish(&self, run: &Run, held: &Held, end: End) -> Result<(), Halt> {
        let outcome = match end {
            End::Done(output) => Outcome::Done(output),
            End::Skipped(why) => Outcome::Skipped(json!({"code": "skipped", "message": why})),
            End::Failed(error) => {
                tracing::warn!(run.id = %run.lease.run_id, run.workflow, error.code, "A run gave up");
                Outcome::Dead(serde_json::to_value(error).expect("an error is plain data"))
            }
        };
        Ok(self.runs.finish(&self.cx(run, held), run, &outcome).await?)
    }

    /// Gives a run back, for as long as the database may need to come back itself; after that the lease has run out.
    async fn give_back(&self, run: &Run, held: &Held) {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            match self.runs.release(&self.cx(run, held), &run.lease).await {
                Err(
                    StoreError::Unavailable(_) | StoreError::Contended(_) | StoreError::TooSlow(_),
                ) => {}
                _ => return,
            }
        }
    }

    /// The context of a run at this moment, for the engine's own writing.
    pub(crate) fn cx(&self, run: &Run, held: &Held) -> Cx {
        let actor = Actor::Workflow {
            run_id: run.lease.run_id,
            workflow: run.workflow.clone(),
            user_id: run.on_behalf_of,
        };
        let permissions = Permissions::NONE;
        let now = (self.clock)();
        let lost = Arc::clone(&held.lost);
        let mut cx = Cx::at(
            run.lease.organization_id,
            actor,
            permissions,
            now,
            Entropy::System,
        )
        .with_cancel(move || lost.load(Ordering::Acquire));
        cx.operation = "workflow";
        cx
    }

    /// A context of an organization, for what belongs to no step.
    pub(crate) fn bare_cx(&self, organization: domain::OrganizationId) -> Cx {
        let actor = Actor::System {
            reason: "workflows",
        };
        let permissions = Permissions::NONE;
        Cx::at(
            organization,
            actor,
            permissions,
            (self.clock)(),
            Entropy::System,
        )
    }

    pub(crate) fn checkpoint(&self, run: &Run, path: &str, kind: &'static str) -> Checkpoint {
        let now = (self.clock)();
        let mut checkpoint = Checkpoint::new(run.lease.run_id, run.lease.epoch, path, now);
        checkpoint.kind = kind;
        checkpoint.tries = i32::try_from(tries_of(run, path) + 1).unwrap_or(i32::MAX);
        checkpoint
    }

    /// Passes a place where a test may stop.
    #[cfg(feature = "testing")]
    pub(crate) async fn cross(&self, place: &'static str) {
        self.store.rig().cross(place).await;
    }

    /// Passes a place where a test may stop.
    #[cfg(not(feature = "testing"))]
    #[expect(
        clippy::unused_async,
        clippy::unused_self,
        reason = "the same shape as with the feature"
    )]
    pub(crate) async fn cross(&self, _place: &'static str) {}

    /// Whether a test has taken a guard away.
    #[cfg(feature = "testing")]
    pub(crate) fn lacks(&self, guard: &str) -> bool {
        self.store.rig().lacks(guard)
    }

    /// Whether a test has taken a guard away.
    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "the same shape as with the feature")]
    pub(crate) fn lacks(&self, _guard: &str) -> bool {
        false
    }
}

/// How often a step has been tried so far.
fn tries_of(run: &Run, path: &str) -> u32 {
    let failed = run.error.as_ref().and_then(|error| error["path"].as_str());
    // Sub-steps count with the step they belong to.
    let step = path.split('#').next().unwrap_or(path);
    if failed == Some(step) {
        u32::try_from(run.tries).unwrap_or(0)
    } else {
        0
    }
}

/// A defect of the program: it asks for what is done already, or names a step in a way that cannot be kept.
fn not_a_step(execution: &Execution<'_>, step: &Step) -> Option<StepError> {
    let recorded = execution.steps.get(&step.path);
    if matches!(recorded, Some(StepRecord::Done(_) | StepRecord::Failed(_))) {
        let message = format!("The step {:?} was asked for twice.", step.path);
        return Some(step_error("step_repeated", &message, false));
    }
    let length = step.path.chars().count();
    if !(1..=200).contains(&length) || step.path.contains('#') {
        let message = format!("{:?} cannot name a step.", step.path);
        return Some(step_error("step_name", &message, false));
    }
    None
}

pub(crate) fn step_error(code: &str, message: &str, is_transient: bool) -> StepError {
    StepError {
        code: code.to_owned(),
        message: message.to_owned(),
        is_transient,
    }
}

fn read_error(error: &Value) -> StepError {
    serde_json::from_value(error.clone())
        .unwrap_or_else(|_| step_error("unknown", "The step failed.", false))
}
