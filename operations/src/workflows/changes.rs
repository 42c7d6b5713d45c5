//! What can happen to a workflow.

use domain::{Change, Subject, WorkflowId};
use serde::Serialize;

/// A version of a workflow was stored.
#[derive(Debug, Serialize)]
pub struct WorkflowSaved {
    pub(super) workflow_id: WorkflowId,
    pub(super) workflow: String,
    pub(super) title: String,
    pub(super) version: i32,
}

impl Change for WorkflowSaved {
    const KIND: &'static str = "workflow.saved";
    fn subject(&self) -> Subject {
        self.workflow_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Stores version {} of the workflow {:?} ({})",
            self.version, self.workflow, self.title
        )
    }
}

/// A workflow starts by itself from now on.
#[derive(Debug, Serialize)]
pub struct WorkflowEnabled {
    pub(super) workflow_id: WorkflowId,
    pub(super) workflow: String,
    pub(super) title: String,
    pub(super) version: i32,
    /// What starts it, in words.
    pub(super) starts: Vec<String>,
    /// What it does, a line for each step.
    pub(super) steps: Vec<String>,
}

impl Change for WorkflowEnabled {
    const KIND: &'static str = "workflow.enabled";
    fn subject(&self) -> Subject {
        self.workflow_id.into()
    }
    fn summary(&self) -> String {
        let starts = if self.starts.is_empty() {
            "by hand".to_owned()
        } else {
            self.starts.join("; ")
        };
        format!(
            "Switches on version {} of the workflow {:?} ({}). It starts {starts}. Steps: {}",
            self.version,
            self.workflow,
            self.title,
            self.steps.join("; ")
        )
    }
}

/// A workflow no longer starts.
#[derive(Debug, Serialize)]
pub struct WorkflowDisabled {
    pub(super) workflow_id: WorkflowId,
    pub(super) workflow: String,
    pub(super) title: String,
}

impl Change for WorkflowDisabled {
    const KIND: &'static str = "workflow.disabled";
    fn subject(&self) -> Subject {
        self.workflow_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Switches off the workflow {:?} ({}); runs that have begun go on",
            self.workflow, self.title
        )
    }
}
