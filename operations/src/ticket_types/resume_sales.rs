//! `resume_sales`: a limit that did not add up sells again.

use domain::{CapacityPoolId, Cx, Facts, Fault, FaultKind, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::{
    App, Effect, Operation, events,
    inventory::{self, PoolResumed},
    lookup::LookupError,
};

/// Put a limit on sale again that `check_inventory` stopped: its counters become what orders, holds and tickets add up
/// to now. Ask the organizer first; they may want to know why it did not add up.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResumeSales {
    /// The limit, from `check_inventory`.
    pub pool: CapacityPoolId,
}

/// The limit that sells again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResumedSales {
    /// The limit.
    pub pool: CapacityPoolId,
    /// Its name, or that of the ticket type it belongs to.
    pub name: String,
    /// Set aside now.
    pub held: i32,
    /// Sold now.
    pub sold: i32,
    /// Whether it sold before, so that nothing changed.
    pub was_on_sale_already: bool,
}

impl Operation for ResumeSales {
    const NAME: &'static str = "resume_sales";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = ResumedSales;
    type Error = ResumeSalesError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ResumedSales, ResumeSalesError> {
        let mut tx = app.store().write(cx).await?;
        let missing = || LookupError::NotFound {
            noun: "limit",
            given: self.pool.to_string(),
            candidates: Vec::new(),
        };
        let event = inventory::event_of(tx.conn(), self.pool).await?;
        let event = event.ok_or_else(missing)?;
        // Nobody buys, pays or gives places back until the commit.
        events::lock(tx.conn(), cx, &event.into()).await?;
        let recounts = inventory::recount(tx.conn(), &[event]).await?;
        let recount = recounts.into_iter().find(|r| r.pool_id == self.pool);
        let recount = recount.ok_or_else(missing)?;
        let answer = ResumedSales {
            pool: self.pool,
            name: recount.name.clone(),
            held: recount.held,
            sold: recount.sold,
            was_on_sale_already: !recount.is_stopped,
        };
        if !recount.is_stopped {
            return Ok(tx.unchanged(answer).await?);
        }
        if recount.over() > 0 {
            return Err(ResumeSalesError::TooManyTaken {
                name: recount.name.clone(),
                over: recount.over(),
            });
        }
        inventory::resume(tx.conn(), &recount).await?;
        let change = PoolResumed {
            pool_id: recount.pool_id,
            event_id: recount.event_id,
            event_title: recount.event_title,
            name: recount.name,
            held: recount.held,
            sold: recount.sold,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `resume_sales` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ResumeSalesError {
    /// More is taken than there is.
    #[error("{over} more places of {name:?} are taken than there are")]
    TooManyTaken {
        /// The limit, or its ticket type.
        name: String,
        /// How many too many.
        over: i32,
    },
    /// The limit was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TOO_MANY_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "too_many_taken",
    "Raise the limit with save_ticket_type, or cancel orders or void tickets; then resume.",
);

impl Fault for ResumeSalesError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![TOO_MANY_TAKEN];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TooManyTaken { .. } => TOO_MANY_TAKEN.at("pool"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ResumeSalesError {
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
        ticket_types::CheckInventory,
    };

    async fn stopped(scene: &Scene, sql: &'static str) -> ResumeSales {
        scene.on_sale(2500, 5).await;
        let mut owner = scene.database.owner().await;
        sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
        let found = scene.run(CheckInventory::default()).await.unwrap();
        ResumeSales {
            pool: found.stopped[0].id,
        }
    }

    #[tokio::test]
    async fn refuses_more_than_there_is_and_what_is_not_there() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 5).await;
        scene.order(event.id, 5).await;
        let mut owner = scene.database.owner().await;
        let lost = "update capacity_pool set sold_count = 1, capacity = 3";
        sqlx::raw_sql(lost).execute(&mut owner).await.unwrap();
        let found = scene.run(CheckInventory::default()).await.unwrap();
        let resume = ResumeSales {
            pool: found.stopped[0].id,
        };
        let refused = scene.run(resume.clone()).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "2 more places of \"Regular\" are taken than there are"
        );
        assert_refused::<(), _>(Err(refused), "too_many_taken");
        let unknown = ResumeSales {
            pool: scene.cx.new_id(),
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, resume.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, resume).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let resume = stopped(&scene, "update capacity_pool set sold_count = 1").await;
        scene.assert_idempotent(resume.clone()).await;
        let again = scene.run(resume).await.unwrap();
        assert!(again.was_on_sale_already);
        scene.reconcile().await;
    }
}
