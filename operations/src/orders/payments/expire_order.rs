//! `expire_order`: an order that was not paid in time.

use domain::{Actor, Cx, OrderId, Permission, Permissions, Reference, Timestamp, context::Mode};
use payments::CheckoutState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::StoreError;

use super::{
    changes::OrderExpired, error::SettleError, give_back::give_back_to_cards, settle, sql,
};
use crate::{
    App, Effect, Operation, events,
    inventory::{self, Step, UseStep, Uses},
    jobs::Job,
    orders::{
        changes::Which,
        model::{self, OrderStatus},
        sql as orders,
    },
};

/// End an order whose time to pay is over: its page is closed first, then its places are free again. Nothing happens to
/// an order that was paid meanwhile, or whose money is on its way.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExpireOrder {
    /// Order: id or number.
    pub order: Reference<OrderId>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpiredOrder {
    /// Its state now.
    pub status: OrderStatus,
}

/// An order whose money is on its way gets a day at a time.
const ANOTHER_DAY: i64 = 24 * 60 * 60;

const NOT_IN_TIME: &str = "the order was not paid in time";

impl Operation for ExpireOrder {
    const NAME: &'static str = "expire_order";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = ExpiredOrder;
    type Error = SettleError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ExpiredOrder, SettleError> {
        let (found, attempts) = {
            let mut tx = app.store().read(cx).await?;
            let found = orders::resolve(tx.conn(), &self.order).await?;
            let attempts = sql::unsettled(tx.conn(), found.id).await?;
            (found, attempts)
        };
        let mut is_on_its_way = false;
        if found.is_overdue(cx.now) && cx.mode != Mode::DryRun {
            for attempt in &attempts {
                let checkout = settle::close(app, cx, attempt).await?;
                is_on_its_way |=
                    checkout.is_some_and(|checkout| checkout.state == CheckoutState::Processing);
            }
        }
        let mut tx = app.store().write(cx).await?;
        events::share(tx.conn(), cx, &found.event_id.into()).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        if is_on_its_way {
            sql::pay_by(tx.conn(), order.id, cx.now.plus_seconds(ANOTHER_DAY)).await?;
        }
        if is_on_its_way || !order.is_overdue(cx.now) {
            let answer = ExpiredOrder {
                status: order.status,
            };
            return Ok(tx.unchanged(answer).await?);
        }
        let items = orders::items(tx.conn(), order.id).await?;
        sql::expire(tx.conn(), cx, order.id).await?;
        let change = OrderExpired {
            which: Which::of(&order),
            ticket_count: order.ticket_count,
            total: order.total(),
        };
        // Whoever paid a part with a gift card has it back.
        for back in give_back_to_cards(tx.conn(), cx, &order, NOT_IN_TIME).await? {
            tx.also(&back);
        }
        let uses = Uses::of(UseStep::ReleaseUsed, order.promo_code_id);
        inventory::release_uses(tx.conn(), &uses).await?;
        let places = inventory::places_of(tx.conn(), &model::counts(&items)).await?;
        inventory::move_taken(tx.conn(), Step::ReleaseHeld, &places).await?;
        let answer = ExpiredOrder {
            status: OrderStatus::Expired,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// Queues a job for every order of all organizations whose time to pay is over; how many were not queued before. Called
/// by workers every minute; any number of them may call it at the same time.
pub async fn expire_due(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let due = {
        let mut tx = app.store().system("end orders").await?;
        sql::due(tx.conn(), now).await?
    };
    // A job that has given up is followed by another one every hour.
    let hour = now.as_microseconds() / 3_600_000_000;
    let mut queued = 0;
    for (organization_id, order_id) in due {
        let actor = Actor::System { reason: "orders" };
        let cx = Cx::new(organization_id, actor, Permissions::NONE).with_now(now);
        let job = Job::new(ExpireOrder::NAME, json!({"order": order_id}));
        let run = job.run(&cx, Some(format!("{order_id}:{hour}")));
        queued += usize::from(app.store().runs().start(&run).await?.is_new);
    }
    Ok(queued)
}

#[cfg(test)]
mod tests {
    use payments::simulator::Fault;

    use super::*;
    use crate::{
        orders::payments::shop::{Shop, expiring},
        testing::Till,
    };

    #[tokio::test]
    async fn what_nobody_paid_in_time_is_closed_and_free_again() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        // Not before its time.
        shop.scene.run(expiring(&order)).await.unwrap();
        assert_eq!(shop.seen(&order).await.order.status, OrderStatus::Pending);
        let later = shop.later();
        assert_eq!(expire_due(&shop.scene.app, later.now).await.unwrap(), 1);
        assert_eq!(expire_due(&shop.scene.app, later.now).await.unwrap(), 0);
        shop.scene.app.run(&later, expiring(&order)).await.unwrap();
        let ended = shop.seen(&order).await;
        assert_eq!(ended.order.status, OrderStatus::Expired);
        shop.choose(&page, "pay");
        assert_eq!(
            shop.checked(&order).await.payments.len(),
            0,
            "the page is closed"
        );
        shop.order(2).await;
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_buyer_who_is_quicker_than_the_end_keeps_the_places() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        shop.choose(&page, "pay");
        let ended = shop.scene.app.run(&shop.later(), expiring(&order)).await;
        assert_eq!(ended.unwrap().status, OrderStatus::Paid);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_page_that_the_processor_does_not_know_keeps_no_places() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        shop.page(&order).await;
        // Another account, or a simulator that was started anew.
        let other = Till::open().await;
        let app = shop.scene.app.clone().with_payments(Some(other.payments()));
        let ended = app.run(&shop.later(), expiring(&order)).await;
        assert_eq!(ended.unwrap().status, OrderStatus::Expired);
        shop.order(2).await;
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_order_without_a_page_ends_without_the_processor() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        shop.simulator.add_faults([Fault::Refused {
            status: 503,
            retry_after: None,
        }]);
        let ended = shop.scene.app.run(&shop.later(), expiring(&order)).await;
        assert_eq!(ended.unwrap().status, OrderStatus::Expired);
        // An organizer's order waits as long as they like.
        let theirs = shop.scene.order(shop.event, 1).await;
        assert_eq!(theirs.order.pay_by, None);
        let left = shop.scene.app.run(&shop.later(), expiring(&theirs)).await;
        assert_eq!(left.unwrap().status, OrderStatus::Pending);
        shop.scene.reconcile().await;
    }
}
