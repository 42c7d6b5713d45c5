//! The seam for agents: what a turn of one does, and its own steps.

use domain::Cx;
use operations::workflows::{Program, StepError};
use serde_json::Value;
use store::runs::Run;

use crate::definitions::Reply;

/// Hosts agents. A run whose workflow begins with [`operations::conversations::AGENT_PREFIX`] is one of theirs.
pub trait AgentRunner: Send + Sync + 'static {
    /// The program of a run: pure, like that of any workflow.
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>>;

    /// Does an [`operations::workflows::Action::Perform`] of such a program. Called again after a crash; whoever calls
    /// stops listening when the context says that it was cancelled.
    fn perform<'a>(
        &'a self,
        cx: &'a Cx,
        run: &'a Run,
        path: &'a str,
        task: &'a Value,
    ) -> Reply<'a, Value>;
}

/// No agents are installed.
pub struct NoAgents;

impl AgentRunner for NoAgents {
    fn program<'a>(&'a self, run: &'a Run) -> Reply<'a, Box<dyn Program>> {
        let error = none(&run.workflow);
        Box::pin(async move { Err(error) })
    }

    fn perform<'a>(
        &'a self,
        _: &'a Cx,
        run: &'a Run,
        _: &'a str,
        _: &'a Value,
    ) -> Reply<'a, Value> {
        let error = none(&run.workflow);
        Box::pin(async move { Err(error) })
    }
}

fn none(workflow: &str) -> StepError {
    StepError {
        code: "unavailable".to_owned(),
        message: format!(
            "{workflow:?} cannot go on: this EventOS has no agents. Take the step out, or give it an `on_error`."
        ),
        is_transient: false,
    }
}
