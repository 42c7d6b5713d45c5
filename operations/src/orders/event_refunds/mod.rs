//! All orders of a cancelled event are called off and the money goes back, some orders at a time.
//!
//! Owns `event_refund`. Operations: `refund_event`, `get_event_refund`, `continue_event_refund`. Changes:
//! `event_refund.started`, `event_refund.finished`, and `order.cancelled` for each order.
//!
//! Each step is one transaction: so many orders are cancelled, how far it is is written down, and the next step is queued.
//! Whatever crashes in between, a step is done whole or not at all.

pub mod changes;
mod continue_event_refund;
mod error;
mod get_event_refund;
mod model;
mod refund_event;
mod sql;
#[cfg(test)]
pub(super) mod tests;

pub use continue_event_refund::ContinueEventRefund;
pub use error::EventRefundError;
pub use get_event_refund::GetEventRefund;
pub use model::{EventRefund, FailedRefund};
pub use refund_event::{RefundEvent, RefundEventError};
