//! `start_checkout`: a page on which a buyer pays an order.

use domain::{
    Cx, Facts, Fault, FaultSpec, Money, OrderId, Permission, Reference, Timestamp, context::Mode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    error::{ProcessorFault, SettleError},
    model::{Attempt, AttemptStatus, PaymentMethod},
    payable::{PayableError, payable},
    settle::{self, is_usable},
    sql,
};
use crate::{
    App, Effect, Operation,
    buyers::{OrderLink, OrderPages},
    codes::CodeLookupError,
    events,
    lookup::LookupError,
    orders::sql as orders,
};

/// Get a page of the payment provider on which the buyer pays a pending order. Asking again gives the same page while it
/// is open. The order becomes paid by itself when the money is there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StartCheckout {
    /// Order: id or number.
    pub order: Reference<OrderId>,
}

/// The page to send the buyer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartedCheckout {
    /// Its address; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// What is paid there.
    pub amount: Money,
    /// When the page closes.
    pub closes_at: Timestamp,
}

/// How long a page is open, in seconds: a little more than the shortest that Stripe has.
const OPEN_SECONDS: i64 = 36 * 60;

impl Operation for StartCheckout {
    const NAME: &'static str = "start_checkout";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = StartedCheckout;
    type Error = StartCheckoutError;

    async fn run(self, app: &App, cx: &Cx) -> Result<StartedCheckout, StartCheckoutError> {
        let payments = app.payments().ok_or(ProcessorFault::NotSetUp)?;
        // Two rounds at most: a page that turns out to be closed is followed by a new one.
        let mut attempt = self.attempt(app, cx, &payments.return_to).await?;
        if cx.mode == Mode::DryRun {
            return Ok(answer(&attempt, None));
        }
        if attempt.status == AttemptStatus::Open {
            let checkout = settle::look(app, cx, &attempt).await?;
            if checkout.is_none_or(|checkout| checkout.page_url.is_none()) {
                attempt = self.attempt(app, cx, &payments.return_to).await?;
            }
        }
        if attempt.status == AttemptStatus::Asked {
            let checkout = settle::look(app, cx, &attempt).await?;
            attempt.page_url = checkout.and_then(|checkout| checkout.page_url);
        }
        let answer = answer(&attempt, attempt.page_url.clone());
        let tx = app.store().write(cx).await?;
        Ok(tx.unchanged(answer).await?)
    }
}

fn answer(attempt: &Attempt, page_url: Option<String>) -> StartedCheckout {
    StartedCheckout {
        page_url,
        amount: Money::new(attempt.amount, attempt.currency),
        closes_at: attempt.closes_at,
    }
}

impl StartCheckout {
    /// The attempt that the buyer goes on with: the last one while its page is open or unanswered, or a new one.
    async fn attempt(
        &self,
        app: &App,
        cx: &Cx,
        return_to: &OrderPages,
    ) -> Result<Attempt, StartCheckoutError> {
        let cx = cx.apart();
        let mut tx = app.store().write(&cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        let event = events::share(tx.conn(), &cx, &found.event_id.into()).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        let last = payable(tx.conn(), &cx, &event, &order).await?;
        let last_number = last.as_ref().map_or(0, |last| last.number);
        if let Some(last) = last {
            let is_due = last.amount == order.open().amount;
            match last.status {
                AttemptStatus::Asked if is_due => return Ok(tx.unchanged(Kept(last)).await?.0),
                AttemptStatus::Open if is_due && is_usable(&last, cx.now) => {
                    return Ok(tx.unchanged(Kept(last)).await?.0);
                }
                _ => {}
            }
        }
        let link = OrderLink {
            organization_id: cx.organization_id,
            order_id: order.id,
        };
        let attempt = Attempt {
            id: cx.new_id(),
            order_id: order.id,
            number: last_number.saturating_add(1),
            status: AttemptStatus::Asked,
            amount: order.open().amount,
            currency: order.currency,
            return_url: return_to.url(&link),
            started_at: cx.now,
            closes_at: cx.now.plus_seconds(OPEN_SECONDS),
            reference: None,
            page_url: None,
        };
        sql::add_attempt(tx.conn(), &cx, PaymentMethod::Stripe, &attempt).await?;
        Ok(tx.unchanged(Kept(attempt)).await?.0)
    }
}

/// An attempt as what a transaction hands back; nobody is answered with it.
struct Kept(Attempt);

impl Serialize for Kept {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.id.serialize(serializer)
    }
}

