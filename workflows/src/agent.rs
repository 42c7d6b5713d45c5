//! The seam for agent steps.

use domain::Cx;
use operations::workflows::StepError;
use serde_json::Value;

use crate::definitions::Reply;

/// Runs agents: a question in, an answer bound to a schema out.
pub trait AgentRunner: Send + Sync + 'static {
    /// Asks an agent. The answer must fit `output`; the cost must stay below the budget.
    fn ask<'a>(
        &'a self,
        cx: &'a Cx,
        agent: &'a str,
        input: &'a Value,
        output: &'a Value,
        budget_micro_usd: i64,
    ) -> Reply<'a, Value>;
}

/// No agents are installed.
pub struct NoAgents;

impl AgentRunner for NoAgents {
    fn ask<'a>(
        &'a self,
        _: &'a Cx,
        agent: &'a str,
        _: &'a Value,
        _: &'a Value,
        _: i64,
    ) -> Reply<'a, Value> {
        let error = StepError {
            code: "unavailable".to_owned(),
            message: format!(
                "The agent {agent:?} cannot be asked: this EventOS has no agents. Take the step out, or give it an \
                 `on_error`."
            ),
            is_transient: false,
        };
        Box::pin(async move { Err(error) })
    }
}
