//! Reserving the most that a call may cost before it is made, and settling after: two calls at once cannot both spend the
//! last cent.

use domain::{Cx, ModelCallId, WorkflowRunId};
use store::StoreError;

use super::{changes::dollars, sql};
use crate::App;

/// An attempt that is about to be made.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The agent's run.
    pub run_id: Option<WorkflowRunId>,
    /// Which agent.
    pub agent: String,
    /// Which step of it.
    pub step: String,
    /// Provider and model, such as `anthropic/claude-sonnet-5-5`.
    pub model: String,
    /// The most it may cost, in millionths of a US dollar.
    pub worst: i64,
    /// What the whole run may cost; no limit of its own when absent.
    pub run_limit: Option<i64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// What the provider says it was.
    pub served_model: Option<String>,
    /// The provider's name for the call.
    pub request_id: Option<String>,
    /// What it cost, in millionths of a US dollar; what was reserved when that cannot be known.
    pub cost: Option<i64>,
    /// Tokens read.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: i64,
    /// Tokens written to it.
    pub cache_write_tokens: i64,
    /// Why it stopped, or what went wrong; never what was said.
    pub outcome: String,
    /// Milliseconds until the first token.
    pub first_token_ms: Option<i32>,
}

/// Which limit a call would go beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdrawn {
    /// `run`, `day` or `month`.
    pub limit: &'static str,
    /// What is allowed, in millionths of a US dollar.
    pub allowed: i64,
    /// What was spent and reserved already.
    pub spent: i64,
    /// What it may cost.
    pub worst: i64,
}

/// Why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// It would go beyond a limit.
    #[error(
        "the budget of the {} is {}, of which {} are spent or reserved, and this call may cost {}",
        .0.limit, dollars(.0.allowed), dollars(.0.spent), dollars(.0.worst)
    )]
    Overdrawn(Overdrawn),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ReserveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The guard that a test takes away.
const BUDGET_LOCK: &str = "model budget lock";

/// Reserves the most that an attempt may cost, under the organization's budget, which is locked for it.
pub async fn reserve(app: &App, cx: &Cx, attempt: &Attempt) -> Result<ModelCallId, ReserveError> {
    let cx = cx.apart();
    let mut tx = app.store().write(&cx).await?;
    if tx.lacks(BUDGET_LOCK) {
        // Whoever looks without the lock sees what others have not written yet.
    } else {
        sql::lock_budget(tx.conn(), &cx).await?;
    }
    let budget = sql::budget(tx.conn()).await?;
    let spent = sql::spent(tx.conn(), &cx, attempt.run_id).await?;
    if tx.lacks(BUDGET_LOCK) {
        tokio::task::yield_now().await;
    }
    let limits = [
        ("run", attempt.run_limit, spent.run),
        ("day", Some(budget.day_limit), spent.day),
        ("month", Some(budget.month_limit), spent.month),
    ];
    for (limit, allowed, spent) in limits {
        if let Some(allowed) = allowed
            && attempt.worst > 0
            && spent.saturating_add(attempt.worst) > allowed
        {
            return Err(ReserveError::Overdrawn(Overdrawn {
                limit,
                allowed,
                spent,
                worst: attempt.worst,
            }));
        }
    }
    let id = cx.new_id();
    sql::insert(tx.conn(), &cx, id, attempt).await?;
    tx.unchanged(id).await.map_err(Into::into)
}

/// Writes down how an attempt ended. A second word about the same attempt changes nothing.
pub async fn settle(
    app: &App,
    cx: &Cx,
    id: ModelCallId,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let cx = cx.apart();
    let mut tx = app.store().write(&cx).await?;
    sql::settle(tx.conn(), &cx, id, settlement).await?;
    tx.unchanged(()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model_calls::{GetModelCosts, SetModelBudget},
        testing::{Scene, without},
    };
    use futures_util::future::join_all;

    fn attempt(worst: i64) -> Attempt {
        Attempt {
            run_id: None,
            agent: "organizer".to_owned(),
            step: "m1".to_owned(),
            model: "anthropic/claude-sonnet-5-5".to_owned(),
            worst,
            run_limit: None,
        }
    }

    async fn limited(scene: &Scene, day_limit: i64) {
        let set = SetModelBudget {
            day_limit,
            month_limit: 10_000_000,
        };
        scene.run(set).await.unwrap();
    }

    /// How many of 16 calls at once, each for a quarter of the day's budget, are let through.
    async fn let_through(scene: &Scene, app: &App) -> usize {
        limited(scene, 1_000_000).await;
        let calls = (0..16).map(|_| {
            let (app, cx) = (app.clone(), scene.cx.clone());
            async move { reserve(&app, &cx, &attempt(250_000)).await }
        });
        let outcomes = join_all(calls).await;
        outcomes.iter().filter(|outcome| outcome.is_ok()).count()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn calls_at_once_do_not_share_the_last_cent() {
        let scene = Scene::new().await;
        assert_eq!(let_through(&scene, &scene.app).await, 4);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_without_the_lock_more_is_spent() {
        let scene = Scene::new().await;
        let app = scene.server_with(without(&[BUDGET_LOCK]));
        assert!(let_through(&scene, &app).await > 4);
    }

    #[tokio::test]
    async fn what_a_call_did_not_cost_is_free_again() {
        let scene = Scene::new().await;
        limited(&scene, 1_000_000).await;
        let id = reserve(&scene.app, &scene.cx, &attempt(900_000))
            .await
            .unwrap();
        let refused = reserve(&scene.app, &scene.cx, &attempt(200_000))
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the budget of the day is 1.00 USD, of which 0.90 USD are spent or reserved, and this call may cost 0.20 USD"
        );
        let settlement = Settlement {
            cost: Some(10_000),
            input_tokens: 5_000,
            outcome: "end_turn".to_owned(),
            ..Settlement::default()
        };
        for _ in 0..2 {
            settle(&scene.app, &scene.cx, id, &settlement)
                .await
                .unwrap();
        }
        reserve(&scene.app, &scene.cx, &attempt(900_000))
            .await
            .unwrap();
        let costs = scene.run(GetModelCosts::default()).await.unwrap();
        assert_eq!((costs.day.spent, costs.day.limit), (910_000, 1_000_000));
        let other = scene.other_organization().await;
        let theirs = scene
            .app
            .run(&other, GetModelCosts::default())
            .await
            .unwrap();
        assert_eq!(theirs.day.spent, 0);
    }

    #[tokio::test]
    async fn yesterday_and_other_runs_do_not_count() {
        let scene = Scene::new().await;
        limited(&scene, 1_000_000).await;
        let yesterday = scene
            .cx
            .clone()
            .with_now(scene.cx.now.plus_seconds(-86_400));
        reserve(&scene.app, &yesterday, &attempt(900_000))
            .await
            .unwrap();
        let run = |run_id| Attempt {
            run_id: Some(run_id),
            run_limit: Some(300_000),
            ..attempt(200_000)
        };
        let (one, two) = (scene.cx.new_id(), scene.cx.new_id());
        reserve(&scene.app, &scene.cx, &run(one)).await.unwrap();
        let again = reserve(&scene.app, &scene.cx, &run(one)).await.unwrap_err();
        assert!(
            again.to_string().starts_with("the budget of the run"),
            "{again}"
        );
        reserve(&scene.app, &scene.cx, &run(two)).await.unwrap();
        // What costs nothing is never too much.
        let free = Attempt {
            worst: 0,
            ..run(one)
        };
        reserve(&scene.app, &scene.cx, &free).await.unwrap();
    }
}
