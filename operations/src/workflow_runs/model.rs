//! A run as callers see it, and how steering one refuses. Pure.

use domain::{Facts, Fault, FaultKind, FaultSpec, Timestamp, WorkflowRunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::{lookup::LookupError, workflows::WorkflowLookupError};

domain::text_enum! {
    /// How far a run has come.
    pub enum RunStatus {
        /// It goes on as soon as a worker is free, or at `wake_at`.
        Queued = "queued",
        /// A worker is at it.
        Running = "running",
        /// It waits for a change or a time.
        Waiting = "waiting",
        /// A person has stopped it for now.
        Paused = "paused",
        /// All was done.
        Done = "done",
        /// It was not wanted after all.
        Skipped = "skipped",
        /// It gave up; retry_workflow_run goes on with it.
        Dead = "dead",
        /// A person has ended it.
        Cancelled = "cancelled",
    }
}

domain::sqlx_as_text!(RunStatus);

impl RunStatus {
    /// Whether it may still go on by itself or by a person's word, short of a retry.
    pub fn is_alive(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::Running | Self::Waiting | Self::Paused
        )
    }
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRun {
    /// Its id.
    pub id: WorkflowRunId,
    /// The workflow.
    pub workflow: String,
    /// The version it began under.
    pub version: i32,
    /// What the workflow does.
    pub title: String,
    /// How far it has come.
    pub status: RunStatus,
    /// What started it: change, cron, manual, webhook, call or job.
    pub started_by: String,
    /// When it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// Why it ended, or why it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// How steering a run refuses.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// Its state does not allow it.
    #[error("the run is {status}; only one that is {possible} can be {done}")]
    WrongState {
        /// Its state.
        status: RunStatus,
        /// The states it would need.
        possible: &'static str,
        /// What was to be done, as a participle.
        done: &'static str,
    },
    /// It has no such step.
    #[error("the run has no step {path:?}{}", .known.first().map(|_| format!("; it has {}", .known.join(", "))).unwrap_or_default())]
    UnknownStep {
        /// What was asked for.
        path: String,
        /// Its steps.
        known: Vec<String>,
    },
    /// Nothing to set was given.
    #[error("no variable was given")]
    NothingGiven,
    /// The version does not exist.
    #[error(transparent)]
    Workflow(#[from] WorkflowLookupError),
    /// It was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const WRONG_STATE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "run_state",
    "See get_workflow_run for how far it has come, and choose what fits.",
);
const UNKNOWN_STEP: FaultSpec = FaultSpec::new(
    FaultKind::NotFound,
    "step_not_found",
    "Use a path that get_workflow_run shows.",
);

impl Fault for SteerError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![WRONG_STATE, UNKNOWN_STEP, crate::faults::NOTHING_GIVEN];
        specs.extend(WorkflowLookupError::specs());
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::WrongState { .. } => WRONG_STATE.into(),
            Self::UnknownStep { .. } => UNKNOWN_STEP.into(),
            Self::NothingGiven => crate::faults::NOTHING_GIVEN.into(),
            Self::Workflow(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SteerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// No run has this id here.
pub(super) fn unknown(id: WorkflowRunId) -> LookupError {
    LookupError::NotFound {
        noun: "workflow run",
        given: id.to_string(),
        candidates: Vec::new(),
    }
}
