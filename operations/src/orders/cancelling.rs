//! How an order is called off: the same for one by hand and for all orders of an event.

use domain::{Cx, Money, TicketTypeId};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::OrderCancelled,
    model::{self, OrderRow, OrderStatus},
    payments::{GivenBack, give_back},
    sql,
};
use crate::{
    inventory::{self, Moves, Step, UseStep, Uses},
    tickets,
};

/// What is free again of cancelled orders, to be given back at the end of the transaction.
#[derive(Debug, Default)]
pub(super) struct Freed {
    held: Vec<(TicketTypeId, i32)>,
    sold: Vec<(TicketTypeId, i32)>,
    uses: Uses,
}

/// Cancels an order that is locked and was not cancelled before, whose event is shared: its tickets become void, and what
/// is refunded, no more than is left, goes back. What becomes free is added to `freed`.
pub(super) async fn cancel(
    conn: &mut PgConnection,
    cx: &Cx,
    order: OrderRow,
    refunded: Money,
    reason: Option<&str>,
    freed: &mut Freed,
) -> Result<OrderCancelled, StoreError> {
    sql::cancel(conn, cx, order.id, reason).await?;
    let mut given = GivenBack {
        by_itself: Money::zero(refunded.currency),
        by_hand: Money::zero(refunded.currency),
    };
    if !refunded.is_zero() {
        let back = give_back(conn, cx, &order, refunded, None, reason);
        given = back.await?.0;
    }
    let voided = tickets::void_for_order(conn, cx, order.id, reason).await?;
    let places_freed = match order.status {
        OrderStatus::Pending => {
            let items = sql::items(conn, order.id).await?;
            let counts = model::counts(&items);
            freed.held.extend(&counts);
            total(&counts)
        }
        OrderStatus::Paid => {
            freed.sold.extend(&voided);
            total(&voided)
        }
        OrderStatus::Expired | OrderStatus::Cancelled => 0,
    };
    if matches!(order.status, OrderStatus::Pending | OrderStatus::Paid) {
        freed.uses.add(UseStep::ReleaseUsed, order.promo_code_id);
    }
    Ok(OrderCancelled {
        order_id: order.id,
        event_id: order.event_id,
        paid: order.refundable(),
        event_title: order.event_title,
        number: order.number,
        before: order.status,
        places_freed,
        tickets_voided: total(&voided),
        refunded,
        by_itself: given.by_itself,
    })
}

impl Freed {
    /// Gives the uses of promo codes and the places back. From here to the commit everybody else who wants them waits.
    pub(super) async fn release(self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let mut moves = Moves::default();
        for (step, counts) in [
            (Step::ReleaseHeld, self.held),
            (Step::ReleaseSold, self.sold),
        ] {
            moves.add(step, &inventory::places_of(conn, &counts).await?);
        }
        inventory::release_uses(conn, &self.uses).await?;
        let outcome = inventory::move_places(conn, &moves).await?;
        // What is given back cannot run out.
        outcome.map_err(|_| sqlx::Error::RowNotFound)?;
        Ok(())
    }
}

fn total(counts: &[(TicketTypeId, i32)]) -> i32 {
    counts.iter().map(|(_, count)| count).sum()
}
