//! Where the engine gets workflows from. It knows no language: it asks for programs, and for what starts them.

use std::{future::Future, pin::Pin, sync::Arc};

use domain::{OrganizationId, Timestamp, UserId};
use operations::workflows::{Program, StepError};
use serde_json::Value;
use store::runs::{Concurrency, FeedChange, Run};

/// An answer that may need the database.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, StepError>> + Send + 'a>>;

/// The workflows of all organizations. An error here is one that another try may mend, unless it says otherwise.
pub trait Definitions: Send + Sync + 'static {
    /// The program of a run, under the version the run began with.
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>>;

    /// The runs that changes start. A definition that cannot be read is skipped and told to its owner, not an error:
    /// it would hold up everybody else's.
    fn begun_by<'a>(&'a self, changes: &'a [FeedChange]) -> Reply<'a, Vec<Beginning>>;

    /// Everything that starts by the clock.
    fn schedules(&self) -> Reply<'_, Vec<Schedule>>;

    /// The enabled version of a workflow that another one calls.
    fn called<'a>(&'a self, organization: OrganizationId, workflow: &'a str) -> Reply<'a, Called>;
}

/// A run that a change starts.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The change, by its place in the list.
    pub change: usize,
    /// The workflow.
    pub workflow: String,
    /// Its enabled version.
    pub version: i32,
    /// What people call the run.
    pub title: String,
    /// What it is given.
    pub params: Value,
    /// What it may not run beside.
    pub concurrency: Option<Concurrency>,
    /// The member who enabled the workflow.
    pub on_behalf_of: Option<UserId>,
}

/// A workflow that starts by the clock.
#[derive(Clone)]
pub struct Schedule {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The workflow.
    pub workflow: String,
    /// Its enabled version.
    pub version: i32,
    /// Which of its triggers, counted from 0.
    pub trigger: i16,
    /// What people call its runs.
    pub title: String,
    /// What they may not run beside.
    pub concurrency: Option<Concurrency>,
    /// The member who enabled the workflow.
    pub on_behalf_of: Option<UserId>,
    /// Since when it is enabled: nothing before is caught up with.
    pub since: Timestamp,
    /// The ticks behind one instant and not behind another that shall fire, by the definition's catch-up policy.
    pub due: Arc<dyn Fn(Timestamp, Timestamp) -> Vec<Timestamp> + Send + Sync>,
}

/// A workflow as another one calls it.
#[derive(Debug, Clone)]
pub struct Called {
    /// The enabled version.
    pub version: i32,
    /// What people call the run.
    pub title: String,
}

impl Called {
    /// An agent that a workflow asks: the run of a program of its own.
    pub(crate) fn agent(name: &str) -> Self {
        Self {
            version: 1,
            title: format!("The agent {name}"),
        }
    }
}

/// No workflows at all; jobs run all the same.
pub struct NoDefinitions;

impl Definitions for NoDefinitions {
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>> {
        let message = format!("There is no workflow {:?}.", run.workflow);
        Box::pin(async move { Err(unknown(message)) })
    }

    fn begun_by<'a>(&'a self, _: &'a [FeedChange]) -> Reply<'a, Vec<Beginning>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn schedules(&self) -> Reply<'_, Vec<Schedule>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn called<'a>(&'a self, _: OrganizationId, workflow: &'a str) -> Reply<'a, Called> {
        Box::pin(async move { Err(unknown(format!("There is no workflow {workflow:?}."))) })
    }
}

fn unknown(message: String) -> StepError {
    StepError {
        code: "workflow_not_found".to_owned(),
        message,
        is_transient: false,
    }
}
