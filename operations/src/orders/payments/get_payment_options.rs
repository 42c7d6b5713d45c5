//! `get_payment_options`: how an order can be paid now.

use domain::{Cx, Facts, Fault, FaultSpec, Money, OrderId, Permission, Reference, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::payable::{PayableError, payable};
use crate::{
    App, Effect, Operation, codes::CodeLookupError, events, gift_cards, lookup::LookupError,
    orders::sql as orders,
};

/// How a pending order can be paid now: on a page of the payment provider, with a gift card, or to the organizer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetPaymentOptions {
    /// Order: id or number.
    pub order: Reference<OrderId>,
}

/// The ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentOptions {
    /// What is to be paid.
    pub open: Money,
    /// Until when; as long as the organizer likes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// Whether `start_checkout` gives a page to pay on.
    pub online: bool,
    /// Whether there are gift cards that can be used: `redeem_gift_card`.
    pub gift_card: bool,
    /// Whether the organizer takes the money, and `confirm_payment` records it.
    pub to_organizer: bool,
}

impl Operation for GetPaymentOptions {
    const NAME: &'static str = "get_payment_options";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = PaymentOptions;
    type Error = PaymentOptionsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<PaymentOptions, PaymentOptionsError> {
        let mut tx = app.store().read(cx).await?;
        let order = orders::resolve(tx.conn(), &self.order).await?;
        let event = events::resolve(tx.conn(), cx, &order.event_id.into()).await?;
        payable(tx.conn(), cx, &event, &order).await?;
        let online = app.payments().is_some();
        Ok(PaymentOptions {
            open: order.open(),
            pay_by: order.pay_by,
            online,
            gift_card: gift_cards::is_any_active(tx.conn(), cx, order.currency).await?,
            // What a buyer ordered to pay at once is not waited for.
            to_organizer: order.pay_by.is_none(),
        })
    }
}

/// How `get_payment_options` refuses.
#[derive(Debug, thiserror::Error)]
pub enum PaymentOptionsError {
    /// The order cannot be paid.
    #[error(transparent)]
    Payable(#[from] PayableError),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

impl Fault for PaymentOptionsError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = PayableError::specs();
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Payable(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for PaymentOptionsError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<store::StoreError> for PaymentOptionsError {
    fn from(error: store::StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gift_cards::{IssueGiftCards, UpdateGiftCard},
        orders::{CancelOrder, OrderDetail, payments::shop::Shop},
        testing::{Scene, assert_refused, eur},
    };

    fn asking(order: &OrderDetail) -> GetPaymentOptions {
        GetPaymentOptions {
            order: order.order.id.into(),
        }
    }

    #[tokio::test]
    async fn says_which_ways_there_are_now() {
        let shop = Shop::new(5).await;
        let order = shop.order(2).await;
        let ways = async || {
            let asked = shop.scene.app.run(&shop.buyer(), asking(&order)).await;
            let ways = asked.unwrap();
            assert_eq!(ways.open.amount, 5000);
            (ways.online, ways.gift_card, ways.to_organizer)
        };
        assert_eq!(ways().await, (true, false, false));
        let dollars = IssueGiftCards::of(Money::new(100, "USD".parse().unwrap()));
        shop.scene.run(dollars).await.unwrap();
        assert_eq!(ways().await, (true, false, false));
        let card = IssueGiftCards::of(Money::new(100, eur()));
        let card = shop.scene.run(card).await.unwrap().gift_cards[0].id;
        assert_eq!(ways().await, (true, true, false));
        let block = UpdateGiftCard {
            is_blocked: Some(true),
            ..UpdateGiftCard::of(card.into())
        };
        shop.scene.run(block).await.unwrap();
        assert_eq!(ways().await, (true, false, false));
        let late = shop.scene.app.run(&shop.later(), asking(&order)).await;
        assert_refused(late, "payment_time_over");
        let cancel = CancelOrder::of(order.order.id.into());
        shop.scene.run(cancel).await.unwrap();
        assert_refused(shop.scene.run(asking(&order)).await, "nothing_to_pay");
    }

    #[tokio::test]
    async fn without_a_provider_the_organizer_is_paid() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 1).await;
        let ways = scene.run(asking(&order)).await.unwrap();
        assert_eq!((ways.online, ways.to_organizer), (false, true));
        let other = scene.other_organization().await;
        let foreign = scene.app.run(&other, asking(&order)).await;
        assert_refused(foreign, "not_found");
    }
}
