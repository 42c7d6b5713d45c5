//! What can happen when all orders of an event are refunded.

use domain::{Change, EventId, Money, Subject};
use serde::Serialize;

/// All orders of an event are to be called off.
#[derive(Debug, Serialize)]
pub struct EventRefundStarted {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) paid_orders: i64,
    pub(super) pending_orders: i64,
    /// What goes back.
    pub(super) refunded: Money,
    /// What of that goes back the way it was paid, by itself.
    pub(super) by_itself: Money,
    /// What is kept for each ticket.
    pub(super) keep_per_ticket: Money,
}

impl Change for EventRefundStarted {
    const KIND: &'static str = "event_refund.started";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let orders = match (self.paid_orders, self.pending_orders) {
            (paid, 0) => format!("{paid} paid orders"),
            (0, pending) => format!("{pending} orders not paid yet"),
            (paid, pending) => format!("{paid} paid orders and {pending} not paid yet"),
        };
        let by_hand = Money::new(
            self.refunded.amount - self.by_itself.amount,
            self.refunded.currency,
        );
        let money = if self.refunded.is_zero() {
            "gives nothing back".to_owned()
        } else {
            let given = format!("gives {} back", self.refunded);
            let by_hand = match by_hand {
                none if none.is_zero() => None,
                all if all == self.refunded => Some(" by the organizer's own transfer".to_owned()),
                part => Some(format!(", {part} of it by the organizer's own transfer")),
            };
            let kept = (!self.keep_per_ticket.is_zero())
                .then(|| format!("; {} are kept for each ticket", self.keep_per_ticket));
            [Some(given), by_hand, kept].into_iter().flatten().collect()
        };
        format!(
            "Cancels {orders} of {:?} one after the other and {money}",
            self.event_title
        )
    }
}

/// All orders of an event are called off.
#[derive(Debug, Serialize)]
pub struct EventRefundFinished {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) orders: i32,
    pub(super) refunded: Money,
}

impl Change for EventRefundFinished {
    const KIND: &'static str = "event_refund.finished";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        let (orders, refunded) = (self.orders, self.refunded);
        format!(
            "All {orders} orders of {:?} are cancelled; {refunded} were given back or are on their way",
            self.event_title
        )
    }
}
