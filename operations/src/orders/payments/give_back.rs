//! Giving money back: written down first, so that it counts as given back from then on; a job asks the processor.

use domain::{Cx, GiftCardId, Money, PaymentId, RefundId};
use serde_json::json;
use sqlx::PgConnection;
use store::StoreError;

use super::{
    changes::RefundRequested,
    model::{PaymentMethod, PaymentRow, RefundRow, RefundStatus},
    sql,
};
use crate::{
    gift_cards, jobs,
    orders::{changes::Which, model::OrderRow},
};

/// How money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::orders) struct GivenBack {
    /// By itself: through the processor it came through, or onto the gift card it came from.
    pub(in crate::orders) by_itself: Money,
    /// By the organizer, outside EventOS.
    pub(in crate::orders) by_hand: Money,
}

/// A part of what is given back: of one payment, or by hand.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    method: PaymentMethod,
    payment_id: Option<PaymentId>,
    gift_card_id: Option<GiftCardId>,
    amount: i64,
}

/// Splits an amount: what came through processors goes back there, then what came from gift cards onto them, the newest
/// first; the rest is the organizer's to transfer. So nobody makes money of a gift card.
fn shares(mut amount: i64, payments: &[PaymentRow]) -> Vec<Share> {
    let mut shares = Vec::new();
    let of = |wanted: fn(PaymentMethod) -> bool| {
        let newest = payments.iter().rev();
        newest.filter(move |payment| wanted(payment.method))
    };
    let through = of(PaymentMethod::is_through_processor);
    let from_cards = of(|method| method == PaymentMethod::GiftCard);
    for payment in through.chain(from_cards) {
        let part = payment.left().min(amount);
        if part > 0 {
            shares.push(Share {
                method: payment.method,
                payment_id: Some(payment.id),
                gift_card_id: payment.gift_card_id,
                amount: part,
            });
            amount -= part;
        }
    }
    if amount > 0 {
        shares.push(Share {
            method: PaymentMethod::Manual,
            payment_id: None,
            gift_card_id: None,
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
    let mut onto_cards = Vec::new();
    for share in shares(amount.amount, &payments) {
        let is_asked_for = share.method.is_through_processor();
        match share.gift_card_id {
            Some(id) => onto_cards.push((id, share.amount)),
            None if is_asked_for => {}
            None => by_hand.amount += share.amount,
        }
        let refund = RefundRow {
            id: cx.new_id::<RefundId>(),
            order_id: order.id,
            payment_id: share.payment_id,
            method: share.method,
            // What the organizer transfers is on record with this; nothing will tell us of it.
            status: if is_asked_for {
                RefundStatus::Pending
            } else {
                RefundStatus::Done
            },
            amount: share.amount,
            currency: amount.currency,
            reason: reason.map(ToOwned::to_owned),
            processor_reference: None,
            failure: None,
            created_at: cx.now,
        };
        sql::add_refund(conn, cx, &refund).await?;
        if is_asked_for {
            let key = format!("refund:{}", refund.id);
            let input = json!({"order": order.id});
            jobs::enqueue(conn, cx, "check_payment", input, key).await?;
        }
    }
    gift_cards::put_back(conn, cx, onto_cards).await?;
    let given = GivenBack {
        by_itself: Money::new(amount.amount - by_hand.amount, amount.currency),
        by_hand,
    };
    let change = RefundRequested {
        which: Which::of(order),
        amount,
        by_itself: given.by_itself,
        by_hand,
        reason: reason.map(ToOwned::to_owned),
    };
    Ok((given, change))
}

/// Puts what of an order, which is locked, came from gift cards back onto them.
pub(super) async fn give_back_to_cards(
    conn: &mut PgConnection,
    cx: &Cx,
    order: &OrderRow,
    reason: &str,
) -> Result<Vec<RefundRequested>, StoreError> {
    let mut changes = Vec::new();
    for payment in sql::payments(conn, order.id).await? {
        let left = Money::new(payment.left(), payment.currency);
        if payment.method == PaymentMethod::GiftCard && !left.is_zero() {
            let given = give_back(conn, cx, order, left, Some(payment.id), Some(reason));
            changes.push(given.await?.1);
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn paid(id: u128, method: PaymentMethod, amount: i64, gone: i64) -> PaymentRow {
        PaymentRow {
            id: Uuid::from_u128(id).into(),
            method,
            amount,
            currency: "EUR".parse().unwrap(),
            reference: None,
            processor_reference: None,
            gift_card_id: (method == PaymentMethod::GiftCard)
                .then(|| Uuid::from_u128(100 + id).into()),
            received_at: domain::Timestamp::from_microseconds(0),
            moved_from: None,
            gone,
        }
    }

    #[test]
    fn what_came_through_a_processor_goes_back_there_first() {
        let payments = [
            paid(1, PaymentMethod::Stripe, 1000, 400),
            paid(2, PaymentMethod::Manual, 500, 0),
            paid(3, PaymentMethod::Stripe, 300, 0),
            paid(4, PaymentMethod::GiftCard, 700, 100),
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
        let online = [(Some(3), 300), (Some(1), 600)];
        assert_eq!(parts(1300), [&online[..], &[(Some(4), 400)]].concat());
        let all = [&online[..], &[(Some(4), 600), (None, 500)]].concat();
        assert_eq!(parts(2000), all);
        assert_eq!(parts(0), []);
    }
}
