//! `release_hold`: somebody does not buy after all.

use domain::{Cx, Facts, Fault, FaultSpec, HoldId, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::HoldReleased,
    extend_hold::HOLD_ENDED,
    model::{Hold, HoldRow, HoldStatus},
    sql::{self, Held},
};
use crate::{
    App, Effect, Operation, events,
    inventory::{self, Step, UseStep, Uses},
    lookup::LookupError,
};

/// Give back the places of a hold that will not be ordered: others can have them at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseHold {
    /// The hold.
    pub hold: HoldId,
}

/// The hold whose places are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedHold {
    /// The hold.
    pub hold: Hold,
    /// Whether its places were free before, so that nothing changed.
    pub was_free_already: bool,
}

impl Operation for ReleaseHold {
    const NAME: &'static str = "release_hold";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = ReleasedHold;
    type Error = ReleaseHoldError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ReleasedHold, ReleaseHoldError> {
        let mut tx = app.store().write(cx).await?;
        let (found, _) = sql::get(tx.conn(), self.hold).await?;
        // Its ticket types keep their pools until the commit.
        events::share(tx.conn(), cx, &found.event_id.into()).await?;
        let (before, basket) = sql::lock(tx.conn(), found.id).await?;
        match before.status {
            HoldStatus::Ordered => return Err(ReleaseHoldError::Ordered),
            HoldStatus::Released | HoldStatus::Expired => {
                let answer = ReleasedHold {
                    hold: before.seen(cx, &basket),
                    was_free_already: true,
                };
                return Ok(tx.unchanged(answer).await?);
            }
            HoldStatus::Live => {}
        }
        let hold = HoldRow {
            status: HoldStatus::Released,
            ..before
        };
        let answer = ReleasedHold {
            hold: hold.seen(cx, &basket),
            was_free_already: false,
        };
        let change = give_back(tx.conn(), cx, &(hold, basket)).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

/// Frees the places of a live hold, which is locked, as its event is. Call it as late as possible.
pub(crate) async fn give_back(
    conn: &mut PgConnection,
    cx: &Cx,
    (hold, basket): &Held,
) -> sqlx::Result<HoldReleased> {
    sql::release(conn, cx, hold.id).await?;
    let is_waited_for = inventory::is_waited_for(conn, hold.event_id).await?;
    let places = inventory::places_of(conn, &basket.counts()).await?;
    let uses = Uses::of(UseStep::ReleaseHeld, hold.promo_code_id);
    inventory::release_uses(conn, &uses).await?;
    inventory::move_taken(conn, Step::ReleaseHeld, &places).await?;
    Ok(HoldReleased {
        hold_id: hold.id,
        event_id: hold.event_id,
        ticket_count: hold.ticket_count,
        is_waited_for,
    })
}

/// How `release_hold` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseHoldError {
    /// An order has its places.
    #[error("the hold is ordered; its places belong to the order")]
    Ordered,
    /// The hold was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for ReleaseHoldError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![HOLD_ENDED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Ordered => HOLD_ENDED.at("hold"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ReleaseHoldError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused, holding, ordering};

    #[tokio::test]
    async fn frees_the_places_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 5)).await.unwrap();
        let release = ReleaseHold { hold: first.id };
        let freed = scene.run(release.clone()).await.unwrap();
        assert_eq!(
            (freed.hold.status, freed.was_free_already),
            (HoldStatus::Released, false)
        );
        scene.reconcile().await;
        let again = scene.run(release).await.unwrap();
        assert!(again.was_free_already);
        assert_refused(scene.run(ordering(&first)).await, "hold_ended");
        scene.run(holding(event.id, 5)).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_ordered_stays_with_its_order() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        let release = ReleaseHold { hold: first.id };
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, release.clone()).await, "not_found");
        scene.run(ordering(&first)).await.unwrap();
        assert_refused(scene.run(release).await, "hold_ended");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        scene
            .assert_idempotent(ReleaseHold { hold: first.id })
            .await;
    }
}
