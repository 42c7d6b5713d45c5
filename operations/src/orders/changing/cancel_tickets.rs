//! `cancel_tickets`: some tickets of an order are called off.

use domain::{
    Cx, Facts, Fault, FaultKind, FaultSpec, FeeId, Money, Name, OrderId, Permission, Reference,
    TicketId, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    Changed,
    changes::TicketsCancelled,
    picking::{PickError, Picked, Wanted, lock, pick},
};
use crate::{
    App, Effect, Operation,
    faults::CHECKED_IN,
    inventory::{self, Step},
    orders::{
        OrderDetail, RefundChoice,
        changes::Which,
        model::{OrderRow, OrderStatus},
        payments::{GivenBack, give_back},
        sql,
    },
    taxes::FeeLine,
    tickets,
};

/// Cancel some tickets of an order; the others stay. Their places are free again. For paid ones say whether what they
/// cost is given back. To cancel all of them use `cancel_order`. A dry run shows the money.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelTickets {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// The type they are; needed when the order has several.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// How many of that type.
    pub quantity: Option<i32>,
    /// Exactly these, by id or code, instead of type and quantity.
    pub tickets: Option<Vec<Reference<TicketId>>>,
    /// What happens to what they cost; needed when it was paid.
    pub refund: Option<RefundChoice>,
    /// Why, for the record.
    pub reason: Option<Name>,
    /// Cancel them though their holders were admitted.
    #[serde(default)]
    pub even_if_checked_in: bool,
}

/// The order without them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelledTickets {
    /// The order.
    pub order: OrderDetail,
    /// What goes back by itself: through the payment provider, or onto a gift card.
    pub by_itself: Money,
    /// What the organizer transfers.
    pub by_hand: Money,
}

impl Operation for CancelTickets {
    const NAME: &'static str = "cancel_tickets";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = CancelledTickets;
    type Error = CancelTicketsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CancelledTickets, CancelTicketsError> {
        let mut tx = app.store().write(cx).await?;
        let (event, order) = lock(&mut tx, &self.order).await?;
        let wanted = Wanted {
            ticket_type: self.ticket_type.as_ref(),
            quantity: self.quantity,
            tickets: self.tickets.as_deref(),
        };
        let mut picked = pick(tx.conn(), &order, &wanted).await?;
        if picked.count() >= order.ticket_count {
            return Err(CancelTicketsError::AllOfThem(order.number));
        }
        if picked.inside() > 0 && !self.even_if_checked_in {
            return Err(CancelTicketsError::CheckedIn(picked.inside()));
        }
        let is_paid = order.status == OrderStatus::Paid;
        let cost = picked.amount().min(order.refundable().amount);
        let cost = Money::new(if is_paid { cost } else { 0 }, order.currency);
        let refunded = match self.refund {
            Some(RefundChoice::Full) => cost,
            Some(RefundChoice::None) => Money::zero(order.currency),
            None if cost.is_zero() => cost,
            None => return Err(CancelTicketsError::RefundUndecided(cost)),
        };
        let counts = picked.counts();
        picked.take_out(tx.conn()).await?;
        if refunded.amount < cost.amount {
            keep_charging(tx.conn(), cx, &order, &picked).await?;
        }
        sql::reprice(tx.conn(), cx, order.id).await?;
        let reason = self.reason.as_ref().map(Name::as_str);
        for ticket in &picked.tickets {
            tickets::void(tx.conn(), cx, ticket.id, reason.unwrap_or("called off")).await?;
        }
        let mut given = GivenBack {
            by_itself: Money::zero(order.currency),
            by_hand: Money::zero(order.currency),
        };
        if !refunded.is_zero() {
            let back = give_back(tx.conn(), cx, &order, refunded, None, reason);
            given = back.await?.0;
        }
        let change = TicketsCancelled {
            which: Which::of(&order),
            count: picked.count(),
            ticket_type: picked.name(),
            paid: cost,
            refunded,
        };
        let places = inventory::places_of(tx.conn(), &counts).await?;
        let step = if is_paid {
            Step::ReleaseSold
        } else {
            Step::ReleaseHeld
        };
        inventory::move_taken(tx.conn(), step, &places).await?;
        let after = Changed {
            event: &event,
            order_id: order.id,
            why: "tickets were cancelled",
        };
        let (changes, order) = after.settle(&mut tx, &change).await?;
        let answer = CancelledTickets {
            order,
            by_itself: given.by_itself,
            by_hand: given.by_hand,
        };
        Ok(tx.commit_all(changes, answer).await?)
    }
}

/// What was paid for tickets and is not given back stays charged, with its tax.
async fn keep_charging(
    conn: &mut PgConnection,
    cx: &Cx,
    order: &OrderRow,
    picked: &Picked,
) -> sqlx::Result<()> {
    let fees = picked.parts.iter().map(|part| FeeLine {
        fee_id: cx.new_id::<FeeId>(),
        name: format!("Cancelled: {} × {}", part.count, part.item.name),
        tax: part.tax.clone(),
    });
    let fees: Vec<FeeLine> = fees.collect();
    let rows: Vec<_> = fees.iter().map(|fee| (order, fee)).collect();
    sql::insert_fees(conn, cx.organization_id, &rows).await
}

/// How `cancel_tickets` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CancelTicketsError {
    /// It is not clear which are meant.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// None would be left.
    #[error("these are all tickets of order {0}")]
    AllOfThem(String),
    /// They were paid and nobody said what happens to the money.
    #[error("{0} were paid for them, and it was not said whether they are given back")]
    RefundUndecided(Money),
    /// Their holders were admitted.
    #[error("{0} of the holders were admitted already")]
    CheckedIn(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const ALL_OF_THEM: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "all_tickets_of_order",
    "Cancel the whole order with cancel_order.",
);
const TICKET_REFUND_UNDECIDED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ticket_refund_undecided",
    "Ask the organizer, then set `refund` to full or none.",
);

