//! `redeem_gift_card`: an order is paid with a gift card, or a part of it.

use domain::{Cx, Facts, Fault, FaultSpec, Money, OrderId, Permission, Recorded, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::GiftCardRedeemed,
    model::{PaymentMethod, Received},
    payable::{PayableError, payable},
    sql,
};
use crate::{
    App, Effect, Operation,
    codes::CodeLookupError,
    events,
    gift_cards::{self, UseGiftCardError},
    lookup::LookupError,
    orders::{
        OrderDetail, changes::Which, confirm_payment::fulfil, detail, invoices::keep_up,
        sql as orders,
    },
};

/// Pay a pending order with a gift card: as much as is needed and there is on it. What is still open afterwards is paid in any
/// other way, or with another card. An order that nothing is open of is paid, and its tickets are issued.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RedeemGiftCard {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// The gift card's code; case, spaces and hyphens do not matter.
    pub code: String,
    /// How much; as much as is needed and there is when absent.
    pub amount: Option<Money>,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedeemedGiftCard {
    /// The order.
    pub order: OrderDetail,
    /// What was taken from the card.
    pub amount: Money,
    /// What is left on it.
    pub balance: Money,
}

impl Operation for RedeemGiftCard {
    const NAME: &'static str = "redeem_gift_card";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = RedeemedGiftCard;
    type Error = RedeemGiftCardError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RedeemedGiftCard, RedeemGiftCardError> {
        let mut tx = app.store().write(cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        let event = events::share(tx.conn(), cx, &found.event_id.into()).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        payable(tx.conn(), cx, &event, &order).await?;
        let open = order.open();
        let card = gift_cards::find_usable(&mut tx, &self.code, open).await?;
        let amount = gift_cards::take(tx.conn(), cx, &card, self.amount, open).await?;
        let reference = format!("gift card ending in {}", card.ending);
        let received = Received {
            method: PaymentMethod::GiftCard,
            amount,
            reference: Some(&reference),
            processor_reference: None,
            gift_card_id: Some(card.id),
            moved_from: None,
            came_at: cx.now,
        };
        sql::receive(tx.conn(), cx, order.id, &received).await?;
        let still_open = Money::new(open.amount - amount.amount, open.currency);
        let mut changes = vec![Recorded::of(&GiftCardRedeemed {
            which: Which::of(&order),
            gift_card_id: card.id,
            ending: card.ending,
            amount,
            still_open,
        })];
        if still_open.is_zero() {
            let paid = fulfil(&mut tx, &order, amount).await?;
            // What is held cannot run out.
            let paid = paid.map_err(|_| sqlx::Error::RowNotFound)?;
            changes.push(Recorded::of(&paid));
        } else {
            keep_up(&mut tx, order.id).await?;
        }
        let answer = RedeemedGiftCard {
            order: detail(tx.conn(), cx, order.id).await?,
            amount,
            balance: Money::new(card.balance.amount - amount.amount, amount.currency),
        };
        Ok(tx.commit_all(changes, answer).await?)
    }
}

/// How `redeem_gift_card` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RedeemGiftCardError {
    /// The order cannot be paid.
    #[error(transparent)]
    Payable(#[from] PayableError),
    /// The card cannot pay.
    #[error(transparent)]
    Card(#[from] UseGiftCardError),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

impl Fault for RedeemGiftCardError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = PayableError::specs();
        specs.extend(UseGiftCardError::specs());
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Payable(error) => error.facts(),
            Self::Card(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for RedeemGiftCardError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for RedeemGiftCardError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for RedeemGiftCardError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cx, GiftCardId};
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        gift_cards::{GetGiftCard, IssueGiftCards, ONE_AT_A_TIME, UpdateGiftCard},
        orders::{
            CancelOrder, ConfirmPayment, OrderStatus, ReactivateOrder, RefundChoice,
            payments::{
                RefundOrder,
                shop::{Shop, expiring, paying},
            },
        },
        testing::{Scene, assert_refused, eur, invoicing, without},
    };

    struct Card {
        id: GiftCardId,
        code: String,
    }

    async fn card(scene: &Scene, amount: i64) -> Card {
        let issue = IssueGiftCards::of(Money::new(amount, eur()));
        let id = scene.run(issue).await.unwrap().gift_cards[0].id;
        let shown = scene.run(GetGiftCard::of(id.into())).await.unwrap();
        let code = shown.code.unwrap();
        Card { id, code }
    }

    async fn left(scene: &Scene, card: &Card) -> i64 {
        let seen = scene.run(GetGiftCard::of(card.id.into())).await;
        seen.unwrap().balance.amount
    }

    fn redeeming(order: &OrderDetail, card: &Card) -> RedeemGiftCard {
        RedeemGiftCard {
            order: order.order.id.into(),
            code: card.code.clone(),
            amount: None,
        }
    }

    #[tokio::test]
    async fn a_card_pays_an_order_and_keeps_the_rest() {
        let shop = Shop::new(5).await;
        shop.scene.run(invoicing()).await.unwrap();
        let card = card(&shop.scene, 8000).await;
        let order = shop.order(2).await;
        let paid = shop
            .scene
            .app
            .run(&shop.buyer(), redeeming(&order, &card))
            .await;
        let paid = paid.unwrap();
        assert_eq!((paid.amount.amount, paid.balance.amount), (5000, 3000));
        assert_eq!(paid.order.order.status, OrderStatus::Paid);
        assert_eq!(paid.order.tickets.len(), 2);
        assert_eq!(paid.order.payments[0].method, PaymentMethod::GiftCard);
        let changes = shop.scene.changes().await;
        let summaries: Vec<_> = changes
            .iter()
            .map(|change| change.summary.as_str())
            .collect();
        let said = format!(
            "Pays 50.00 EUR of order {} for \"Spring Gala\" with the gift card ending in {}; nothing more is to be paid",
            order.order.number,
            &card.code[15..]
        );
        assert!(summaries.contains(&said.as_str()), "{summaries:?}");
        assert!(changes.iter().any(|change| change.kind == "order.paid"));
        shop.scene.reconcile().await;
        let again = shop.scene.run(redeeming(&order, &card)).await;
        assert_refused(again, "nothing_to_pay");
        assert_eq!(left(&shop.scene, &card).await, 3000);
    }

    #[tokio::test]
    async fn what_a_card_does_not_cover_is_paid_otherwise_and_each_part_goes_back_where_it_came_from()
     {
        let shop = Shop::new(5).await;
        let cards = [card(&shop.scene, 1500).await, card(&shop.scene, 9000).await];
        let order = shop.order(2).await;
        let first = shop.scene.run(redeeming(&order, &cards[0])).await.unwrap();
        assert_eq!((first.amount.amount, first.balance.amount), (1500, 0));
        assert_eq!(first.order.order.status, OrderStatus::Pending);
        let some = RedeemGiftCard {
            amount: Some(Money::new(500, eur())),
            ..redeeming(&order, &cards[1])
        };
        let second = shop.scene.run(some).await.unwrap();
        assert_eq!(second.order.order.open.unwrap().amount, 3000);
        let page = shop.page(&order).await;
        shop.choose(&page, "pay");
        let paid = shop.checked(&order).await;
        assert_eq!(
            (paid.order.status, paid.payments.len()),
            (OrderStatus::Paid, 3)
        );
        shop.scene.reconcile().await;
        // Money first, then the cards, the newest first.
        let part = RefundOrder {
            order: order.order.id.into(),
            amount: Some(Money::new(3700, eur())),
            reason: None,
        };
        let back = shop.scene.run(part).await.unwrap();
        assert_eq!((back.by_itself.amount, back.by_hand.amount), (3700, 0));
        assert_eq!(left(&shop.scene, &cards[0]).await, 200);
        assert_eq!(left(&shop.scene, &cards[1]).await, 9000);
        shop.checked(&order).await;
        shop.scene.reconcile().await;
        let cancel = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..CancelOrder::of(order.order.id.into())
        };
        shop.scene.run(cancel).await.unwrap();
        assert_eq!(left(&shop.scene, &cards[0]).await, 1500);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_order_that_runs_out_gives_the_card_its_money_back() {
        let shop = Shop::new(2).await;
        let card = card(&shop.scene, 1500).await;
        let order = shop.order(2).await;
        shop.scene.run(redeeming(&order, &card)).await.unwrap();
        let over = shop
            .scene
            .app
            .run(&shop.later(), redeeming(&order, &card))
            .await;
        assert_refused(over, "payment_time_over");
        shop.scene
            .app
            .run(&shop.later(), expiring(&order))
            .await
            .unwrap();
        assert_eq!(left(&shop.scene, &card).await, 1500);
        let ended = shop.seen(&order).await;
        assert_eq!(ended.order.status, OrderStatus::Expired);
        assert_eq!(ended.refunds[0].method, PaymentMethod::GiftCard);
        shop.scene.reconcile().await;
        // Brought back, it owes all of it.
        let back = ReactivateOrder {
            order: order.order.id.into(),
            reason: None,
        };
        let back = shop.scene.run(back).await.unwrap();
        assert_eq!(back.order.open.unwrap().amount, 5000);
        shop.scene.run(redeeming(&order, &card)).await.unwrap();
        shop.scene
            .run(ConfirmPayment::of(order.order.id.into()))
            .await
            .unwrap();
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_page_for_more_than_is_open_gives_its_money_back() {
        let shop = Shop::new(2).await;
        let card = card(&shop.scene, 1500).await;
        let order = shop.order(2).await;
        let page = shop.page(&order).await;
        shop.scene.run(redeeming(&order, &card)).await.unwrap();
        let next = shop
            .scene
            .app
            .run(&shop.buyer(), paying(&order))
            .await
            .unwrap();
        assert_eq!(next.amount.amount, 3500);
        shop.choose(&page, "pay");
        let checked = shop.checked(&order).await;
        assert_eq!(checked.order.status, OrderStatus::Pending);
        assert_eq!(checked.refunds[0].amount.amount, 5000);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_pay() {
        let shop = Shop::new(5).await;
        let scene = &shop.scene;
        let order = shop.order(1).await;
        let good = card(scene, 1000).await;
        let with = |code: &str| RedeemGiftCard {
            code: code.to_owned(),
            ..redeeming(&order, &good)
        };
        assert_refused(scene.run(with("ABCD")).await, "gift_card_misread");
        // An id is no secret, and pays nothing.
        assert_refused(
            scene.run(with(&good.id.to_string())).await,
            "gift_card_misread",
        );
        let nobodys = crate::codes::generate(&scene.cx, 16);
        assert_refused(scene.run(with(&nobodys)).await, "gift_card_unknown");
        for amount in [0, -1, 1001, 2501] {
            let command = RedeemGiftCard {
                amount: Some(Money::new(amount, eur())),
                ..redeeming(&order, &good)
            };
            assert_refused(scene.run(command).await, "gift_card_use_out_of_range");
        }
        let dollars = IssueGiftCards::of(Money::new(1000, "USD".parse().unwrap()));
        let dollars = scene.run(dollars).await.unwrap().gift_cards[0].id;
        let dollars = scene.run(GetGiftCard::of(dollars.into())).await.unwrap();
        let refused = scene.run(with(&dollars.code.unwrap())).await;
        assert_refused(refused, "currency_differs");
        let block = UpdateGiftCard {
            is_blocked: Some(true),
            ..UpdateGiftCard::of(good.id.into())
        };
        scene.run(block).await.unwrap();
        let refused = scene.run(redeeming(&order, &good)).await.unwrap_err();
        assert!(refused.to_string().ends_with("is blocked"), "{refused}");
        assert_refused::<(), _>(Err(refused), "gift_card_not_active");
        let elsewhere = scene.other_organization().await;
        let foreign = scene.app.run(&elsewhere, redeeming(&order, &good)).await;
        assert_refused(foreign, "not_found");
        assert_eq!(left(scene, &good).await, 1000);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let shop = Shop::new(5).await;
        let card = card(&shop.scene, 1000).await;
        let order = shop.order(1).await;
        shop.scene.assert_idempotent(redeeming(&order, &card)).await;
        shop.scene.reconcile().await;
    }

    /// Twenty orders of 25.00 and one card over 60.00, on two servers; what was taken, and what is left.
    async fn rush(
        scene: &Scene,
        orders: &[OrderDetail],
        card: &Card,
        servers: [App; 2],
    ) -> (i64, i64) {
        let mut tries = JoinSet::new();
        for (index, order) in orders.iter().enumerate() {
            let (app, cx): (App, Cx) = (servers[index % 2].clone(), scene.cx.clone());
            let command = redeeming(order, card);
            tries.spawn(async move { app.run(&cx.apart(), command).await });
        }
        let mut taken = 0;
        for outcome in tries.join_all().await {
            match outcome {
                Ok(redeemed) => taken += redeemed.amount.amount,
                Err(error) => assert_refused::<(), _>(Err(error), "gift_card_not_active"),
            }
        }
        (taken, left(scene, card).await)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_card_is_spent_once_however_many_orders_want_it() {
        let shop = Shop::new(20).await;
        let card = card(&shop.scene, 6000).await;
        let mut orders = Vec::new();
        for _ in 0..20 {
            orders.push(shop.order(1).await);
        }
        let servers = [shop.scene.another_server(), shop.scene.another_server()];
        assert_eq!(rush(&shop.scene, &orders, &card, servers).await, (6000, 0));
        shop.scene.reconcile().await;
    }

    /// The control: without the lock, and what the database itself refuses, more is spent than there was.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_more_is_spent_when_a_card_is_not_locked() {
        let shop = Shop::new(20).await;
        let card = card(&shop.scene, 6000).await;
        let mut orders = Vec::new();
        for _ in 0..20 {
            orders.push(shop.order(1).await);
        }
        let unguarded = || shop.scene.server_with(without(&[ONE_AT_A_TIME]));
        let off = "alter table gift_card drop constraint gift_card_balance_not_negative";
        shop.scene.database.tell(off).await;
        let (taken, _) = rush(&shop.scene, &orders, &card, [unguarded(), unguarded()]).await;
        assert!(taken > 6000, "{taken}");
    }
}
