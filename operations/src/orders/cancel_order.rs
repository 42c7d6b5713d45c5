//! `cancel_order`: a purchase is called off.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Money, Name, OrderId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{StoreError, WriteTx};

use super::{
    cancelling::{Freed, cancel},
    detail::{OrderDetail, detail, detail_of},
    invoices::keep_up,
    model::{OrderRow, OrderStatus},
    sql,
};
use crate::{
    App, Effect, Operation, codes::CodeLookupError, events, faults::CHECKED_IN,
    lookup::LookupError, tickets,
};

domain::text_enum! {
    /// What happens to money that was paid.
    pub enum RefundChoice {
        /// The organizer keeps it.
        None = "none",
        /// All of it is given back: the way it was paid, or else outside EventOS.
        Full = "full",
    }
}

domain::sqlx_as_text!(RefundChoice);

/// Cancel an order for good: its places are free again and its tickets are void. For a paid order say whether the
/// money is given back; what was not paid online, the organizer transfers. Ask before calling.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelOrder {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// Why, for the record.
    pub reason: Option<Name>,
    /// What happens to the money; required when some was paid.
    pub refund: Option<RefundChoice>,
    /// Cancel though people with its tickets were admitted.
    #[serde(default)]
    pub even_if_checked_in: bool,
}

/// The cancelled order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelledOrder {
    /// The order.
    pub order: OrderDetail,
    /// Whether it was cancelled before, so that nothing changed.
    pub was_cancelled_already: bool,
}

impl Operation for CancelOrder {
    const NAME: &'static str = "cancel_order";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = CancelledOrder;
    type Error = CancelOrderError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CancelledOrder, CancelOrderError> {
        let mut tx = app.store().write(cx).await?;
        let found = sql::resolve(tx.conn(), &self.order).await?;
        // Its ticket types keep their pools until the commit.
        events::share(tx.conn(), cx, &found.event_id.into()).await?;
        let order = sql::lock(tx.conn(), found.id).await?;
        if order.status == OrderStatus::Cancelled {
            return self.repeat(tx, order).await;
        }
        let refunded = self.refunded(&order)?;
        let inside = tickets::checked_in(tx.conn(), order.id).await?;
        if inside > 0 && !self.even_if_checked_in {
            return Err(CancelOrderError::CheckedIn {
                number: order.number,
                inside,
            });
        }
        let reason = self.reason.as_ref().map(Name::as_str);
        let mut freed = Freed::default();
        let change = cancel(tx.conn(), cx, order, refunded, reason, &mut freed).await?;
        let answer = CancelledOrder {
            order: detail(tx.conn(), cx, found.id).await?,
            was_cancelled_already: false,
        };
        freed.release(tx.conn()).await?;
        keep_up(&mut tx, found.id).await?;
        Ok(tx.commit(change, answer).await?)
    }
}

impl CancelOrder {
    /// The cancellation of an order for which nothing was paid.
    pub fn of(order: Reference<OrderId>) -> Self {
        Self {
            order,
            reason: None,
            refund: None,
            even_if_checked_in: false,
        }
    }

    /// The answer for an order that is cancelled already: nothing to do, unless a refund is wanted that was
    /// not recorded then.
    async fn repeat(
        &self,
        mut tx: WriteTx<'_>,
        order: OrderRow,
    ) -> Result<CancelledOrder, CancelOrderError> {
        let cx = tx.cx();
        if self.refund == Some(RefundChoice::Full) && !order.refundable().is_zero() {
            return Err(CancelOrderError::CancelledWithoutRefund {
                kept: order.refundable(),
                number: order.number,
            });
        }
        let answer = CancelledOrder {
            order: detail_of(tx.conn(), cx, order).await?,
            was_cancelled_already: true,
        };
        Ok(tx.unchanged(answer).await?)
    }

    /// What is given back.
    fn refunded(&self, order: &OrderRow) -> Result<Money, CancelOrderError> {
        let paid = order.refundable();
        match self.refund {
            Some(RefundChoice::Full) => Ok(paid),
            Some(RefundChoice::None) => Ok(Money::zero(paid.currency)),
            None if paid.is_zero() => Ok(paid),
            None => Err(CancelOrderError::RefundUndecided {
                number: order.number.clone(),
                paid,
            }),
        }
    }
}

/// How `cancel_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CancelOrderError {
    /// Money was paid and nobody said what happens to it.
    #[error("{paid} were paid for order {number}, and it was not said whether they are given back")]
    RefundUndecided {
        /// Its number.
        number: String,
        /// What was paid.
        paid: Money,
    },
    /// It is cancelled, and the money was kept then.
    #[error("order {number} was cancelled before, and the organizer kept {kept} then")]
    CancelledWithoutRefund {
        /// Its number.
        number: String,
        /// What was kept.
        kept: Money,
    },
    /// People with its tickets are inside.
    #[error("{inside} of the people with tickets of order {number} were admitted already")]
    CheckedIn {
        /// Its number.
        number: String,
        /// How many were admitted.
        inside: i64,
    },
    /// The order was not found.
    #[error(transparent)]
    Lookup(#[from] CodeLookupError),
}

