//! One order with everything that belongs to it.

use domain::{Cx, Money, OrderId, OrderItemId, Permission, TicketTypeId, Timestamp, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    model::{Order, OrderRow},
    sql,
};
use crate::{
    lookup::LookupError,
    tickets::{self, Ticket},
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
}

/// Money received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// How much.
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
    /// How much.
    pub amount: Money,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// Money received.
    pub payments: Vec<Payment>,
    /// Money given back.
    pub refunds: Vec<Refund>,
    /// The tickets, once it is paid.
    pub tickets: Vec<Ticket>,
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
    let items = items.into_iter().map(|item| OrderItem {
        id: item.id,
        ticket_type_id: item.ticket_type_id,
        name: item.name,
        quantity: item.quantity,
        unit_price: Money::new(item.unit_amount, row.currency),
    });
    let mut payments = sql::payments(conn, row.id).await?;
    if !cx.may(Permission::AttendeesPersonal) {
        // A bank transfer names whoever sent it.
        for payment in &mut payments {
            payment.reference = None;
        }
    }
    let tickets = tickets::of_order(conn, row.id).await?;
    Ok(OrderDetail {
        order: row.seen(cx),
        items: items.collect(),
        payments,
        refunds: sql::refunds(conn, row.id).await?,
        tickets: tickets.into_iter().map(|ticket| ticket.seen(cx)).collect(),
        note: row.note.filter(|_| cx.may(Permission::AttendeesPersonal)),
        cancelled_at: row.cancelled_at,
        cancellation_reason: row.cancellation_reason,
    })
}
