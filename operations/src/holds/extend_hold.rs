//! `extend_hold`: somebody who buys needs a little longer.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, HoldId, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::HoldExtended,
    hold_tickets::end_of_hold,
    model::{Hold, HoldRow, HoldStatus},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError, seats};

/// Give somebody who buys more time, once: the hold's time begins anew.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExtendHold {
    /// The hold.
    pub hold: HoldId,
}

impl Operation for ExtendHold {
    const NAME: &'static str = "extend_hold";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = Hold;
    type Error = ExtendHoldError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Hold, ExtendHoldError> {
        let mut tx = app.store().write(cx).await?;
        let (before, basket) = sql::lock(tx.conn(), self.hold).await?;
        if before.status != HoldStatus::Live {
            return Err(ExtendHoldError::Ended(before.status));
        }
        if before.is_extended {
            return Err(ExtendHoldError::ExtendedAlready);
        }
        let hold = HoldRow {
            expires_at: end_of_hold(app, cx),
            is_extended: true,
            ..before
        };
        sql::extend(tx.conn(), hold.id, hold.expires_at).await?;
        let change = HoldExtended {
            hold_id: hold.id,
            event_id: hold.event_id,
            ticket_count: hold.ticket_count,
            expires_at: hold.expires_at,
        };
        let answer = Hold {
            seats: seats::of_hold(tx.conn(), hold.id).await?,
            ..hold.seen(cx, &basket)
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `extend_hold` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ExtendHoldError {
    /// Its places are not set aside any more.
    #[error("the hold is {0}")]
    Ended(HoldStatus),
    /// It had its one extension.
    #[error("the hold was extended already")]
    ExtendedAlready,
    /// The hold was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A hold whose places are not set aside any more.
pub(crate) const HOLD_ENDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "hold_ended",
    "Look at it with get_hold: if it was not ordered, hold places anew and tell the buyer what they cost now.",
);
const EXTENDED_ALREADY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "hold_extended_already",
    "Order now; once it has run out, hold places anew.",
);

impl Fault for ExtendHoldError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![HOLD_ENDED, EXTENDED_ALREADY];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Ended(_) => HOLD_ENDED.at("hold"),
            Self::ExtendedAlready => EXTENDED_ALREADY.at("hold"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ExtendHoldError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        holds::{ReleaseHold, expire_due},
        testing::{Scene, assert_refused, holding},
    };

    #[tokio::test]
    async fn gives_more_time_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        let extend = ExtendHold { hold: first.id };
        let later = scene.at("2027-01-11T09:10:00Z");
        let hold = scene.app.run(&later, extend.clone()).await.unwrap();
        assert_eq!((hold.seconds_left, hold.is_extended), (Some(15 * 60), true));
        assert_refused(scene.app.run(&later, extend).await, "hold_extended_already");
        let first_end = scene.at("2027-01-11T09:15:00Z").now;
        assert_eq!(expire_due(&scene.app, first_end).await.unwrap(), 0);
        let second_end = scene.at("2027-01-11T09:25:00Z").now;
        assert_eq!(expire_due(&scene.app, second_end).await.unwrap(), 1);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_has_ended_gets_no_more_time() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        let extend = ExtendHold { hold: first.id };
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, extend.clone()).await, "not_found");
        scene.run(ReleaseHold { hold: first.id }).await.unwrap();
        assert_refused(scene.run(extend).await, "hold_ended");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        scene.assert_idempotent(ExtendHold { hold: first.id }).await;
    }
}
