//! Tickets of an order are exchanged for another type or called off; the rest of the order stays.
//!
//! Operations: `swap_tickets`, `cancel_tickets`. Changes: `order.tickets_swapped`, `order.tickets_cancelled`.

mod cancel_tickets;
pub mod changes;
mod picking;
mod swap_error;
mod swap_tickets;

pub use cancel_tickets::{CancelTickets, CancelTicketsError, CancelledTickets};
pub use picking::PickError;
pub use swap_error::SwapTicketsError;
pub use swap_tickets::{SwapPrice, SwapTickets, SwappedTickets};
