//! How far the refund of an event is, as callers see it.

use domain::{Currency, Cx, EventId, Money, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::sql::{self, Ahead};
use crate::{
    events::Event,
    orders::{RefundChoice, model::OrderRow, model::OrderStatus},
};

/// The refund of all orders of a cancelled event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventRefund {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub title: String,
    /// What happens to money that was paid.
    pub refund: RefundChoice,
    /// What is kept of it for each ticket.
    pub keep_per_ticket: Money,
    /// Whether every order is cancelled and every refund asked for.
    pub is_finished: bool,
    /// Orders cancelled so far.
    pub orders_cancelled: i32,
    /// Orders still to be cancelled: paid ones.
    pub paid_orders_ahead: i64,
    /// Orders still to be cancelled: those that wait for money.
    pub pending_orders_ahead: i64,
    /// What is still to be given back.
    pub ahead: Money,
    /// What of that goes back the way it was paid, by itself; the rest is the organizer's to transfer.
    pub ahead_by_itself: Money,
    /// What was given back or asked for so far.
    pub refunded: Money,
    /// What of that the payment provider has not confirmed yet.
    pub unconfirmed: Money,
    /// Refunds that the payment provider refused: the money is still here. The first twenty.
    pub failed: Vec<FailedRefund>,
    /// When it began.
    pub started_at: Timestamp,
    /// When the last order was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What is left to do, in words.
    pub next: String,
}

/// A refund that the payment provider refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRefund {
    /// The order's number.
    pub order: String,
    /// How much.
    pub amount: Money,
    /// Why, in the provider's words.
    pub failure: String,
}

/// A row of `event_refund`.
#[derive(Debug, Clone)]
pub(super) struct RefundRow {
    pub(super) event_id: EventId,
    pub(super) refund: RefundChoice,
    pub(super) keep_amount: i64,
    pub(super) currency: Currency,
    pub(super) reason: String,
    pub(super) batch: i32,
    pub(super) cancelled_count: i32,
    pub(super) refunded_amount: i64,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
}

impl RefundRow {
    pub(super) fn money(&self, amount: i64) -> Money {
        Money::new(amount, self.currency)
    }

    /// What goes back for an order. Of what was paid for an order that is not complete, nothing is kept.
    pub(super) fn of(&self, order: &OrderRow) -> Money {
        let paid = order.refundable().amount;
        let kept = match (self.refund, order.status) {
            (RefundChoice::None, _) => paid,
            (RefundChoice::Full, OrderStatus::Paid) => {
                (self.keep_amount.saturating_mul(order.ticket_count.into())).min(paid)
            }
            (RefundChoice::Full, _) => 0,
        };
        self.money(paid - kept)
    }

    /// As callers see it.
    pub(super) async fn seen(
        &self,
        conn: &mut PgConnection,
        event: &Event,
    ) -> sqlx::Result<EventRefund> {
        let ahead = sql::ahead(conn, self).await?;
        let unconfirmed = sql::unconfirmed(conn, self.event_id).await?;
        let failed = sql::failed(conn, self.event_id).await?;
        Ok(EventRefund {
            event_id: self.event_id,
            title: event.title.clone(),
            refund: self.refund,
            keep_per_ticket: self.money(self.keep_amount),
            is_finished: self.finished_at.is_some(),
            orders_cancelled: self.cancelled_count,
            paid_orders_ahead: ahead.paid,
            pending_orders_ahead: ahead.pending,
            ahead: self.money(ahead.amount),
            ahead_by_itself: self.money(ahead.by_itself),
            refunded: self.money(self.refunded_amount),
            unconfirmed: self.money(unconfirmed),
            started_at: self.started_at,
            finished_at: self.finished_at,
            next: self.next(&ahead, unconfirmed, !failed.is_empty()),
            failed,
        })
    }

    fn next(&self, ahead: &Ahead, unconfirmed: i64, has_failed: bool) -> String {
        let failed = if has_failed {
            " Some refunds failed: ask for them again with refund_order, or transfer the money."
        } else {
            ""
        };
        let by_hand = if self.refund == RefundChoice::Full {
            " What was not paid online is the organizer's to transfer: get_settlement shows how much."
        } else {
            ""
        };
        if self.finished_at.is_none() {
            let left = ahead.paid + ahead.pending;
            return format!(
                "{left} orders are still to be cancelled; it goes on by itself.{failed}"
            );
        }
        if unconfirmed > 0 {
            let amount = self.money(unconfirmed);
            return format!(
                "Every order is cancelled; the payment provider has still to confirm {amount}.{failed}{by_hand}"
            );
        }
        format!("Every order is cancelled.{failed}{by_hand}")
    }
}

/// What is to be done at the beginning.
pub(super) fn begun(
    cx: &Cx,
    event: &Event,
    refund: RefundChoice,
    keep: i64,
    reason: &str,
) -> RefundRow {
    RefundRow {
        event_id: event.id,
        refund,
        keep_amount: keep,
        currency: event.currency,
        reason: reason.to_owned(),
        batch: 0,
        cancelled_count: 0,
        refunded_amount: 0,
        started_at: cx.now,
        finished_at: None,
    }
}
