//! The hold as callers see it.

use domain::{Currency, Cx, EventId, HoldId, Money, OrderId, PromoCodeId, TicketTypeId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    taxes::{self, ChargedFee, TaxAmount},
    ticket_types::{AppliedCode, Basket},
};

domain::text_enum! {
    /// The state of a hold.
    pub enum HoldStatus {
        /// Its places are set aside.
        Live = "live",
        /// An order has its places.
        Ordered = "ordered",
        /// They were given back.
        Released = "released",
        /// They were not ordered in time, and are free again.
        Expired = "expired",
    }
}

domain::sqlx_as_text!(HoldStatus);

/// So many of a ticket type, at the price they are held at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldItem {
    /// What is held.
    pub ticket_type_id: TicketTypeId,
    /// As it was called when it was held.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// The price of one while the hold lives.
    pub unit_price: Money,
    /// What one costs without the promo code, if that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_price: Option<Money>,
}

/// Places set aside while somebody buys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Its id; `place_order` takes it.
    pub id: HoldId,
    /// The event.
    pub event_id: EventId,
    /// Whether the places are still set aside, or what became of them.
    pub status: HoldStatus,
    /// What is held.
    pub items: Vec<HeldItem>,
    /// How many tickets.
    pub ticket_count: i32,
    /// Its reserved seats, in the order of the house.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<String>,
    /// Whether a group that named no seats does not sit side by side: tell the buyer. Said once, when they are held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub are_apart: bool,
    /// What an order of them costs; stays while the hold lives, whatever the organizer changes.
    pub total: Money,
    /// The promo code it was held with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promo_code: Option<String>,
    /// What the promo code took off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    /// What is charged beside the tickets, as a part of the total.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<ChargedFee>,
    /// What of the total is tax, by rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TaxAmount>,
    /// Until when the places are kept.
    pub expires_at: Timestamp,
    /// How many seconds that is from now; absent when it does not live any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
    /// Whether `extend_hold` was used up.
    pub is_extended: bool,
    /// The order that has its places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

/// A row of `hold`.
#[derive(Debug, Clone)]
pub(crate) struct HoldRow {
    pub(crate) id: HoldId,
    pub(crate) event_id: EventId,
    pub(crate) status: HoldStatus,
    pub(crate) currency: Currency,
    pub(crate) total_amount: i64,
    pub(crate) ticket_count: i32,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_extended: bool,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) promo_code_id: Option<PromoCodeId>,
    pub(crate) promo_code: Option<String>,
    pub(crate) discount_amount: i64,
}

impl HoldRow {
    pub(crate) fn total(&self) -> Money {
        Money::new(self.total_amount, self.currency)
    }

    /// The promo code it was held with.
    pub(super) fn applied(&self) -> Option<AppliedCode> {
        Some(AppliedCode {
            id: self.promo_code_id?,
            code: self.promo_code.clone()?,
        })
    }

    /// As callers see it.
    pub(super) fn seen(&self, cx: &Cx, basket: &Basket) -> Hold {
        let left = self.expires_at.as_microseconds() - cx.now.as_microseconds();
        let items = basket.lines.iter().map(|line| HeldItem {
            ticket_type_id: line.ticket_type_id,
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: Money::new(line.unit_amount, self.currency),
            listed_price: line.listed(self.currency),
        });
        Hold {
            id: self.id,
            event_id: self.event_id,
            status: self.status,
            items: items.collect(),
            ticket_count: self.ticket_count,
            seats: Vec::new(),
            are_apart: false,
            total: self.total(),
            promo_code: self.promo_code.clone(),
            discount: (self.promo_code_id).map(|_| Money::new(self.discount_amount, self.currency)),
            fees: taxes::seen_fees(&basket.fees, self.currency),
            taxes: taxes::charged(basket.taxes(), self.currency),
            expires_at: self.expires_at,
            seconds_left: (self.status == HoldStatus::Live).then_some((left / 1_000_000).max(0)),
            is_extended: self.is_extended,
            order_id: self.order_id,
        }
    }
}
