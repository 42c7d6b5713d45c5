//! Where calls of models are written down: the rows of `model_calls`.

use domain::{Actor, Cx, OrganizationId, Permissions, Timestamp, WorkflowRunId, context::Entropy};
use futures_util::future::BoxFuture;
use llm::{CallCx, Ledger, Line, ModelError, ModelId, Settled};
use operations::{
    App,
    model_calls::{self, Attempt, ReserveError, Settlement},
};

/// The books of all organizations.
#[derive(Clone)]
pub struct Books {
    app: App,
}

impl Books {
    /// Books in the database.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// A context some milliseconds after the call was made.
fn cx(call: &CallCx, after_ms: u64) -> Cx {
    let actor = Actor::System { reason: "models" };
    let after = i64::try_from(after_ms).unwrap_or(0).saturating_mul(1_000);
    let now = Timestamp::from_microseconds(call.at.saturating_add(after));
    let organization = OrganizationId::from(call.organization);
    Cx::at(organization, actor, Permissions::NONE, now, Entropy::System)
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

impl Ledger for Books {
    fn reserve<'a>(
        &'a self,
        call: &'a CallCx,
        model: &'a ModelId,
        worst: i64,
    ) -> BoxFuture<'a, Result<Line, ModelError>> {
        Box::pin(async move {
            let attempt = Attempt {
                run_id: call.run.map(WorkflowRunId::from),
                agent: call.agent.clone(),
                step: call.step.clone(),
                model: model.to_string(),
                worst,
                run_limit: call.run_limit,
            };
            match model_calls::reserve(&self.app, &cx(call, 0), &attempt).await {
                Ok(id) => Ok(Line(id.into())),
                Err(error @ ReserveError::Overdrawn(_)) => Err(ModelError::Budget(
                    domain::text::sentence(&error.to_string()),
                )),
                Err(ReserveError::Store(error)) => Err(ModelError::Bookkeeping(error.to_string())),
            }
        })
    }

    fn settle<'a>(
        &'a self,
        call: &'a CallCx,
        line: Line,
        settled: Settled,
    ) -> BoxFuture<'a, Result<(), ModelError>> {
        Box::pin(async move {
            let usage = settled.usage;
            let settlement = Settlement {
                served_model: settled.served_model,
                request_id: settled.request_id,
                cost: settled.cost,
                input_tokens: count(usage.input),
                output_tokens: count(usage.output),
                cache_read_tokens: count(usage.cache_read),
                cache_write_tokens: count(usage.cache_write_5m + usage.cache_write_1h),
                outcome: settled.outcome.chars().take(500).collect(),
                first_token_ms: settled.first_token_ms.and_then(|ms| i32::try_from(ms).ok()),
            };
            let id = line.0.into();
            let written =
                model_calls::settle(&self.app, &cx(call, settled.took_ms), id, &settlement).await;
            written.map_err(|error| ModelError::Bookkeeping(error.to_string()))
        })
    }
}
