//! The steps, each with the contract of its kind.
//!
//! Parts of a step that are written down on their own have paths with a `#` (`ask#approval`), which no definition can
//! name.

use domain::{Checkpoint, Cx, Timestamp, context::Mode, fault::Failure};
use operations::{
    Effect, Entry, catalog,
    conversations::AGENT_PREFIX,
    workflows::{Action, Awaited, Step, StepError},
};
use serde_json::{Value, json};
use store::runs::{Awaited as StoredAwaited, NewRun, Settled, StepRecord};
use uuid::Uuid;

use crate::{
    definitions::Called,
    engine::{Execution, Halt, Stepped, step_error},
    http::Call,
};

impl Execution<'_> {
    /// Does a step.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<Stepped, Halt> {
        self.engine.cross("step.before").await;
        let path = step.path.as_str();
        match &step.action {
            Action::Operation { name, input } => self.operation(path, name, input).await,
            Action::Wait { until, changes } => {
                self.wait(path, "wait", &stored(changes), *until).await
            }
            Action::Approve {
                title,
                show,
                expires_at,
            } => self.approve(path, title, show, *expires_at).await,
            Action::Http { method, url, body } => self.http(path, method, url, body.as_ref()).await,
            Action::Call { workflow, params } => self.call(path, workflow, params).await,
            Action::Emit { name, payload } => {
                let checkpoint = self.checkpoint(path, "emit", payload);
                let cx = self.cx().with_checkpoint(checkpoint);
                let told = self.engine.runs.emit(&cx, name, payload).await?;
                Ok(Stepped::Done(told))
            }
            Action::Keep { value } => self.record(path, "keep", &Value::Null, value.clone()).await,
            Action::Agent {
                agent,
                input,
                output,
                budget_micro_usd,
            } => {
                let workflow = format!("{AGENT_PREFIX}{agent}");
                let task =
                    json!({"input": input, "output": output, "budget_micro_usd": budget_micro_usd});
                self.call(path, &workflow, &task).await
            }
            Action::Perform { task } => {
                let (cx, run) = (self.cx(), self.run);
                match self.engine.agents.perform(&cx, run, path, task).await {
                    Ok(answer) => self.record(path, "perform", &Value::Null, answer).await,
                    Err(error) => Ok(Stepped::Failed(error)),
                }
            }
            Action::Propose { name, input } => match catalog::find(name) {
                Some(entry) => self.operation_with_approval(path, entry, input, true).await,
                None => Ok(failed(
                    "operation_not_found",
                    &format!("There is no operation {name:?}."),
                )),
            },
        }
    }

    /// An operation. Reads are done and written down; writes commit together with the step.
    async fn operation(&mut self, path: &str, name: &str, input: &Value) -> Result<Stepped, Halt> {
        let Some(entry) = catalog::find(name) else {
            let message = format!("There is no operation {name:?}.");
            return Ok(failed("operation_not_found", &message));
        };
        if entry.effect == Effect::Read {
            let cx = self.cx().in_mode(Mode::ReadOnly);
            return match entry.run(&self.engine.app, &cx, input.clone(), None).await {
                Ok(answer) => self.record(path, "operation", input, answer).await,
                Err(failure) => refused(&failure),
            };
        }
        if self.engine.approvals.may_ask(name) {
            return self
                .operation_with_approval(path, entry, input, false)
                .await;
        }
        match self.write(path, entry, input, None).await? {
            Ok(answer) => Ok(Stepped::Done(answer)),
            Err(failure) => refused(&failure),
        }
    }

    /// Runs a writing operation as a step: its rows, its changes and the step are one transaction.
    pub(crate) async fn write(
        &self,
        path: &str,
        entry: &Entry,
        input: &Value,
        confirmed: Option<[u8; 32]>,
    ) -> Result<Result<Value, Failure>, Halt> {
        let checkpoint = self.checkpoint(path, "operation", input);
        let mut cx = self.cx();
        cx.confirmed = confirmed;
        if !self.engine.lacks("checkpoint") {
            cx = cx.with_checkpoint(checkpoint.clone());
        }
        let answer = match entry.run(&self.engine.app, &cx, input.clone(), None).await {
            Err(failure) if matches!(failure.code, "fenced" | "cancelled") => {
                return Err(Halt::Fenced);
            }
            Err(failure) => return Ok(Err(failure)),
            Ok(answer) => answer,
        };
        if !checkpoint.is_written() {
            // It found everything as it should be and wrote nothing, so there was nothing to commit the step with.
            let cx = self.cx().with_checkpoint(checkpoint);
            self.engine.runs.record(&cx, &answer).await?;
        }
        Ok(Ok(answer))
    }

    /// A call to the outside: written down as begun, made, written down as done. A worker that finds it begun makes it
    /// again, under the same key.
    async fn http(
        &mut self,
        path: &str,
        method: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Stepped, Halt> {
        let cx = self.cx();
        let call = Call {
            method,
            url,
            body,
            key: format!("{}:{path}", self.run.lease.run_id),
            now: cx.now,
        };
        if let Err(error) = self.engine.http.check(&call) {
            return Ok(Stepped::Failed(error));
        }
        let input = json!({"method": method, "url": url});
        let checkpoint = self.checkpoint(path, "http", &input);
        self.engine.runs.begin(&cx, &checkpoint).await?;
        match self.engine.http.call(&call).await {
            Ok(answer) => self.record(path, "http", &input, answer).await,
            Err(error) => Ok(Stepped::Failed(error)),
        }
    }

    /// Starts another workflow's run, once, and waits for its end.
    async fn call(&mut self, path: &str, workflow: &str, params: &Value) -> Result<Stepped, Halt> {
        let (begin, end) = (format!("{path}#run"), format!("{path}#end"));
        let run_id = if let Some(begun) = self.done(&begin) {
            begun["run"].as_str().and_then(|id| id.parse().ok())
        } else {
            let called = if let Some(agent) = workflow.strip_prefix(AGENT_PREFIX) {
                Called::agent(agent)
            } else {
                let organization = self.run.lease.organization_id;
                match self.engine.definitions.called(organization, workflow).await {
                    Ok(called) => called,
                    Err(error) => return Ok(Stepped::Failed(error)),
                }
            };
            let checkpoint = self.checkpoint(&begin, "call", params);
            let cx = self.cx().with_checkpoint(checkpoint);
            let new = self.called(&cx, path, workflow, called, params);
            Some(self.engine.runs.start_from(&cx, &new).await?)
        };
        let Some(run_id) = run_id else {
            return Ok(failed(
                "run_lost",
                "The run that was called cannot be found.",
            ));
        };
        let awaited = [StoredAwaited {
            kind: "workflow_run.finished".to_owned(),
            about: Some(Uuid::from(run_id)),
        }];
        if self.wait_once(&end, "wait", &awaited, None).await? == Settled::Sleeping {
            return Ok(Stepped::Sleeping);
        }
        let (status, output) = self.engine.runs.outcome_of(&self.cx(), run_id).await?;
        if status == "done" || status == "skipped" {
            self.record(path, "call", params, output).await
        } else {
            let message = format!("The run of {workflow:?} that was called ended as {status}.");
            Ok(failed("call_failed", &message))
        }
    }

    fn called(
        &self,
        cx: &Cx,
        path: &str,
        workflow: &str,
        called: Called,
        params: &Value,
    ) -> NewRun {
        NewRun {
            organization_id: cx.organization_id,
            id: cx.new_id(),
            workflow: workflow.to_owned(),
            version: called.version,
            definition: None,
            title: called.title,
            idempotency_key: Some(format!("{}:{path}", self.run.lease.run_id)),
            concurrency: None,
            trigger: json!({"kind": "call", "run": self.run.lease.run_id}),
            params: params.clone(),
            wake_at: cx.now,
            parent: Some((self.run.lease.run_id, path.to_owned())),
            on_behalf_of: self.run.on_behalf_of,
            since: None,
            created_at: cx.now,
        }
    }

    async fn wait(
        &mut self,
        path: &str,
        kind: &'static str,
        awaited: &[StoredAwaited],
        until: Option<Timestamp>,
    ) -> Result<Stepped, Halt> {
        Ok(match self.wait_once(path, kind, awaited, until).await? {
            Settled::Answered(answer) => Stepped::Done(answer),
            Settled::Sleeping => Stepped::Sleeping,
        })
    }

    /// Waits, writing down what for unless that is done. A wait that was answered keeps its answer.
    pub(crate) async fn wait_once(
        &mut self,
        path: &str,
        kind: &'static str,
        awaited: &[StoredAwaited],
        until: Option<Timestamp>,
    ) -> Result<Settled, Halt> {
        if let Some(answer) = self.done(path) {
            return Ok(Settled::Answered(answer));
        }
        let runs = &self.engine.runs;
        if !self.steps.contains_key(path) {
            let changes: Vec<Value> = awaited
                .iter()
                .map(|a| json!({"kind": a.kind, "about": a.about}))
                .collect();
            let input = json!({"until": until, "changes": changes});
            let checkpoint = self.checkpoint(path, kind, &input);
            runs.register_wait(&self.cx(), &checkpoint, awaited, until)
                .await?;
            self.steps.insert(path.to_owned(), StepRecord::Started);
        }
        let settled = runs.settle_wait(&self.cx(), &self.run.lease, path).await?;
        if let Settled::Answered(answer) = &settled {
            let record = StepRecord::Done(answer.clone());
            self.steps.insert(path.to_owned(), record);
        }
        Ok(settled)
    }

    /// Writes down what a step answered.
    pub(crate) async fn record(
        &self,
        path: &str,
        kind: &'static str,
        input: &Value,
        answer: Value,
    ) -> Result<Stepped, Halt> {
        let cx = self
            .cx()
            .with_checkpoint(self.checkpoint(path, kind, input));
        self.engine.runs.record(&cx, &answer).await?;
        Ok(Stepped::Done(answer))
    }

    /// The answer of a step that is done.
    pub(crate) fn done(&self, path: &str) -> Option<Value> {
        let shown = self.steps.get(&format!("{path}/shown"));
        match shown.or_else(|| self.steps.get(path)) {
            Some(StepRecord::Done(answer)) => Some(answer.clone()),
            _ => None,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        let cx = self.engine.cx(self.run, self.held);
        cx.with_permissions(self.permissions)
    }

    pub(crate) fn checkpoint(&self, path: &str, kind: &'static str, input: &Value) -> Checkpoint {
        let mut checkpoint = self.engine.checkpoint(self.run, path, kind);
        checkpoint.input = input.clone();
        checkpoint
    }
}

/// What kind of step an action is, as it is written down.
pub(crate) fn kind_of(action: &Action) -> &'static str {
    match action {
        Action::Operation { .. } | Action::Propose { .. } => "operation",
        Action::Wait { .. } => "wait",
        Action::Approve { .. } => "approve",
        Action::Http { .. } => "http",
        Action::Call { .. } => "call",
        Action::Emit { .. } => "emit",
        Action::Agent { .. } => "agent",
        Action::Perform { .. } => "perform",
        Action::Keep { .. } => "keep",
    }
}

fn stored(changes: &[Awaited]) -> Vec<StoredAwaited> {
    changes
        .iter()
        .map(|awaited| StoredAwaited {
            kind: awaited.kind.clone(),
            about: awaited.about,
        })
        .collect()
}

pub(crate) fn failed(code: &str, message: &str) -> Stepped {
    Stepped::Failed(step_error(code, message, false))
}

#[expect(clippy::unnecessary_wraps, reason = "what every step returns")]
pub(crate) fn refused(failure: &Failure) -> Result<Stepped, Halt> {
    Ok(Stepped::Failed(error_of(failure)))
}

/// Whether another try may help: when something was away or in the way, not when the world says no.
pub(crate) fn error_of(failure: &Failure) -> StepError {
    use domain::FaultKind::{Internal, Limited, Unavailable};
    let in_the_way = matches!(failure.code, "contended" | "already_done");
    let passing = matches!(failure.kind, Internal | Limited | Unavailable);
    step_error(failure.code, &failure.message, in_the_way || passing)
}
