//! Moving money from one order to another, with the tickets it paid for.

use domain::{Cx, PaymentId};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    model::{PaymentMethod, PaymentRow, Received},
    sql,
};
use crate::orders::model::OrderRow;

/// So much of each payment: through processors first, then from gift cards, then by hand, the newest first, as it would go
/// back.
fn parts(mut amount: i64, payments: &[PaymentRow]) -> Vec<(&PaymentRow, i64)> {
    let mut parts = Vec::new();
    for method in [
        PaymentMethod::Stripe,
        PaymentMethod::GiftCard,
        PaymentMethod::Manual,
    ] {
        let newest = payments.iter().rev();
        for payment in newest.filter(|payment| payment.method == method) {
            let part = payment.left().min(amount);
            if part > 0 {
                parts.push((payment, part));
                amount -= part;
            }
        }
    }
    parts
}

/// Moves an amount that was paid for an order and not given back to another one; both are locked.
pub(in crate::orders) async fn move_money(
    conn: &mut PgConnection,
    cx: &Cx,
    from: &OrderRow,
    to: &OrderRow,
    amount: i64,
) -> Result<(), StoreError> {
    let payments = sql::payments(conn, from.id).await?;
    let (left, came) = (
        format!("moved to order {}", to.number),
        format!("moved from order {}", from.number),
    );
    for (payment, part) in parts(amount, &payments) {
        let moved = |amount: i64, reference, moved_from: PaymentId| Received {
            method: payment.method,
            amount: domain::Money::new(amount, payment.currency),
            reference: Some(reference),
            processor_reference: None,
            gift_card_id: None,
            moved_from: Some(moved_from),
            came_at: cx.now,
        };
        let origin = payment.moved_from.unwrap_or(payment.id);
        let leaving = moved(-part, left.as_str(), payment.id);
        sql::receive(conn, cx, from.id, &leaving).await?;
        let coming = moved(part, came.as_str(), origin);
        sql::receive(conn, cx, to.id, &coming).await?;
    }
    Ok(())
}
