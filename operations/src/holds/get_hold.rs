//! `get_hold`: whether places are still set aside, and for how long.

use domain::{Cx, HoldId, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::Hold, sql};
use crate::{App, Effect, Operation, lookup::LookupError, seats};

/// Show a hold: what it holds, what it costs, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetHold {
    /// The hold.
    pub hold: HoldId,
}

impl Operation for GetHold {
    const NAME: &'static str = "get_hold";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Hold;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Hold, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let (hold, basket) = sql::get(tx.conn(), self.hold).await?;
        Ok(Hold {
            seats: seats::of_hold(tx.conn(), hold.id).await?,
            ..hold.seen(cx, &basket)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        holds::HoldStatus,
        testing::{Scene, assert_refused, holding, ordering},
    };

    #[tokio::test]
    async fn shows_what_became_of_it() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        let show = GetHold { hold: first.id };
        assert_eq!(scene.run(show.clone()).await.unwrap(), first);
        let later = scene.at("2027-01-11T09:14:00Z");
        let seen = scene.app.run(&later, show.clone()).await.unwrap();
        assert_eq!(seen.seconds_left, Some(60));
        let order = scene.run(ordering(&first)).await.unwrap().order.order;
        let seen = scene.run(show).await.unwrap();
        assert_eq!(
            (seen.status, seen.order_id, seen.seconds_left),
            (HoldStatus::Ordered, Some(order.id), None)
        );
    }

    #[tokio::test]
    async fn another_organizations_is_not_found() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let first = scene.run(holding(event.id, 2)).await.unwrap();
        let other = scene.other_organization().await;
        let refused = scene.app.run(&other, GetHold { hold: first.id }).await;
        assert_refused(refused, "not_found");
    }
}
