//! The order as callers see it, and its states.

use domain::{
    Currency, Cx, EmailAddress, EventId, Money, OrderId, OrderItemId, PromoCodeId, TicketTypeId,
    Timestamp, Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    people::{email_for, name_for},
    taxes::LineTax,
    tickets::{Attendee, Bought, NewTicket},
};

domain::text_enum! {
    /// The state of an order.
    pub enum OrderStatus {
        /// Waits for its payment; its places are held.
        Pending = "pending",
        /// Paid, or free; its tickets are issued.
        Paid = "paid",
        /// Was not paid in time; its places are free again.
        Expired = "expired",
        /// Called off; its tickets are void.
        Cancelled = "cancelled",
    }
}

domain::sqlx_as_text!(OrderStatus);

impl OrderStatus {
    /// Whether an order may go from this state to another.
    pub fn may_become(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Pending, Self::Paid | Self::Expired | Self::Cancelled)
                | (Self::Paid | Self::Expired, Self::Cancelled)
                // The money came in late, or somebody brought it back, and the places were still there.
                | (Self::Expired | Self::Cancelled, Self::Pending | Self::Paid)
        )
    }
}

/// One buyer's purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The short code people read aloud.
    pub number: String,
    /// Its state.
    pub status: OrderStatus,
    /// Its event.
    pub event_id: EventId,
    /// Its event's title.
    pub event_title: String,
    /// Who bought.
    pub buyer_name: Untrusted,
    /// Their address.
    pub buyer_email: Untrusted,
    /// How many tickets.
    pub ticket_count: i32,
    /// What it costs.
    pub total: Money,
    /// The promo code it was bought with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promo_code: Option<String>,
    /// What the promo code took off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// What is still to be paid, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Money>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Whole days since then, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_days: Option<i64>,
    /// Until when it can be paid, while it is pending; as long as the organizer likes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// A row of `orders` with its event's title.
#[derive(Debug, Clone)]
pub(crate) struct OrderRow {
    pub(crate) id: OrderId,
    pub(crate) number: String,
    pub(crate) status: OrderStatus,
    pub(crate) event_id: EventId,
    pub(crate) event_title: String,
    pub(crate) buyer_name: Untrusted,
    pub(crate) buyer_email: EmailAddress,
    pub(crate) currency: Currency,
    pub(crate) total_amount: i64,
    pub(crate) paid_amount: i64,
    pub(crate) refunded_amount: i64,
    pub(crate) ticket_count: i32,
    pub(crate) note: Option<Untrusted>,
    pub(crate) placed_at: Timestamp,
    pub(crate) pay_by: Option<Timestamp>,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) promo_code_id: Option<PromoCodeId>,
    pub(crate) promo_code: Option<String>,
    pub(crate) discount_amount: i64,
}

impl OrderRow {
    pub(crate) fn total(&self) -> Money {
        Money::new(self.total_amount, self.currency)
    }

    /// What is still to be paid.
    pub(crate) fn open(&self) -> Money {
        // What was given back, such as for an order that was cancelled once, is not there to pay with.
        let open = self.total_amount.saturating_sub(self.refundable().amount);
        Money::new(open.max(0), self.currency)
    }

    /// What was paid and not given back.
    pub(crate) fn refundable(&self) -> Money {
        let kept = self.paid_amount.saturating_sub(self.refunded_amount);
        Money::new(kept, self.currency)
    }

    /// Whether it waits for its payment though the time for that is over.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == OrderStatus::Pending && self.pay_by.is_some_and(|until| until <= now)
    }

    /// As the caller may see it.
    pub(crate) fn seen(&self, cx: &Cx) -> Order {
        let is_pending = self.status == OrderStatus::Pending;
        let age = cx.now.as_microseconds() - self.placed_at.as_microseconds();
        Order {
            id: self.id,
            number: self.number.clone(),
            status: self.status,
            event_id: self.event_id,
            event_title: self.event_title.clone(),
            buyer_name: name_for(cx, &self.buyer_name),
            buyer_email: email_for(cx, &self.buyer_email),
            ticket_count: self.ticket_count,
            total: self.total(),
            promo_code: self.promo_code.clone(),
            discount: (self.promo_code_id).map(|_| Money::new(self.discount_amount, self.currency)),
            open: is_pending.then(|| self.open()),
            placed_at: self.placed_at,
            age_days: is_pending.then_some(age / (24 * 3600 * 1_000_000)),
            pay_by: self.pay_by.filter(|_| is_pending),
            paid_at: self.paid_at,
        }
    }
}

/// A row of `order_item`.
#[derive(Debug, Clone)]
pub(crate) struct ItemRow {
    pub(crate) id: OrderItemId,
    pub(crate) ticket_type_id: TicketTypeId,
    pub(crate) name: String,
    pub(crate) quantity: i32,
    pub(crate) unit_amount: i64,
    pub(crate) listed_amount: i64,
    pub(crate) attendees: Vec<Attendee>,
    pub(crate) tax: LineTax,
}

/// How many of which ticket types items are.
pub(super) fn counts(items: &[ItemRow]) -> Vec<(TicketTypeId, i32)> {
    let counts = items
        .iter()
        .map(|item| (item.ticket_type_id, item.quantity));
    counts.collect()
}

/// The tickets that the items of an order bring: one per unit, those with a named attendee first.
pub(super) fn tickets(cx: &Cx, order: &OrderRow, items: &[ItemRow]) -> Vec<NewTicket> {
    let bought = Bought {
        event_id: order.event_id,
        event_title: &order.event_title,
        order_id: order.id,
        order_number: &order.number,
    };
    let of_item = |item: &ItemRow| {
        let quantity = usize::try_from(item.quantity).unwrap_or_default();
        let attendees = item.attendees.clone().into_iter();
        let padded = attendees.chain(std::iter::repeat_with(Attendee::default));
        let line = (item.id, item.ticket_type_id, item.name.as_str());
        let issued = padded.take(quantity);
        issued
            .map(|attendee| NewTicket::of(cx, &bought, line, attendee))
            .collect::<Vec<_>>()
    };
    items.iter().flat_map(of_item).collect()
}

#[cfg(test)]
mod tests {
    use super::OrderStatus::{self, Cancelled, Expired, Paid, Pending};

    #[test]
    fn comes_back_only_as_a_whole() {
        let legal = [
            (Pending, Paid),
            (Pending, Expired),
            (Pending, Cancelled),
            (Paid, Cancelled),
            (Expired, Cancelled),
            (Expired, Paid),
            (Expired, Pending),
            (Cancelled, Pending),
            (Cancelled, Paid),
        ];
        for from in OrderStatus::ALL {
            for to in OrderStatus::ALL {
                let expected = legal.contains(&(*from, *to));
                assert_eq!(from.may_become(*to), expected, "{from} to {to}");
            }
        }
    }
}