impl Fault for CancelTicketsError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![ALL_OF_THEM, TICKET_REFUND_UNDECIDED, CHECKED_IN];
        specs.extend(PickError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Pick(error) => error.facts(),
            Self::AllOfThem(_) => ALL_OF_THEM.at("order"),
            Self::RefundUndecided(_) => TICKET_REFUND_UNDECIDED.at("refund"),
            Self::CheckedIn(_) => CHECKED_IN.at("even_if_checked_in"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CancelTicketsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{
            CancelOrder, ConfirmPayment, ReactivateOrder,
            payments::{RefundOrder, shop::Shop},
        },
        permission::Role,
        testing::{Scene, assert_refused},
        ticket_types::ListTicketTypes,
        tickets::TicketStatus,
    };

    fn cancelling(order: &OrderDetail, quantity: i32) -> CancelTickets {
        CancelTickets {
            order: order.order.id.into(),
            ticket_type: None,
            quantity: Some(quantity),
            tickets: None,
            refund: None,
            reason: None,
            even_if_checked_in: false,
        }
    }

    #[tokio::test]
    async fn one_of_a_paid_order_goes_back_the_way_it_was_paid() {
        let shop = Shop::new(5).await;
        let order = shop.paid(3).await;
        let refused = shop.scene.run(cancelling(&order, 1)).await;
        assert_refused(refused, "ticket_refund_undecided");
        let full = CancelTickets {
            refund: Some(RefundChoice::Full),
            quantity: None,
            tickets: Some(vec![order.tickets[0].id.into()]),
            ..cancelling(&order, 1)
        };
        let done = shop.scene.run(full).await.unwrap();
        assert_eq!((done.by_itself.amount, done.by_hand.amount), (2500, 0));
        assert_eq!(done.order.order.total.amount, 5000);
        assert_eq!(done.order.tickets[0].status, TicketStatus::Void);
        assert_eq!(done.order.tickets[1].status, TicketStatus::Valid);
        let change = shop.scene.changes().await.pop().unwrap();
        let number = &order.order.number;
        assert_eq!(
            change.summary,
            format!(
                "Cancels 1 \"Regular\" of order {number} for \"Spring Gala\": 25.00 EUR are given back"
            )
        );
        shop.checked(&order).await;
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_unpaid_order_costs_less() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 3).await;
        let less = scene.run(cancelling(&order, 2)).await.unwrap().order;
        assert_eq!(less.order.open.unwrap().amount, 2500);
        let list = ListTicketTypes {
            event: event.id.into(),
        };
        let left = scene.run(list).await.unwrap().ticket_types.remove(0);
        assert_eq!(left.availability.left, Some(4));
        let paying = ConfirmPayment::of(order.order.id.into());
        let paid = scene.run(paying).await.unwrap().order;
        assert_eq!(paid.tickets.len(), 1);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn an_order_that_came_back_and_owes_nothing_any_more_is_paid() {
        let shop = Shop::new(5).await;
        let order = shop.paid(2).await;
        let id = order.order.id;
        let keeping = CancelOrder {
            refund: Some(RefundChoice::None),
            ..CancelOrder::of(id.into())
        };
        shop.scene.run(keeping).await.unwrap();
        let half = RefundOrder {
            order: id.into(),
            amount: Some(Money::new(2500, order.order.total.currency)),
            reason: None,
        };
        shop.scene.run(half).await.unwrap();
        let back = ReactivateOrder {
            order: id.into(),
            reason: None,
        };
        let back = shop.scene.run(back).await.unwrap().order;
        assert_eq!(back.open.unwrap().amount, 2500);
        let less = shop.scene.run(cancelling(&order, 1)).await.unwrap().order;
        assert_eq!(less.order.status, OrderStatus::Paid);
        let is_valid = |ticket: &&tickets::Ticket| ticket.status == TicketStatus::Valid;
        assert_eq!(less.tickets.iter().filter(is_valid).count(), 1);
        let change = shop.scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "order.paid");
        shop.checked(&order).await;
        shop.scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_is_not_there_or_inside_or_everything() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 9).await;
        let order = scene.order(event.id, 2).await;
        for (quantity, code) in [
            (0, "tickets_out_of_range"),
            (3, "tickets_out_of_range"),
            (2, "all_tickets_of_order"),
        ] {
            assert_refused(scene.run(cancelling(&order, quantity)).await, code);
        }
        let paying = ConfirmPayment::of(order.order.id.into());
        let paid = scene.run(paying).await.unwrap().order;
        scene.admit(&paid.tickets[0]).await;
        let inside = CancelTickets {
            quantity: None,
            tickets: Some(vec![paid.tickets[0].id.into()]),
            refund: Some(RefundChoice::None),
            ..cancelling(&order, 1)
        };
        assert_refused(scene.run(inside.clone()).await, "checked_in");
        let all_the_same = CancelTickets {
            even_if_checked_in: true,
            ..inside
        };
        scene.run(all_the_same.clone()).await.unwrap();
        assert_refused(scene.run(all_the_same).await, "ticket_not_of_order");
        let other = scene.other_organization().await;
        let theirs = scene.app.run(&other, cancelling(&order, 1)).await;
        assert_refused(theirs, "not_found");
        let door = scene.as_role(Role::Door);
        let refused = scene.app.run(&door, cancelling(&order, 1)).await;
        assert_refused(refused, "forbidden");
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 9).await;
        let order = scene.order(event.id, 3).await;
        scene.assert_idempotent(cancelling(&order, 1)).await;
        scene.reconcile().await;
    }
}