/// How `start_checkout` refuses.
#[derive(Debug, thiserror::Error)]
pub enum StartCheckoutError {
    /// It cannot be paid.
    #[error(transparent)]
    Payable(#[from] PayableError),
    /// The processor did not do it.
    #[error(transparent)]
    Processor(#[from] ProcessorFault),
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

impl Fault for StartCheckoutError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = PayableError::specs();
        specs.extend(ProcessorFault::specs());
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Payable(error) => error.facts(),
            Self::Processor(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<SettleError> for StartCheckoutError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Processor(error) => Self::Processor(error),
            SettleError::Lookup(error) => Self::Lookup(error),
        }
    }
}

impl From<LookupError> for StartCheckoutError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for StartCheckoutError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for StartCheckoutError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use payments::simulator::Fault;

    use super::*;
    use crate::{
        orders::{
            OrderStatus,
            payments::shop::{Shop, checking, expiring, paying},
        },
        permission::Role,
        testing::{assert_refused, noon},
    };

    #[tokio::test]
    async fn an_order_is_paid_on_the_processors_page() {
        let shop = Shop::new(5).await;
        let order = shop.order(2).await;
        let until = order.order.pay_by.unwrap();
        assert_eq!(until, noon().plus_seconds(15 * 60));
        let page = shop.page(&order).await;
        assert_eq!(shop.page(&order).await, page, "a double click");
        // While the page is open the places stay.
        let waits = shop.seen(&order).await.order.pay_by.unwrap();
        assert!(waits > noon().plus_seconds(35 * 60), "{waits}");
        assert_eq!(
            shop.checked(&order).await.order.status,
            OrderStatus::Pending
        );
        shop.choose(&page, "pay");
        let paid = shop.checked(&order).await;
        assert_eq!(
            (paid.order.status, paid.payments.len(), paid.tickets.len()),
            (OrderStatus::Paid, 1, 2)
        );
        assert_eq!(paid.payments[0].amount.amount, 5000);
        let changes = shop.scene.changes().await.len();
        assert_eq!(shop.checked(&order).await, paid);
        assert_eq!(shop.scene.changes().await.len(), changes);
        let again = shop.scene.app.run(&shop.buyer(), paying(&order)).await;
        assert_refused(again, "nothing_to_pay");
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_lost_answer_makes_no_second_page() {
        let shop = Shop::new(5).await;
        for fault in [Fault::Cut, Fault::DoneButFailed] {
            let order = shop.order(1).await;
            shop.simulator.add_faults([fault]);
            let lost = shop.scene.app.run(&shop.buyer(), paying(&order)).await;
            assert_refused(lost, "payment_provider_unavailable");
            let page = shop.page(&order).await;
            assert_eq!(shop.page(&order).await, page);
            shop.choose(&page, "pay");
            assert_eq!(shop.checked(&order).await.order.status, OrderStatus::Paid);
        }
        assert_eq!(shop.count("select count(*) from payment_attempt").await, 2);
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn who_may_not_and_what_cannot_be_paid_is_refused() {
        let shop = Shop::new(5).await;
        let order = shop.order(1).await;
        let other = shop.scene.other_organization().await;
        let app = &shop.scene.app;
        assert_refused(app.run(&other, paying(&order)).await, "not_found");
        assert_refused(app.run(&other, checking(&order)).await, "not_found");
        let viewer = shop.scene.as_role(Role::Viewer);
        assert_refused(app.run(&viewer, paying(&order)).await, "forbidden");
        assert_refused(app.run(&viewer, checking(&order)).await, "forbidden");
        assert_refused(app.run(&viewer, expiring(&order)).await, "forbidden");
        let nobody = StartCheckout {
            order: "2222222".parse().unwrap(),
        };
        assert_refused(shop.scene.run(nobody).await, "not_found");
        assert_refused(
            app.run(&shop.later(), paying(&order)).await,
            "payment_time_over",
        );
        shop.simulator.add_faults([Fault::Refused {
            status: 401,
            retry_after: None,
        }]);
        let wrong_key = shop.scene.run(paying(&order)).await;
        assert_refused(wrong_key, "payment_provider_misconfigured");
        let without = shop.scene.another_server();
        let refused = without.run(&shop.scene.cx, paying(&order)).await;
        assert_refused(refused, "no_payment_provider");
        // A dry run asks nobody.
        let dry = shop.scene.cx.in_mode(domain::context::Mode::DryRun);
        let preview = app.run(&dry, paying(&order)).await.unwrap();
        assert_eq!((preview.page_url, preview.amount.amount), (None, 2500));
        shop.page(&order).await;
        shop.scene.assert_idempotent(checking(&order)).await;
    }
}
