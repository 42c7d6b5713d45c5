//! Tickets of an order are exchanged for another type, called off, or become an order of their own; the rest of the order stays.
//!
//! Operations: `swap_tickets`, `cancel_tickets`, `split_order`. Changes: `order.tickets_swapped`, `order.tickets_cancelled`,
//! `order.split`.

mod cancel_tickets;
pub mod changes;
mod picking;
mod split_order;
mod swap_error;
mod swap_tickets;

use domain::{Change, OrderId, Recorded};
use store::WriteTx;

use super::{OrderDetail, confirm_payment::admit_if_covered, detail, invoices::reissue};
use crate::events::Event;

pub use cancel_tickets::{CancelTickets, CancelTicketsError, CancelledTickets};
pub use picking::PickError;
pub use split_order::{SplitOrder, SplitOrderError, SplitOrders};
pub use swap_error::SwapTicketsError;
pub use swap_tickets::{SwapPrice, SwapTickets, SwappedTickets};

/// An order whose tickets changed and whose places have moved already.
struct Changed<'a> {
    event: &'a Event,
    order_id: OrderId,
    /// What its new invoice says was the reason.
    why: &'a str,
}

impl Changed<'_> {
    /// One that waited for its payment and owes nothing any more is paid; the invoice follows what was bought. Gives what is
    /// recorded of all that, and the order as it is now.
    async fn settle(
        self,
        tx: &mut WriteTx<'_>,
        change: &impl Change,
    ) -> Result<(Vec<Recorded>, OrderDetail), PickError> {
        let mut changes = vec![Recorded::of(change)];
        let paid = admit_if_covered(tx, self.event, self.order_id).await?;
        changes.extend(paid.as_ref().map(Recorded::of));
        reissue(tx, self.order_id, self.why).await?;
        let cx = tx.cx();
        let order = detail(tx.conn(), cx, self.order_id).await?;
        Ok((changes, order))
    }
}
