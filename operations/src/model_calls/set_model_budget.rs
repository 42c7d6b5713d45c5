//! `set_model_budget`: a person says what language models may cost.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{changes::ModelBudgetSet, sql};
use crate::{App, Effect, Operation};

/// Say what language models may cost in a day and in a month (both of UTC), in millionths of a US dollar. A call that might
/// go beyond is not made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetModelBudget {
    /// For a day.
    pub day_limit: i64,
    /// For a month.
    pub month_limit: i64,
}

/// What language models may cost, in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelBudget {
    /// In a day.
    pub day_limit: i64,
    /// In a month.
    pub month_limit: i64,
}

impl Operation for SetModelBudget {
    const NAME: &'static str = "set_model_budget";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = ModelBudget;
    type Error = SetModelBudgetError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ModelBudget, SetModelBudgetError> {
        let limits = 0..=1_000_000_000_000;
        if !limits.contains(&self.day_limit) || !limits.contains(&self.month_limit) {
            return Err(SetModelBudgetError::OutOfRange);
        }
        let mut tx = app.store().write(cx).await?;
        let wanted = ModelBudget {
            day_limit: self.day_limit,
            month_limit: self.month_limit,
        };
        if sql::budget(tx.conn()).await? == wanted {
            return Ok(tx.unchanged(wanted).await?);
        }
        sql::set_budget(tx.conn(), cx, &wanted).await?;
        let change = ModelBudgetSet {
            organization_id: cx.organization_id,
            day_limit: wanted.day_limit,
            month_limit: wanted.month_limit,
        };
        Ok(tx.commit(change, wanted).await?)
    }
}

/// How `set_model_budget` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetModelBudgetError {
    /// Below zero, or beyond a million dollars.
    #[error("a budget is between 0 and 1,000,000 US dollars, given in millionths")]
    OutOfRange,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "model_budget_out_of_range",
    "5000000 is five dollars.",
);

impl Fault for SetModelBudgetError {
    fn specs() -> Vec<FaultSpec> {
        vec![OUT_OF_RANGE]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::OutOfRange => OUT_OF_RANGE.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SetModelBudgetError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn is_set_once_within_range_by_those_who_may() {
        let scene = Scene::new().await;
        let set = |day_limit| SetModelBudget {
            day_limit,
            month_limit: 20_000_000,
        };
        assert_eq!(
            scene.run(set(2_000_000)).await.unwrap().day_limit,
            2_000_000
        );
        scene.run(set(2_000_000)).await.unwrap();
        let changes = scene.changes().await;
        let told = changes
            .iter()
            .filter(|change| change.kind == "model_budget.set");
        assert_eq!(told.count(), 1);
        for wrong in [-1, i64::MAX] {
            assert_refused(scene.run(set(wrong)).await, "model_budget_out_of_range");
        }
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, set(0)).await, "forbidden");
        scene.assert_idempotent(set(3_000_000)).await;
    }
}
