//! Jobs: one operation in the background, with the engine's retries. A job is a run of one step.

use domain::{Permissions, Timestamp};
use operations::{
    jobs::Job,
    permission::needed_by_step,
    workflows::{Action, End, Next, Program, Retry, Step, StepError},
};
use serde_json::Value;

pub(crate) use operations::jobs::PREFIX;

/// The program of a job.
pub(crate) struct JobProgram {
    job: Job,
    retry: Retry,
    outcome: Option<Result<Value, StepError>>,
}

impl JobProgram {
    pub(crate) fn read(definition: Option<&Value>) -> Result<Self, StepError> {
        let malformed = |error: serde_json::Error| StepError {
            code: "job_malformed".to_owned(),
            message: format!("The job cannot be read: {error}."),
            is_transient: false,
        };
        let job = serde_json::from_value(definition.cloned().unwrap_or_default());
        let job: Job = job.map_err(malformed)?;
        let retry = match &job.retry {
            Value::Null => Retry::default(),
            retry => serde_json::from_value(retry.clone()).map_err(malformed)?,
        };
        Ok(Self {
            job,
            retry,
            outcome: None,
        })
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
                retry: self.retry,
            }),
        })
    }
}
