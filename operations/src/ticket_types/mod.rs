//! Ticket types: what is on sale for an event. Names, prices, sales windows, limits.
//!
//! Owns `ticket_type` and `add_on`. Operations: `list_ticket_types`, `save_ticket_type`, `archive_ticket_type`,
//! `set_price_tiers`, `set_add_on`, `set_ticket_type_tax`, `set_chosen_price`, `set_buyer_limit`, `check_inventory`, `resume_sales`. Changes:
//! `ticket_type.created`, `ticket_type.updated`, `ticket_type.archived`, `ticket_type.tiers_set`, `ticket_type.add_on_set`.

mod archive_ticket_type;
mod basket;
mod basket_error;
pub mod changes;
mod check_inventory;
mod copy;
mod errors;
mod limit;
mod list_ticket_types;
mod model;
mod resume_sales;
mod save_ticket_type;
mod set_add_on;
mod set_buyer_limit;
mod set_chosen_price;
mod set_price_tiers;
mod set_ticket_type_tax;
mod setting;
mod sql;
mod terms;
mod tiers;
mod waited_for;
mod warnings;
mod zone;

pub use archive_ticket_type::{ArchiveTicketType, ArchivedTicketType};
pub use basket_error::BasketError;
pub use check_inventory::{
    CheckInventory, CheckedInventory, RecountedPromoCode, RecountedSeats, StoppedPool,
};
pub use errors::SaveTicketTypeError;
pub use limit::PoolRequest;
pub use list_ticket_types::{ListTicketTypes, TicketTypes};
pub use model::{SaleState, SharedPool, TicketType, Visibility};
pub use resume_sales::{ResumeSales, ResumeSalesError, ResumedSales};
pub use save_ticket_type::{SaveTicketType, SavedTicketType};
pub use set_add_on::{SetAddOn, SetAddOnError};
pub use set_buyer_limit::{SetBuyerLimit, SetBuyerLimitError};
pub use set_chosen_price::{SetChosenPrice, SetChosenPriceError};
pub use set_price_tiers::{PriceTiers, SetPriceTiers, SetPriceTiersError};
pub use set_ticket_type_tax::{SetTicketTypeTax, SetTicketTypeTaxError};
pub use setting::SettingError;
pub use tiers::TierError;

pub(crate) use basket::{Basket, Left, Line, Pick, check_picks, on_sale};
pub(crate) use copy::{Copied, copy_all};
pub(crate) use model::{Offer, costs, find, find_for, places, sale_state, seen, summaries};
pub(crate) use sql::offers;
pub(crate) use terms::{AppliedCode, PriceEffect, Terms};
pub(crate) use waited_for::{can_be_offered, move_places};
pub(crate) use warnings::venue as over_venue;
pub(crate) use zone::rezone;
