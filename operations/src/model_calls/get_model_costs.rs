//! `get_model_costs`: what language models have cost.

use domain::{Cx, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{App, Effect, Operation};

/// What language models have cost today and this month (both of UTC), by agent and model, beside the budgets. All amounts are
/// millionths of a US dollar; what is under way counts with the most it may cost.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetModelCosts {
    /// For how many days back the list by model goes; 30 when absent.
    pub days: Option<i32>,
}

/// What models have cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelCosts {
    /// Today.
    pub day: SpentOf,
    /// This month.
    pub month: SpentOf,
    /// By agent and model, dearest first.
    pub by_model: Vec<ModelCost>,
}

/// What was spent of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpentOf {
    /// Spent and reserved.
    pub spent: i64,
    /// Allowed.
    pub limit: i64,
}

/// What an agent's calls of a model have cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelCost {
    /// The agent.
    pub agent: String,
    /// Provider and model.
    pub model: String,
    /// How many calls.
    pub call_count: i64,
    /// How many of them failed.
    pub failed_count: i64,
    /// What they cost.
    pub cost: i64,
    /// Tokens read, with those from the cache.
    pub input_tokens: i64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
}

impl Operation for GetModelCosts {
    const NAME: &'static str = "get_model_costs";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::ReportsRead;
    type Output = ModelCosts;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ModelCosts, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let budget = sql::budget(tx.conn()).await?;
        let spent = sql::spent(tx.conn(), cx, None).await?;
        let days = i64::from(self.days.unwrap_or(30).clamp(1, 366));
        let since = cx.now.plus_seconds(-86_400 * days);
        Ok(ModelCosts {
            day: SpentOf {
                spent: spent.day,
                limit: budget.day_limit,
            },
            month: SpentOf {
                spent: spent.month,
                limit: budget.month_limit,
            },
            by_model: sql::by_model(tx.conn(), since).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model_calls::{Attempt, Settlement, reserve, settle},
        testing::Scene,
    };

    #[tokio::test]
    async fn adds_up_by_agent_and_model() {
        let scene = Scene::new().await;
        for (agent, outcome, cost) in [
            ("organizer", "end_turn", 30_000),
            ("organizer", "error: 529", 0),
            ("content", "end_turn", 7),
        ] {
            let attempt = Attempt {
                run_id: None,
                agent: agent.to_owned(),
                step: "m1".to_owned(),
                model: "anthropic/claude-haiku-5-5".to_owned(),
                worst: 40_000,
                run_limit: None,
            };
            let id = reserve(&scene.app, &scene.cx, &attempt).await.unwrap();
            let settlement = Settlement {
                cost: Some(cost),
                input_tokens: 100,
                cache_read_tokens: 900,
                output_tokens: 50,
                outcome: outcome.to_owned(),
                ..Settlement::default()
            };
            settle(&scene.app, &scene.cx, id, &settlement)
                .await
                .unwrap();
        }
        let costs = scene.run(GetModelCosts::default()).await.unwrap();
        let organizer = &costs.by_model[0];
        let counted = (
            organizer.call_count,
            organizer.failed_count,
            organizer.cost,
            organizer.input_tokens,
        );
        assert_eq!(counted, (2, 1, 30_000, 2_000));
        assert_eq!(costs.month.spent, 30_007);
    }
}
