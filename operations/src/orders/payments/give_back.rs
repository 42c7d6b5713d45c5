//! Giving money back: written down first, so that it counts as given back from then on; a job asks the processor.

use domain::{Cx, Money, PaymentId, RefundId};
use serde_json::json;
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::RefundRequested,
    model::{PaymentMethod, PaymentRow, RefundRow, RefundStatus},
    sql,
};
use crate::{
    jobs,
    orders::{changes::Which, model::OrderRow},
};

/// How money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::orders) struct GivenBack {
    /// By the processor it came through.
    pub(in crate::orders) by_processor: Money,
    /// By the organizer, outside EventOS.
    pub(in crate::orders) by_hand: Money,
}

/// A part of what is given back: of one payment through a processor, or by hand.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    method: PaymentMethod,
    payment_id: Option<PaymentId>,
    amount: i64,
}

/// Splits an amount: what came through processors goes back there, the newest first; the rest is the organizer's to
/// transfer.
fn shares(mut amount: i64, payments: &[PaymentRow]) -> Vec<Share> {
    let mut shares = Vec::new();
    let through = payments.iter().rev();
    for payment in through.filter(|payment| payment.method != PaymentMethod::Manual) {
        let part = payment.left().min(amount);
        if part > 0 {
            shares.push(Share {
                method: payment.method,
                payment_id: Some(payment.id),
                amount: part,
            });
            amount -= part;
        }
    }
    if amount > 0 {
        shares.push(Share {
            method: PaymentMethod::Manual,
            payment_id: None,
            amount,
        });
    }
    shares
}

/// Gives an amount back of what came in for an order that is locked; of one payment only, if one is named. The caller
/// has seen that so much is left.
pub(in crate::orders) async fn give_back(
    conn: &mut PgConnection,
    cx: &Cx,
    order: &OrderRow,
    amount: Money,
    of: Option<PaymentId>,
    reason: Option<&str>,
) -> Result<(GivenBack, RefundRequested), StoreError> {
    let mut payments = sql::payments(conn, order.id).await?;
    payments.retain(|payment| of.is_none_or(|id| payment.id == id));
    let mut by_hand = Money::zero(amount.currency);
    for share in shares(amount.amount, &payments) {
        let is_by_hand = share.method == PaymentMethod::Manual;
        if is_by_hand {
            by_hand.amount += share.amount;
        }
        let refund = RefundRow {
            id: cx.new_id::<RefundId>(),
            order_id: order.id,
            payment_id: share.payment_id,
            method: share.method,
            // What the organizer transfers is on record with this; nothing will tell us of it.
            status: if is_by_hand {
                RefundStatus::Done
            } else {
                RefundStatus::Pending
            },
            amount: share.amount,
            currency: amount.currency,
            reason: reason.map(ToOwned::to_owned),
            processor_reference: None,
            failure: None,
            created_at: cx.now,
        };
        sql::add_refund(conn, cx, &refund).await?;
        if !is_by_hand {
            let key = format!("refund:{}", refund.id);
            let input = json!({"order": order.id});
            jobs::enqueue(conn, cx, "check_payment", input, key).await?;
        }
    }
    let given = GivenBack {
        by_processor: Money::new(amount.amount - by_hand.amount, amount.currency),
        by_hand,
    };
    let change = RefundRequested {
        which: Which::of(order),
        amount,
        by_processor: given.by_processor,
        by_hand,
        reason: reason.map(ToOwned::to_owned),
    };
    Ok((given, change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn paid(id: u128, method: PaymentMethod, amount: i64, refunded: i64) -> PaymentRow {
        PaymentRow {
            id: Uuid::from_u128(id).into(),
            method,
            amount,
            currency: "EUR".parse().unwrap(),
            reference: None,
            processor_reference: None,
            received_at: domain::Timestamp::from_microseconds(0),
            refunded,
        }
    }

    #[test]
    fn what_came_through_a_processor_goes_back_there_first() {
        let payments = [
            paid(1, PaymentMethod::Stripe, 1000, 400),
            paid(2, PaymentMethod::Manual, 500, 0),
            paid(3, PaymentMethod::Stripe, 300, 0),
        ];
        let parts = |amount| -> Vec<(Option<u128>, i64)> {
            let id = |share: &Share| share.payment_id.map(|id| Uuid::from(id).as_u128());
            shares(amount, &payments)
                .iter()
                .map(|share| (id(share), share.amount))
                .collect()
        };
        assert_eq!(parts(200), [(Some(3), 200)]);
        assert_eq!(parts(900), [(Some(3), 300), (Some(1), 600)]);
        assert_eq!(parts(1400), [(Some(3), 300), (Some(1), 600), (None, 500)]);
        assert_eq!(parts(0), []);
    }
}
