//! Orders: one buyer's purchase, the money for it, and what it holds or has sold.
//!
//! Owns `orders`, `order_item`, and what `invoices`, `payments` and `event_refunds` below it own. States: `pending` → `paid` → `cancelled`; `pending` →
//! `cancelled` or `expired`; `expired` → `paid` when the money comes in late and the places are still there; `cancelled` and
//! `expired` → `pending` or `paid` when somebody brings an order back. Operations:
//! `list_orders`, `get_order`, `place_order`, `confirm_payment`, `cancel_order`, `reactivate_order`, `issue_tickets`.
//! Changes: `order.placed`, `order.paid`, `order.cancelled`, `order.reactivated`.
//!
//! Locks, in this order: event (shared), order, tickets, promo codes by id, capacity pools by id, series of invoices. An order counts as a use of
//! its promo code until it is cancelled.

mod buyer_limit;
mod cancel_order;
mod cancelling;
pub mod changes;
pub mod changing;
mod confirm_payment;
mod detail;
#[cfg(any(test, feature = "testing"))]
mod discrepancies;
pub mod event_refunds;
mod get_order;
pub mod invoices;
mod issue_tickets;
mod list_orders;
mod model;
mod number;
pub mod payments;
mod place_order;
mod place_order_error;
mod placing;
mod reactivate_order;
mod sql;

pub use cancel_order::{CancelOrder, CancelOrderError, CancelledOrder, RefundChoice};
pub use confirm_payment::{ConfirmPayment, ConfirmPaymentError, ConfirmedPayment};
pub use detail::{OrderDetail, OrderItem, Payment, Refund};
pub use get_order::GetOrder;
pub use issue_tickets::{Guest, IssueTickets, IssueTicketsError, IssuedTickets};
pub use list_orders::ListOrders;
pub use model::{Order, OrderStatus};
pub use number::OrderNumber;
pub use place_order::{Buyer, ItemRequest, PlaceOrder, PlacedOrder};
pub use place_order_error::PlaceOrderError;
pub use reactivate_order::{ReactivateOrder, ReactivateOrderError};

pub(crate) use detail::detail;
#[cfg(any(test, feature = "testing"))]
pub(crate) use discrepancies::discrepancies;
pub(crate) use sql::{Totals, totals};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_codes;
#[cfg(test)]
mod tests_of_holds;
#[cfg(test)]
mod tests_of_sharing;
#[cfg(test)]
mod tests_of_tiers;
