//! `leave_waitlist`: somebody does not want it any more.

use domain::{Cx, Permission, WaitlistEntryId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::{WaitlistLeft, Which},
    model::{WaitlistEntry, WaitlistStatus},
    serving, sql,
};
use crate::{App, Effect, Operation, events, holds, lookup::LookupError};

/// Take somebody off the waiting list who asks for it; places that were offered to them go to the next.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LeaveWaitlist {
    /// The entry.
    pub entry: WaitlistEntryId,
}

/// Somebody does not wait any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftWaitlist {
    /// The entry.
    pub entry: WaitlistEntry,
    /// Whether it had ended before, so that nothing changed.
    pub was_over_already: bool,
}

impl Operation for LeaveWaitlist {
    const NAME: &'static str = "leave_waitlist";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = LeftWaitlist;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<LeftWaitlist, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let found = sql::get(tx.conn(), self.entry).await?;
        events::lock(tx.conn(), cx, &found.event_id.into()).await?;
        serving::settle(&mut tx, found.event_id).await?;
        let before = sql::get(tx.conn(), self.entry).await?;
        let had_offer = before.status == WaitlistStatus::Offered;
        if !had_offer && before.status != WaitlistStatus::Waiting {
            let answer = LeftWaitlist {
                entry: before.seen(cx),
                was_over_already: true,
            };
            return Ok(tx.unchanged(answer).await?);
        }
        sql::leave(tx.conn(), cx.now, before.id).await?;
        if let Some(hold_id) = before.hold_id {
            let mut held = holds::lock_all(tx.conn(), &[hold_id]).await?;
            let held = held
                .remove(&hold_id)
                .ok_or_else(|| holds::missing(hold_id))?;
            let released = holds::give_back(tx.conn(), cx, &held).await?;
            tx.also(&released);
        }
        let change = WaitlistLeft {
            which: Which::of(&before),
            had_offer,
        };
        let left = sql::get(tx.conn(), before.id).await?;
        let answer = LeftWaitlist {
            entry: left.seen(cx),
            was_over_already: false,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        holds::{GetHold, HoldStatus, ReleaseHold},
        testing::{Scene, assert_refused, holding, joining, ordering},
        waitlist::OfferPlaces,
    };

    #[tokio::test]
    async fn who_leaves_is_not_served_and_frees_what_was_offered() {
        let scene = Scene::new().await;
        let (event, holds) = scene.sold_out(2).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        let grace = scene.run(joining(event, "Grace", 1)).await.unwrap().entry;
        let hedy = scene.run(joining(event, "Hedy", 1)).await.unwrap().entry;
        let left = scene.run(LeaveWaitlist { entry: ada.id }).await.unwrap();
        assert_eq!(
            (left.entry.status, left.was_over_already),
            (WaitlistStatus::Left, false)
        );
        assert!(
            scene
                .run(LeaveWaitlist { entry: ada.id })
                .await
                .unwrap()
                .was_over_already
        );
        scene.run(ReleaseHold { hold: holds[0].id }).await.unwrap();
        let served = scene.run(OfferPlaces::default()).await.unwrap();
        assert_eq!(served.offers[0].entry, grace.id);
        let hold = served.offers[0].hold;
        scene.run(LeaveWaitlist { entry: grace.id }).await.unwrap();
        let hold = scene.run(GetHold { hold }).await.unwrap();
        assert_eq!(hold.status, HoldStatus::Released);
        // The place is the next one's, and no stranger's.
        assert_refused(scene.run(holding(event, 1)).await, "sold_out");
        let served = scene.run(OfferPlaces::default()).await.unwrap();
        assert_eq!(served.offers[0].entry, hedy.id);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_bought_stays_bought() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, holds) = scene.sold_out(1).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        let leave = LeaveWaitlist { entry: ada.id };
        assert_refused(scene.app.run(&other, leave.clone()).await, "not_found");
        scene.run(ReleaseHold { hold: holds[0].id }).await.unwrap();
        let served = scene.run(OfferPlaces::default()).await.unwrap();
        let hold = GetHold {
            hold: served.offers[0].hold,
        };
        let hold = scene.run(hold).await.unwrap();
        scene.run(ordering(&hold)).await.unwrap();
        let left = scene.run(leave).await.unwrap();
        assert_eq!(
            (left.entry.status, left.was_over_already),
            (WaitlistStatus::Bought, true)
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(1).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        scene
            .assert_idempotent(LeaveWaitlist { entry: ada.id })
            .await;
    }
}