const REFUND_UNDECIDED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "refund_undecided",
    "Ask the organizer, then set `refund` to full or none.",
);
const CANCELLED_WITHOUT_REFUND: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "cancelled_without_refund",
    "Tell the organizer; a later refund is made and kept on record outside EventOS.",
);

impl Fault for CancelOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![REFUND_UNDECIDED, CANCELLED_WITHOUT_REFUND, CHECKED_IN];
        specs.extend(CodeLookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::RefundUndecided { .. } => REFUND_UNDECIDED.at("refund"),
            Self::CancelledWithoutRefund { .. } => CANCELLED_WITHOUT_REFUND.at("refund"),
            Self::CheckedIn { .. } => CHECKED_IN.at("even_if_checked_in"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<LookupError> for CancelOrderError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<StoreError> for CancelOrderError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for CancelOrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::context::Mode;

    use super::*;
    use crate::{
        orders::ConfirmPayment,
        permission::Role,
        testing::{Scene, assert_refused},
        tickets::{TicketStatus, VoidTicket},
    };

    fn cancelling(order: &OrderDetail) -> CancelOrder {
        CancelOrder {
            reason: Some("changed their mind".parse().unwrap()),
            ..CancelOrder::of(order.order.number.parse().unwrap())
        }
    }

    async fn paid(scene: &Scene, quantity: i32) -> OrderDetail {
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, quantity).await;
        let command = ConfirmPayment::of(order.order.id.into());
        scene.run(command).await.unwrap().order
    }

    #[tokio::test]
    async fn an_unpaid_order_frees_its_places() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 5).await;
        let done = scene.run(cancelling(&order)).await.unwrap();
        assert_eq!(done.order.order.status, OrderStatus::Cancelled);
        let number = &order.order.number;
        assert_eq!(
            scene.changes().await.pop().unwrap().summary,
            format!(
                "Cancels the pending order {number} for \"Spring Gala\": frees the places of 5 tickets, nothing was paid"
            )
        );
        scene.order(event.id, 5).await;
        assert!(
            scene
                .run(cancelling(&order))
                .await
                .unwrap()
                .was_cancelled_already
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_paid_order_needs_a_word_about_the_money() {
        let scene = Scene::new().await;
        let order = paid(&scene, 2).await;
        assert_refused(scene.run(cancelling(&order)).await, "refund_undecided");
        let full = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..cancelling(&order)
        };
        let dry = scene.cx.in_mode(Mode::DryRun);
        scene.app.run(&dry, full.clone()).await.unwrap();
        assert_eq!(
            dry.recorded()[0].summary,
            format!(
                "Cancels the paid order {} for \"Spring Gala\": voids 2 tickets, 50.00 EUR are given back outside EventOS",
                order.order.number
            )
        );
        let done = scene.run(full).await.unwrap().order;
        assert_eq!(done.refunds[0].amount, order.order.total);
        assert!(done.tickets.iter().all(|t| t.status == TicketStatus::Void));
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn money_that_was_kept_stays_kept() {
        let scene = Scene::new().await;
        let order = paid(&scene, 2).await;
        let keep = CancelOrder {
            refund: Some(RefundChoice::None),
            ..cancelling(&order)
        };
        assert!(
            scene
                .run(keep.clone())
                .await
                .unwrap()
                .order
                .refunds
                .is_empty()
        );
        assert!(scene.run(keep.clone()).await.unwrap().was_cancelled_already);
        let full = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..keep
        };
        assert_refused(scene.run(full).await, "cancelled_without_refund");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn frees_only_the_places_that_are_still_taken() {
        let scene = Scene::new().await;
        let order = paid(&scene, 3).await;
        let void = VoidTicket {
            ticket: order.tickets[0].id.into(),
            reason: "lost".parse().unwrap(),
            even_if_checked_in: false,
        };
        scene.run(void).await.unwrap();
        let full = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..cancelling(&order)
        };
        scene.run(full).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_when_people_are_inside() {
        let scene = Scene::new().await;
        let order = paid(&scene, 2).await;
        scene.admit(&order.tickets[0]).await;
        let full = CancelOrder {
            refund: Some(RefundChoice::Full),
            ..cancelling(&order)
        };
        assert_refused(scene.run(full.clone()).await, "checked_in");
        let anyway = CancelOrder {
            even_if_checked_in: true,
            ..full
        };
        scene.run(anyway).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn another_organization_and_the_box_office_cannot_cancel() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        assert_refused(scene.app.run(&other, cancelling(&order)).await, "not_found");
        let box_office = scene.as_role(Role::BoxOffice);
        assert_refused(
            scene.app.run(&box_office, cancelling(&order)).await,
            "forbidden",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        scene.assert_idempotent(cancelling(&order)).await;
    }
}
