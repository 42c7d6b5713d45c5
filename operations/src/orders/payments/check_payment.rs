//! `check_payment`: what came of an order's money.

use domain::{Cx, OrderId, Permission, Reference, context::Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{error::SettleError, settle::settle};
use crate::{
    App, Effect, Operation,
    orders::{OrderDetail, detail, sql as orders},
};

/// Ask the payment provider what came of an order's payments and refunds, record it, and carry out refunds that wait. It
/// happens by itself; call it when somebody asks whether their money has come in. Repeating it changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckPayment {
    /// Order: id or number.
    pub order: Reference<OrderId>,
}

/// The order as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedPayment {
    /// The order.
    pub order: OrderDetail,
}

impl Operation for CheckPayment {
    const NAME: &'static str = "check_payment";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = CheckedPayment;
    type Error = SettleError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CheckedPayment, SettleError> {
        let found = {
            let mut tx = app.store().read(cx).await?;
            orders::resolve(tx.conn(), &self.order).await?
        };
        // What a processor is asked cannot be taken back.
        if cx.mode != Mode::DryRun {
            settle(app, cx, found.id).await?;
        }
        let mut tx = app.store().write(cx).await?;
        let answer = CheckedPayment {
            order: detail(tx.conn(), cx, found.id).await?,
        };
        Ok(tx.unchanged(answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use crate::{
        orders::{
            CancelOrder, ConfirmPayment, OrderStatus,
            payments::{
                RefundStatus,
                shop::{Shop, checking},
            },
        },
        testing::{Till, buying},
    };

    #[tokio::test]
    async fn a_declined_card_and_a_bank_that_asks_first_lead_on() {
        let shop = Shop::new(5).await;
        let order = shop.order(1).await;
        let page = shop.page(&order).await;
        for action in ["decline", "authenticate", "fail"] {
            shop.choose(&page, action);
            let order = shop.checked(&order).await;
            assert_eq!(order.order.status, OrderStatus::Pending, "{action}");
        }
        shop.choose(&page, "authenticate");
        shop.choose(&page, "complete");
        assert_eq!(shop.checked(&order).await.order.status, OrderStatus::Paid);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_that_comes_late_takes_the_places_if_they_are_there() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        shop.expired_by_hand(&order).await;
        shop.choose(&page, "pay");
        let paid = shop.checked(&order).await;
        assert_eq!(
            (paid.order.status, paid.tickets.len()),
            (OrderStatus::Paid, 2)
        );
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_of_a_page_that_was_unknown_for_a_while_is_found() {
        let shop = Shop::new(2).await;
        let order = shop.order(1).await;
        let page = shop.page(&order).await;
        shop.choose(&page, "pay");
        // Asked with the key of another account, which is then put right.
        let other = Till::open().await;
        let app = shop.scene.app.clone().with_payments(Some(other.payments()));
        let seen = app.run(&shop.scene.cx, checking(&order)).await.unwrap();
        assert_eq!(seen.order.order.status, OrderStatus::Pending);
        assert_eq!(shop.checked(&order).await.order.status, OrderStatus::Paid);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_that_comes_too_late_goes_back_by_itself() {
        let shop = Shop::new(2).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        shop.expired_by_hand(&order).await;
        shop.order(1).await;
        shop.choose(&page, "pay");
        let ended = shop.checked(&order).await;
        assert_eq!(ended.order.status, OrderStatus::Expired);
        assert_eq!(ended.payments[0].amount, ended.refunds[0].amount);
        assert_eq!(ended.refunds[0].status, RefundStatus::Done);
        assert!(ended.refunds[0].reason.as_ref().unwrap().contains("late"));
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn late_money_and_a_new_buyer_never_share_the_last_place() {
        for _ in 0..8 {
            let shop = Shop::new(1).await;
            let order = shop.order(1).await;
            let page = shop.page(&order).await;
            shop.expired_by_hand(&order).await;
            shop.choose(&page, "pay");
            let buyer = shop.buyer();
            let (late, new) = tokio::join!(
                shop.scene.run(checking(&order)),
                shop.scene.app.run(&buyer, buying(shop.event, "Regular", 1)),
            );
            let is_paid = late.unwrap().order.order.status == OrderStatus::Paid;
            assert_ne!(is_paid, new.is_ok());
            let refunds = shop.seen(&order).await.refunds.len();
            assert_eq!(refunds == 1, !is_paid);
            shop.scene.reconcile().await;
        }
    }

    #[tokio::test]
    async fn what_is_paid_twice_or_for_nothing_goes_back() {
        let shop = Shop::new(5).await;
        // By hand and on the page.
        let order = shop.order(1).await;
        let page = shop.page(&order).await;
        let by_hand = ConfirmPayment::of(order.order.id.into());
        shop.scene.run(by_hand).await.unwrap();
        shop.choose(&page, "pay");
        let twice = shop.checked(&order).await;
        assert_eq!((twice.payments.len(), twice.tickets.len()), (2, 1));
        assert_eq!(twice.refunds[0].amount.amount, 2500);
        assert_eq!(twice.refunds[0].status, RefundStatus::Done);
        // For an order that was called off.
        let order = shop.order(1).await;
        let page = shop.page(&order).await;
        shop.scene
            .run(CancelOrder::of(order.order.id.into()))
            .await
            .unwrap();
        shop.choose(&page, "pay");
        let ended = shop.checked(&order).await;
        assert_eq!(ended.order.status, OrderStatus::Cancelled);
        assert_eq!(ended.refunds[0].status, RefundStatus::Done);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn many_who_look_at_once_count_the_money_once() {
        let shop = Shop::new(5).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        shop.choose(&page, "pay");
        let mut looking = JoinSet::new();
        for _ in 0..16 {
            let (app, cx, look) = (
                shop.scene.app.clone(),
                shop.scene.cx.clone(),
                checking(&order),
            );
            looking.spawn(async move { app.run(&cx, look).await.map(|seen| seen.order) });
        }
        for seen in looking.join_all().await {
            let seen = seen.unwrap();
            assert_eq!((seen.payments.len(), seen.tickets.len()), (1, 2));
        }
        assert_eq!(
            shop.count("select count(*) from change where kind = 'order.paid'")
                .await,
            1
        );
        shop.scene.reconcile().await;
    }
}
