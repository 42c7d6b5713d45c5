//! Jobs: one operation in the background, with the engine's retries. A job is a run of one step.

use domain::{Cx, Permissions, Timestamp};
use operations::{
    permission::needed_by_step,
    workflows::{Action, End, Next, Program, Retry, Step, StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::runs::NewRun;

/// What `workflow` begins with.
pub(crate) const PREFIX: &str = "job:";

/// The run that does one operation in the background.
pub fn job(cx: &Cx, operation: &str, input: Value, key: Option<String>, retry: Retry) -> NewRun {
    let job = Job {
        operation: operation.to_owned(),
        input,
        retry,
    };
    NewRun {
        organization_id: cx.organization_id,
        id: cx.new_id(),
        workflow: format!("{PREFIX}{operation}"),
        version: 1,
        definition: Some(serde_json::to_value(job).expect("a job is plain data")),
        title: operation.replace('_', " "),
        idempotency_key: key,
        concurrency: None,
        trigger: json!({"kind": "job"}),
        params: json!({}),
        wake_at: cx.now,
        parent: None,
        on_behalf_of: cx.actor.user_id(),
        since: None,
        created_at: cx.now,
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    operation: String,
    input: Value,
    #[serde(default)]
    retry: Retry,
}

/// The program of a job.
pub(crate) struct JobProgram {
    job: Job,
    outcome: Option<Result<Value, StepError>>,
}

impl JobProgram {
    pub(crate) fn read(definition: Option<&Value>) -> Result<Self, StepError> {
        let job = serde_json::from_value(definition.cloned().unwrap_or_default());
        let job = job.map_err(|error| StepError {
            code: "job_malformed".to_owned(),
            message: format!("The job cannot be read: {error}."),
            is_transient: false,
        })?;
        Ok(Self { job, outcome: None })
    }
}

impl Program for JobProgram {
    fn record(&mut self, _: &str, output: Value) {
        self.outcome = Some(Ok(output));
    }

    fn record_failure(&mut self, _: &str, error: &StepError) {
        self.outcome = Some(Err(error.clone()));
    }

    fn needs(&self) -> Permissions {
        needed_by_step(&self.job.operation)
    }

    fn next(&self, _: Timestamp) -> Result<Next, StepError> {
        Ok(match &self.outcome {
            Some(Ok(output)) => Next::End(End::Done(output.clone())),
            Some(Err(error)) => Next::End(End::Failed(error.clone())),
            None => Next::Do(Step {
                path: "job".to_owned(),
                action: Action::Operation {
                    name: self.job.operation.clone(),
                    input: self.job.input.clone(),
                },
                retry: self.job.retry,
            }),
        })
    }
}
