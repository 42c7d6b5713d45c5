//! One order with everything that belongs to it.

use domain::{Cx, Money, OrderId, OrderItemId, Permission, TicketTypeId, Timestamp, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    model::{ItemRow, Order, OrderRow},
    payments::{self, PaymentMethod, RefundStatus},
    sql,
};
use crate::{
    lookup::LookupError,
    seats,
    taxes::{self, ChargedFee, FeeLine, TaxAmount},
    tickets::{self, Ticket, TicketRow},
};

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderItem {
    /// Its id.
    pub id: OrderItemId,
    /// What was bought.
    pub ticket_type_id: TicketTypeId,
    /// As it was called when it was bought.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// The price of one when it was bought.
    pub unit_price: Money,
    /// What one cost without the promo code, if that was more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_price: Option<Money>,
}

/// Money received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// How it came in.
    pub method: PaymentMethod,
    /// How much; below zero for what was moved to another order.
    pub amount: Money,
    /// What it was marked with, such as the text of a bank transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Untrusted>,
    /// When it came in.
    pub received_at: Timestamp,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refund {
    /// How it goes back.
    pub method: PaymentMethod,
    /// What came of it.
    pub status: RefundStatus,
    /// How much.
    pub amount: Money,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it could not be given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// An order with its items, payments, refunds and tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderDetail {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// What was bought.
    pub items: Vec<OrderItem>,
    /// What is charged beside the tickets, as a part of the total.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<ChargedFee>,
    /// What of the total is tax, by rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TaxAmount>,
    /// Money received.
    pub payments: Vec<Payment>,
    /// Money given back.
    pub refunds: Vec<Refund>,
    /// The tickets, once it is paid.
    pub tickets: Vec<Ticket>,
    /// Its reserved seats, in the order of the house.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<String>,
    /// What was noted when it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
    /// When it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Timestamp>,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<String>,
}

/// The order of an id, as the caller may see it.
pub(crate) async fn detail(
    conn: &mut PgConnection,
    cx: &Cx,
    id: OrderId,
) -> Result<OrderDetail, LookupError> {
    let row = sql::get(conn, id).await?;
    detail_of(conn, cx, row).await
}

/// Like [`detail`], for an order that was read already.
pub(super) async fn detail_of(
    conn: &mut PgConnection,
    cx: &Cx,
    row: OrderRow,
) -> Result<OrderDetail, LookupError> {
    let items = sql::items(conn, row.id).await?;
    let fees = sql::fees(conn, row.id).await?;
    let tickets = tickets::of_order(conn, row.id).await?;
    let received = payments::payments(conn, row.id).await?;
    let given_back = payments::refunds(conn, row.id).await?;
    Ok(OrderDetail {
        payments: received.into_iter().map(Payment::from).collect(),
        refunds: given_back.into_iter().map(Refund::from).collect(),
        seats: seats::of_order(conn, row.id).await?,
        ..OrderDetail::new(cx, &row, (&items, &fees), tickets)
    }
    .seen(cx))
}

impl OrderDetail {
    /// An order that nothing was paid for or given back of yet.
    pub(super) fn new(
        cx: &Cx,
        row: &OrderRow,
        (items, fees): (&[ItemRow], &[FeeLine]),
        tickets: impl IntoIterator<Item = TicketRow>,
    ) -> Self {
        let taxes = items.iter().map(|item| &item.tax);
        let taxes = taxes.chain(fees.iter().map(|fee| &fee.tax));
        let taxes = taxes::charged(taxes, row.currency);
        let items = items.iter().map(|item| OrderItem {
            id: item.id,
            ticket_type_id: item.ticket_type_id,
            name: item.name.clone(),
            quantity: item.quantity,
            unit_price: Money::new(item.unit_amount, row.currency),
            listed_price: (item.listed_amount > item.unit_amount)
                .then(|| Money::new(item.listed_amount, row.currency)),
        });
        let tickets = tickets.into_iter().map(|ticket| ticket.seen(cx));
        Self {
            order: row.seen(cx),
            items: items.collect(),
            fees: taxes::seen_fees(fees, row.currency),
            taxes,
            payments: Vec::new(),
            refunds: Vec::new(),
            tickets: tickets.collect(),
            seats: Vec::new(),
            note: row.note.clone(),
            cancelled_at: row.cancelled_at,
            cancellation_reason: row.cancellation_reason.clone(),
        }
        .seen(cx)
    }

    /// Without what the caller may not see: a bank transfer names whoever sent it, a note whoever it likes.
    fn seen(mut self, cx: &Cx) -> Self {
        if !cx.may(Permission::AttendeesPersonal) {
            self.note = None;
            for payment in &mut self.payments {
                payment.reference = None;
            }
        }
        self
    }
}
