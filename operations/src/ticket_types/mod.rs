//! Ticket types: what is on sale for an event. Names, prices, sales windows, limits.
//!
//! Owns `ticket_type`. Operations: `list_ticket_types`, `save_ticket_type`, `archive_ticket_type`,
//! `check_inventory`, `resume_sales`. Changes: `ticket_type.created`, `ticket_type.updated`,
//! `ticket_type.archived`.

mod archive_ticket_type;
mod basket;
pub mod changes;
mod check_inventory;
mod copy;
mod errors;
mod limit;
mod list_ticket_types;
mod model;
mod resume_sales;
mod save_ticket_type;
mod sql;
mod terms;
mod warnings;
mod zone;

pub use archive_ticket_type::{ArchiveTicketType, ArchivedTicketType};
pub use basket::BasketError;
pub use check_inventory::{CheckInventory, CheckedInventory, RecountedPromoCode, StoppedPool};
pub use errors::SaveTicketTypeError;
pub use limit::PoolRequest;
pub use list_ticket_types::{ListTicketTypes, TicketTypes};
pub use model::{SaleState, SharedPool, TicketType, Visibility};
pub use resume_sales::{ResumeSales, ResumeSalesError, ResumedSales};
pub use save_ticket_type::{SaveTicketType, SavedTicketType};

pub(crate) use basket::{Basket, Left, Line, Pick, check_picks, on_sale};
pub(crate) use copy::{Copied, copy_all};
pub(crate) use model::{Offer, costs, find, seen, summaries};
pub(crate) use sql::offers;
pub(crate) use terms::{AppliedCode, PriceEffect, Terms};
pub(crate) use warnings::venue as over_venue;
pub(crate) use zone::rezone;
