//! Attempts, payments and refunds as rows.

use domain::{
    Currency, GiftCardId, Money, OrderId, PaymentAttemptId, PaymentId, RefundId, Timestamp,
    Untrusted,
};
use payments::{CheckoutRequest, Line};

use crate::orders::{
    detail::{Payment, Refund},
    model::{ItemRow, OrderRow},
};

domain::text_enum! {
    /// How money moves.
    pub enum PaymentMethod {
        /// Outside EventOS: by bank transfer, in cash.
        Manual = "manual",
        /// Through Stripe.
        Stripe = "stripe",
        /// From a gift card, and back onto it.
        GiftCard = "gift_card",
    }
}

domain::sqlx_as_text!(PaymentMethod);

impl PaymentMethod {
    /// As people say it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Manual => "the organizer",
            Self::Stripe => "Stripe",
            Self::GiftCard => "a gift card",
        }
    }

    /// Whether a processor moves the money, and tells of it later.
    pub(super) fn is_through_processor(self) -> bool {
        self == Self::Stripe
    }
}

domain::text_enum! {
    /// What came of a try to have an order paid.
    pub enum AttemptStatus {
        /// The processor was asked for a page, or is about to be.
        Asked = "asked",
        /// The buyer may pay.
        Open = "open",
        /// The money is on its way.
        Processing = "processing",
        /// The money came in.
        Paid = "paid",
        /// The page is closed; nothing was paid.
        Expired = "expired",
        /// The processor made no page.
        Refused = "refused",
    }
}

domain::sqlx_as_text!(AttemptStatus);

domain::text_enum! {
    /// What came of money that is given back.
    pub enum RefundStatus {
        /// On its way.
        Pending = "pending",
        /// Given back.
        Done = "done",
        /// It did not work, and the money is with the organizer.
        Failed = "failed",
    }
}

domain::sqlx_as_text!(RefundStatus);

/// A row of `payment_attempt`.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) id: PaymentAttemptId,
    pub(super) order_id: OrderId,
    /// From 1.
    pub(super) number: i32,
    pub(super) status: AttemptStatus,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) return_url: String,
    pub(super) started_at: Timestamp,
    pub(super) closes_at: Timestamp,
    pub(super) reference: Option<String>,
    pub(super) page_url: Option<String>,
}

impl Attempt {
    /// What the processor is asked for: the same for every repeat.
    pub(super) fn request(&self, order: &OrderRow, items: &[ItemRow]) -> CheckoutRequest {
        let charged = Money::new(self.amount, self.currency);
        let line = |item: &ItemRow| Line {
            name: item.name.clone(),
            unit_amount: Money::new(item.unit_amount, self.currency),
            quantity: u32::try_from(item.quantity).unwrap_or_default(),
        };
        let mut request = CheckoutRequest {
            order_id: self.order_id,
            order_number: order.number.clone(),
            attempt: u32::try_from(self.number).unwrap_or_default(),
            lines: items.iter().map(line).collect(),
            buyer_email: Some(order.buyer_email.clone()),
            language: None,
            paid_url: format!("{}?back", self.return_url),
            cancelled_url: self.return_url.clone(),
            started_at: self.started_at,
            expires_at: self.closes_at,
        };
        // When something was paid before, the lines are not what is charged.
        if request.total() != Ok(Some(charged)) {
            request.lines = vec![Line {
                name: format!("Order {}", order.number),
                unit_amount: charged,
                quantity: 1,
            }];
        }
        request
    }
}

/// Money that came in.
#[derive(Debug, Clone, Copy)]
pub(in crate::orders) struct Received<'a> {
    pub(in crate::orders) method: PaymentMethod,
    pub(in crate::orders) amount: Money,
    /// What it was marked with.
    pub(in crate::orders) reference: Option<&'a str>,
    /// The processor's id of it.
    pub(in crate::orders) processor_reference: Option<&'a str>,
    /// The gift card it was taken from.
    pub(in crate::orders) gift_card_id: Option<GiftCardId>,
    /// The payment it is a part of, when it is moved from one order to another.
    pub(in crate::orders) moved_from: Option<PaymentId>,
    pub(in crate::orders) came_at: Timestamp,
}

/// A row of `payment` with what of it was given back, is on its way, or was moved to another order.
#[derive(Debug, Clone)]
pub(in crate::orders) struct PaymentRow {
    pub(super) id: PaymentId,
    pub(super) method: PaymentMethod,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) reference: Option<Untrusted>,
    pub(super) processor_reference: Option<String>,
    pub(super) gift_card_id: Option<GiftCardId>,
    pub(super) received_at: Timestamp,
    /// The payment it is a part of, when it was moved.
    pub(super) moved_from: Option<PaymentId>,
    /// What was given back of it, or moved to another order.
    pub(super) gone: i64,
}

impl PaymentRow {
    pub(super) fn left(&self) -> i64 {
        self.amount.saturating_sub(self.gone).max(0)
    }
}

/// A row of `refund`.
#[derive(Debug, Clone)]
pub(in crate::orders) struct RefundRow {
    pub(super) id: RefundId,
    pub(super) order_id: OrderId,
    pub(super) payment_id: Option<PaymentId>,
    pub(super) method: PaymentMethod,
    pub(super) status: RefundStatus,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) reason: Option<String>,
    pub(super) processor_reference: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) created_at: Timestamp,
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Self {
        Self {
            method: row.method,
            amount: Money::new(row.amount, row.currency),
            reference: row.reference,
            received_at: row.received_at,
        }
    }
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            method: row.method,
            status: row.status,
            amount: row.money(),
            reason: row.reason,
            failure: row.failure,
            created_at: row.created_at,
        }
    }
}

impl RefundRow {
    pub(super) fn money(&self) -> Money {
        Money::new(self.amount, self.currency)
    }
}
