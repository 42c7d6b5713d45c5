//! What can happen to an order. Nothing here says who bought.

use domain::{Change, EventId, Money, OrderId, Subject};
use serde::Serialize;

use super::model::OrderRow;

/// `1 ticket`, `2 tickets`.
pub(super) fn tickets(count: i32) -> String {
    if count == 1 {
        "1 ticket".to_owned()
    } else {
        format!("{count} tickets")
    }
}

/// Which order it is about.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Which {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) number: String,
}

impl Which {
    pub(super) fn of(order: &OrderRow) -> Self {
        Self {
            order_id: order.id,
            event_id: order.event_id,
            event_title: order.event_title.clone(),
            number: order.number.clone(),
        }
    }

    pub(super) fn named(&self) -> String {
        format!("order {} for {:?}", self.number, self.event_title)
    }
}

/// An order was placed.
#[derive(Debug, Serialize)]
pub struct OrderPlaced {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) number: String,
    pub(super) ticket_count: i32,
    pub(super) total: Money,
    /// Whether the organizer gave the tickets away.
    pub(super) is_complimentary: bool,
}

impl Change for OrderPlaced {
    const KIND: &'static str = "order.placed";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let money = match (self.is_complimentary, self.total.is_zero()) {
            (true, _) => "complimentary".to_owned(),
            (false, true) => "free".to_owned(),
            (false, false) => format!("{} to pay", self.total),
        };
        let tickets = tickets(self.ticket_count);
        format!(
            "Places order {} for {:?}: {tickets}, {money}",
            self.number, self.event_title
        )
    }
}

/// An order was paid, or needed no payment, and its tickets were issued.
#[derive(Debug, Serialize)]
pub struct OrderPaid {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) number: String,
    pub(super) amount: Money,
    /// How many tickets were issued.
    pub(super) tickets_issued: i32,
}

impl Change for OrderPaid {
    const KIND: &'static str = "order.paid";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let tickets = tickets(self.tickets_issued);
        let money = if self.amount.is_zero() {
            "Completes".to_owned()
        } else {
            format!("Records {} for", self.amount)
        };
        format!(
            "{money} order {} for {:?} and issues {tickets}",
            self.number, self.event_title
        )
    }
}

/// An order that was cancelled, or ran out, counts again.
#[derive(Debug, Serialize)]
pub struct OrderReactivated {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) number: String,
    /// The state it was in.
    pub(super) before: super::OrderStatus,
    pub(super) ticket_count: i32,
    /// What is to be paid again.
    pub(super) open: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Change for OrderReactivated {
    const KIND: &'static str = "order.reactivated";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let tickets = tickets(self.ticket_count);
        let money = if self.open.is_zero() {
            "with the money that was kept".to_owned()
        } else {
            format!("to be paid: {}", self.open)
        };
        format!(
            "Brings the {} order {} for {:?} back: {tickets}, {money}",
            self.before, self.number, self.event_title
        )
    }
}

/// An order was called off.
#[derive(Debug, Serialize)]
pub struct OrderCancelled {
    pub(super) order_id: OrderId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) number: String,
    /// The state it was in.
    pub(super) before: super::OrderStatus,
    /// How many places are free again.
    pub(super) places_freed: i32,
    /// How many tickets became void.
    pub(super) tickets_voided: i32,
    /// What was paid and not given back before.
    pub(super) paid: Money,
    /// What is given back.
    pub(super) refunded: Money,
    /// What of that goes back the way it was paid, by itself.
    pub(super) by_itself: Money,
}

impl Change for OrderCancelled {
    const KIND: &'static str = "order.cancelled";
    fn subject(&self) -> Subject {
        self.order_id.into()
    }
    fn summary(&self) -> String {
        let what = if self.tickets_voided > 0 {
            format!("voids {}", tickets(self.tickets_voided))
        } else {
            format!("frees the places of {}", tickets(self.places_freed))
        };
        let money = match (self.paid.is_zero(), self.refunded.is_zero()) {
            (true, _) => "nothing was paid".to_owned(),
            (false, true) => format!("{} stay with the organizer", self.paid),
            (false, false) if self.by_itself.is_zero() => {
                format!("{} are given back outside EventOS", self.refunded)
            }
            (false, false) if self.by_itself == self.refunded => {
                format!("{} are given back the way they were paid", self.refunded)
            }
            (false, false) => format!(
                "{} are given back, {} of it the way it was paid and the rest outside EventOS",
                self.refunded, self.by_itself
            ),
        };
        format!(
            "Cancels the {} order {} for {:?}: {what}, {money}",
            self.before, self.number, self.event_title
        )
    }
}
