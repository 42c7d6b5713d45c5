//! What people do to runs.

use domain::{Change, Subject, WorkflowRunId};
use serde::Serialize;

/// A run was started by hand.
#[derive(Debug, Serialize)]
pub struct WorkflowRunStarted {
    pub(super) run_id: WorkflowRunId,
    pub(super) workflow: String,
    pub(super) title: String,
    pub(super) version: i32,
}

impl Change for WorkflowRunStarted {
    const KIND: &'static str = "workflow_run.started";
    fn subject(&self) -> Subject {
        self.run_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Starts version {} of the workflow {:?} ({})",
            self.version, self.workflow, self.title
        )
    }
}

/// A run was paused, resumed, retried, moved or given other values.
#[derive(Debug, Serialize)]
pub struct WorkflowRunSteered {
    pub(super) run_id: WorkflowRunId,
    pub(super) workflow: String,
    pub(super) title: String,
    /// What was done: paused, resumed, retried, skipped, set, moved.
    pub(super) action: &'static str,
    /// The step or version it was about; never a value.
    pub(super) detail: String,
}

impl Change for WorkflowRunSteered {
    const KIND: &'static str = "workflow_run.steered";
    fn subject(&self) -> Subject {
        self.run_id.into()
    }
    fn summary(&self) -> String {
        let (title, detail) = (&self.title, &self.detail);
        match self.action {
            "paused" => format!("Pauses the run of {title:?}"),
            "resumed" => format!("Lets the run of {title:?} go on"),
            "retried" if detail.is_empty() => format!("Tries the run of {title:?} again"),
            "retried" => format!("Tries the run of {title:?} again from the step {detail}"),
            "skipped" => format!("Skips the step {detail} of the run of {title:?}"),
            "set" => format!("Sets {detail} in the run of {title:?}"),
            _ => format!("Moves the run of {title:?} to {detail}"),
        }
    }
}
