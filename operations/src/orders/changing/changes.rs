//! What can happen to some tickets of an order.

use domain::{Change, Money, OrderId, Subject};
use serde::Serialize;

use crate::orders::changes::Which;

/// Tickets of an order became others.
#[derive(Debug, Serialize)]
pub struct TicketsSwapped {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) count: i32,
    pub(super) from: String,
    pub(super) to: String,
    /// What the order costs more than before, or less if negative.
    pub(super) difference: Money,
    /// What is given back.
    pub(super) refunded: Money,
    /// What was paid beside.
    pub(super) collected: Money,
}

impl Change for TicketsSwapped {
    const KIND: &'static str = "order.tickets_swapped";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (count, from, to, which) = (self.count, &self.from, &self.to, self.which.named());
        let money = if !self.collected.is_zero() {
            format!("; {} more were paid by hand", self.collected)
        } else if !self.refunded.is_zero() {
            format!("; {} are given back", self.refunded)
        } else if self.difference.is_zero() {
            "; the price stays".to_owned()
        } else if self.difference.amount > 0 {
            format!("; {} more are to be paid", self.difference)
        } else {
            let less = Money::new(-self.difference.amount, self.difference.currency);
            format!("; {less} less are to be paid")
        };
        format!("Exchanges {count} {from:?} of {which} for {to:?}{money}")
    }
}

/// Some tickets of an order were called off.
#[derive(Debug, Serialize)]
pub struct TicketsCancelled {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) count: i32,
    pub(super) ticket_type: String,
    /// What they had cost, if it was paid.
    pub(super) paid: Money,
    /// What is given back.
    pub(super) refunded: Money,
}

impl Change for TicketsCancelled {
    const KIND: &'static str = "order.tickets_cancelled";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let money = match (self.paid.is_zero(), self.refunded.is_zero()) {
            (true, _) => "nothing was paid for them".to_owned(),
            (false, true) => format!("{} stay with the organizer", self.paid),
            (false, false) => format!("{} are given back", self.refunded),
        };
        format!(
            "Cancels {} {:?} of {}: {money}",
            self.count,
            self.ticket_type,
            self.which.named()
        )
    }
}

/// Tickets of an order became an order of their own.
#[derive(Debug, Serialize)]
pub struct OrderSplit {
    #[serde(flatten)]
    pub(super) which: Which,
    pub(super) count: i32,
    pub(super) ticket_type: String,
    pub(super) new_order_id: OrderId,
    pub(super) new_number: String,
    /// What was paid for them, and went along.
    pub(super) moved: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Change for OrderSplit {
    const KIND: &'static str = "order.split";
    fn subject(&self) -> Subject {
        self.which.order_id.into()
    }
    fn summary(&self) -> String {
        let (count, name, which) = (self.count, &self.ticket_type, self.which.named());
        let money = if self.moved.is_zero() {
            String::new()
        } else {
            format!(" and the {} that were paid for them", self.moved)
        };
        format!(
            "Moves {count} × {name}{money} from {which} to the new order {}",
            self.new_number
        )
    }
}
