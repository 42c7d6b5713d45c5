//! Workflows: definitions that organizers and agents write, and the pure machine that says what a run does next.
//!
//! Owns `workflow`, `workflow_version`, `workflow_trigger`. Operations: `save_workflow`, `list_workflows`,
//! `get_workflow`, `dry_run_workflow`, `enable_workflow`, `disable_workflow`, `sync_library`. Changes:
//! `workflow.saved`, `workflow.enabled`, `workflow.disabled`. The engine takes definitions from [`load`],
//! what it has [`Kept`].

pub mod changes;
mod check;
mod check_steps;
mod definition;
mod document;
mod dry_run_workflow;
mod duration;
mod enable_workflow;
mod expression;
mod get_workflow;
mod machine;
mod model;
mod plan;
mod problem;
mod program;
mod save_workflow;
mod schedule;
mod source;
mod sql;
mod stored;
mod sync_library;
mod template;

pub use definition::{Definition, NextStart, json_schema};
pub use document::{Document, OnConflict, Param, ParamType};
pub use dry_run_workflow::{DryRunWorkflow, DryRunWorkflowError, DryStep, WorkflowDryRun};
pub use duration::Span;
pub use enable_workflow::{DisableWorkflow, EnableWorkflow, SwitchWorkflowError, SwitchedWorkflow};
pub use expression::Expression;
pub use get_workflow::{
    GetWorkflow, ListWorkflows, WorkflowDetail, WorkflowList, WorkflowLookupError,
};
pub use machine::{Machine, Start};
pub use model::{UnknownWorkflow, Workflow, WorkflowSource};
pub use plan::{Concurrency, Params, Trigger};
pub use problem::Problem;
pub use program::{Action, Awaited, End, Next, Program, Retry, Step, StepError};
pub use save_workflow::{SaveWorkflow, SaveWorkflowError, SavedWorkflow};
pub use schedule::{CatchUp, Schedule};
pub use stored::{Enabled, Kept, load, organization};
pub use sync_library::{LibraryWorkflow, SyncLibrary, SyncLibraryError, SyncedLibrary};

pub(crate) use dry_run_workflow::PARAMS_WRONG;
pub(crate) use get_workflow::{Version, version};

#[cfg(test)]
mod tests;
