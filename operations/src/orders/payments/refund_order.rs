//! `refund_order`: money goes back to a buyer.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Money, Name, OrderId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::give_back::give_back;
use crate::{
    App, Effect, Operation,
    codes::CodeLookupError,
    lookup::LookupError,
    orders::{OrderDetail, detail, invoices::keep_up, sql as orders},
};

/// Give all or a part of an order's money back. Its tickets stay valid: to void them too, use `cancel_order`. What came
/// through the payment provider or from a gift card goes back there; the rest is on record for the organizer to transfer. A person approves
/// the exact amount first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RefundOrder {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// How much; all that is left when absent.
    pub amount: Option<Money>,
    /// Why, for the record.
    pub reason: Option<Name>,
}

/// What goes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RefundedOrder {
    /// The order.
    pub order: OrderDetail,
    /// What goes back by itself: through the payment provider, or onto a gift card.
    pub by_itself: Money,
    /// What the organizer transfers.
    pub by_hand: Money,
}

impl Operation for RefundOrder {
    const NAME: &'static str = "refund_order";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = RefundedOrder;
    type Error = RefundOrderError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RefundedOrder, RefundOrderError> {
        let mut tx = app.store().write(cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        let left = order.refundable();
        if left.is_zero() {
            return Err(RefundOrderError::NothingLeft(order.number));
        }
        let amount = self.amount.unwrap_or(left);
        if amount.currency != left.currency {
            return Err(RefundOrderError::OtherCurrency {
                given: amount,
                left,
            });
        }
        if amount.amount <= 0 || amount.amount > left.amount {
            return Err(RefundOrderError::OutOfRange {
                given: amount,
                left,
            });
        }
        let reason = self.reason.as_ref().map(Name::as_str);
        let (given, change) = give_back(tx.conn(), cx, &order, amount, None, reason).await?;
        keep_up(&mut tx, order.id).await?;
        let answer = RefundedOrder {
            order: detail(tx.conn(), cx, order.id).await?,
            by_itself: given.by_itself,
            by_hand: given.by_hand,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

/// How `refund_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum RefundOrderError {
    /// Nothing was paid, or all of it went back.
    #[error("nothing is left to give back for order {0}")]
    NothingLeft(String),
    /// The amount is in another currency.
    #[error("{given} is in another currency than what was paid; {left} are left")]
    OtherCurrency {
        /// What was asked for.
        given: Money,
        /// What can be given back.
        left: Money,
    },
    /// More than is left, or nothing.
    #[error("{given} cannot be given back: at most {left} are left of what was paid")]
    OutOfRange {
        /// What was asked for.
        given: Money,
        /// What can be given back.
        left: Money,
    },
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const NOTHING_LEFT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "nothing_to_refund",
    "Read the order: nothing was paid for it, or all of it has been given back or is on its way.",
);
const OTHER_CURRENCY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "refund_currency_differs",
    "Give the amount in the order's currency, or leave it out to give everything back.",
);
const OUT_OF_RANGE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "refund_out_of_range",
    "Give an amount above zero and up to what is left, or leave it out to give everything back.",
);

impl Fault for RefundOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOTHING_LEFT, OTHER_CURRENCY, OUT_OF_RANGE];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingLeft(_) => NOTHING_LEFT.at("order"),
            Self::OtherCurrency { .. } => OTHER_CURRENCY.at("amount"),
            Self::OutOfRange { .. } => OUT_OF_RANGE.at("amount"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for RefundOrderError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for RefundOrderError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::{RefundId, context::Mode};
    use payments::{PaymentReference, RefundRequest, simulator::Fault};

    use super::*;
    use crate::{
        approvals::policy,
        orders::{
            CancelOrder, ConfirmPayment, RefundChoice,
            payments::{
                RefundStatus,
                shop::{Shop, checking},
            },
        },
        permission::Role,
        testing::{assert_refused, eur},
        tickets::TicketStatus,
    };

    fn refunding(order: &OrderDetail, amount: Option<i64>) -> RefundOrder {
        RefundOrder {
            order: order.order.id.into(),
            amount: amount.map(|amount| Money::new(amount, eur())),
            reason: Some("ill".parse().unwrap()),
        }
    }

    #[tokio::test]
    async fn a_part_goes_back_the_way_it_came_and_the_tickets_stay() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let asked = shop.scene.run(refunding(&order, Some(1500))).await.unwrap();
        assert_eq!((asked.by_itself.amount, asked.by_hand.amount), (1500, 0));
        assert_eq!(asked.order.refunds[0].status, RefundStatus::Pending);
        let job = "select count(*) from workflow_run where workflow = 'job:check_payment'";
        assert_eq!(shop.count(job).await, 1);
        let done = shop.checked(&order).await;
        assert_eq!(done.refunds[0].status, RefundStatus::Done);
        assert!(
            done.tickets
                .iter()
                .all(|ticket| ticket.status == TicketStatus::Valid)
        );
        let summary = shop.scene.changes().await.pop().unwrap().summary;
        let number = &order.order.number;
        assert_eq!(
            summary,
            format!("15.00 EUR for order {number} for \"Spring Gala\" have been given back")
        );
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn never_more_goes_back_than_came_in() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        for amount in [5001, 0, -1] {
            let refused = shop.scene.run(refunding(&order, Some(amount))).await;
            assert_refused(refused, "refund_out_of_range");
        }
        let yen = RefundOrder {
            amount: Some(Money::new(100, "JPY".parse().unwrap())),
            ..refunding(&order, None)
        };
        assert_refused(shop.scene.run(yen).await, "refund_currency_differs");
        shop.scene.run(refunding(&order, Some(3000))).await.unwrap();
        let refused = shop.scene.run(refunding(&order, Some(2001))).await;
        assert_refused(refused, "refund_out_of_range");
        shop.scene.run(refunding(&order, None)).await.unwrap();
        assert_refused(
            shop.scene.run(refunding(&order, None)).await,
            "nothing_to_refund",
        );
        let unpaid = shop.order(1).await;
        assert_refused(
            shop.scene.run(refunding(&unpaid, None)).await,
            "nothing_to_refund",
        );
        let other = shop.scene.other_organization().await;
        let refused = shop.scene.app.run(&other, refunding(&order, None)).await;
        assert_refused(refused, "not_found");
        let box_office = shop.scene.as_role(Role::BoxOffice);
        let refused = shop
            .scene
            .app
            .run(&box_office, refunding(&order, None))
            .await;
        assert_refused(refused, "forbidden");
        // The database itself refuses, whoever asks it.
        let beyond = "update orders set refunded_amount = paid_amount + 1";
        let mut owner = shop.scene.database.owner().await;
        let refused = sqlx::query(beyond).execute(&mut owner).await.unwrap_err();
        let named = refused
            .as_database_error()
            .and_then(|error| error.constraint());
        assert_eq!(named, Some("orders_refunded_within_paid"));
        let done = shop.checked(&order).await;
        assert!(
            done.refunds
                .iter()
                .all(|refund| refund.status == RefundStatus::Done)
        );
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn many_at_once_give_back_no_more_than_came_in() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (app, cx) = (shop.scene.app.clone(), shop.scene.cx.clone());
            let refund = refunding(&order, Some(1000));
            asking.spawn(async move { app.run(&cx, refund).await.is_ok() });
        }
        let done = asking.join_all().await;
        assert_eq!(done.iter().filter(|done| **done).count(), 5);
        assert_eq!(shop.checked(&order).await.refunds.len(), 5);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_lost_answer_makes_no_second_refund() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        shop.scene.run(refunding(&order, Some(2000))).await.unwrap();
        shop.simulator
            .add_faults([Fault::Slow { ms: 1 }, Fault::Cut]);
        // The first request of a look is the refund; another the payment.
        let _ = shop.scene.run(checking(&order)).await;
        let done = shop.checked(&order).await;
        assert_eq!(done.refunds.len(), 1);
        assert_eq!(done.refunds[0].status, RefundStatus::Done);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_fails_is_said_and_can_be_given_back_again() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        shop.scene.run(refunding(&order, None)).await.unwrap();
        shop.simulator.add_faults([Fault::Refused {
            status: 400,
            retry_after: None,
        }]);
        let failed = shop.checked(&order).await;
        assert_eq!(failed.refunds[0].status, RefundStatus::Failed);
        assert!(failed.refunds[0].failure.is_some());
        shop.scene.reconcile().await;
        shop.scene.run(refunding(&order, None)).await.unwrap();
        let done = shop.checked(&order).await;
        assert_eq!(done.refunds[1].status, RefundStatus::Done);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_was_given_back_in_the_processors_own_pages_is_found() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let reference = "select count(*) from payment where processor_reference is not null";
        assert_eq!(shop.count(reference).await, 1);
        let id = shop
            .scene
            .database
            .ask("select processor_reference as id from payment")
            .await;
        let id = id[0]["id"].as_str().unwrap();
        let by_hand = RefundRequest {
            refund_id: shop.scene.cx.new_id::<RefundId>(),
            order_id: order.order.id,
            payment: PaymentReference::new(id),
            amount: Money::new(700, eur()),
        };
        let processor = shop.scene.app.payments().unwrap().processor.clone();
        processor.refund(&by_hand).await.unwrap();
        let found = shop.checked(&order).await;
        assert_eq!(found.refunds[0].amount.amount, 700);
        assert_eq!(shop.checked(&order).await.refunds.len(), 1);
        let refused = shop.scene.run(refunding(&order, Some(4301))).await;
        assert_refused(refused, "refund_out_of_range");
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn cancelling_gives_back_the_way_it_was_paid() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let cancel = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..CancelOrder::of(order.order.id.into())
        };
        let done = shop.scene.run(cancel).await.unwrap();
        assert_eq!(done.order.refunds[0].status, RefundStatus::Pending);
        let summary = shop.scene.changes().await.pop().unwrap().summary;
        assert!(
            summary.ends_with("50.00 EUR are given back the way they were paid"),
            "{summary}"
        );
        let done = shop.checked(&order).await;
        assert_eq!(done.refunds[0].status, RefundStatus::Done);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_came_by_hand_goes_back_by_hand() {
        let shop = Shop::new(5).await;
        let order = shop.order(1).await;
        shop.scene
            .run(ConfirmPayment::of(order.order.id.into()))
            .await
            .unwrap();
        let back = shop.scene.run(refunding(&order, None)).await.unwrap();
        assert_eq!((back.by_itself.amount, back.by_hand.amount), (0, 2500));
        assert_eq!(back.order.refunds[0].status, RefundStatus::Done);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_person_decides_about_every_refund() {
        let shop = Shop::new(5).await;
        let order = shop.paid(1).await;
        let dry = shop.scene.cx.in_mode(Mode::DryRun);
        shop.scene
            .app
            .run(&dry, refunding(&order, None))
            .await
            .unwrap();
        assert!(policy::may_ask("refund_order"));
        let input = serde_json::json!({});
        let reason = policy::verdict("refund_order", &input, &dry.recorded()).unwrap();
        assert_eq!(reason.code, "moves_money");
        assert_eq!(shop.seen(&order).await.refunds.len(), 0);
        shop.scene.assert_idempotent(refunding(&order, None)).await;
        shop.checked(&order).await;
        shop.scene.reconcile().await;
    }
}
