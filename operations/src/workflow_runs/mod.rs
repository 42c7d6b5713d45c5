//! Runs of workflows as records: starting them, looking at them, and steering them. The engine executes what the rows
//! say; it is not seen from here.
//!
//! Works on the engine's `workflow_run`, `workflow_step`, `workflow_wait`. Operations: `start_workflow`,
//! `list_workflow_runs`, `get_workflow_run`, `cancel_workflow_run`, `pause_workflow_run`, `resume_workflow_run`,
//! `retry_workflow_run`, `skip_workflow_step`, `set_run_variables`, `move_workflow_run`. Changes:
//! `workflow_run.started`, `workflow_run.steered`. [`webhooks`] are how programs outside start a run.

mod begin;
pub mod changes;
mod get_workflow_run;
mod list_workflow_runs;
mod mask;
mod model;
mod retry_workflow_run;
mod set_run_variables;
mod sql;
mod start_workflow;
mod steer;
pub mod webhooks;

pub use get_workflow_run::{GetWorkflowRun, RunStep, WorkflowRunDetail};
pub use list_workflow_runs::ListWorkflowRuns;
pub use model::{RunStatus, SteerError, WorkflowRun};
pub use retry_workflow_run::{RetryWorkflowRun, SkipWorkflowStep};
pub use set_run_variables::{MoveWorkflowRun, SetRunVariables};
pub use start_workflow::{StartWorkflow, StartWorkflowError, StartedRun};
pub(crate) use steer::end_for_good;
pub use steer::{CancelWorkflowRun, PauseWorkflowRun, ResumeWorkflowRun};
