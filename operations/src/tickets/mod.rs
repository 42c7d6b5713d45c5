//! Tickets: rights of admission, issued for what was bought.
//!
//! Owns `ticket`. Operations: `find_ticket`, `void_ticket`. Orders issue tickets and void those of cancelled orders.
//! Changes: `ticket.voided`.

pub mod changes;
mod code;
mod find_ticket;
mod model;
mod sql;
mod void_ticket;

pub use code::TicketCode;
pub use find_ticket::FindTicket;
pub use model::{Attendee, Ticket, TicketStatus};
pub use void_ticket::{VoidTicket, VoidTicketError, VoidedTicket};

pub(crate) use model::{Bought, NewTicket, TicketRow};
#[cfg(any(test, feature = "testing"))]
pub(crate) use sql::admit;
pub(crate) use sql::{
    checked_in, issue, lines, named_already, of_order, resolve, void, void_for_order,
};
