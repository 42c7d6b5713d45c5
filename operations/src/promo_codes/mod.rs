//! Promo codes: they make tickets of an event cheaper, or let buyers have hidden ticket types, so often and so long.
//!
//! Owns `promo_code` (but for its counters, which `inventory` moves) and `promo_code_ticket_type`. Operations:
//! `save_promo_code`, `create_promo_codes`, `list_promo_codes`, `archive_promo_code`. Changes: `promo_code.saved`,
//! `promo_codes.created`, `promo_code.archived`.
//!
//! One use is one hold or one order, however many tickets it has: a live hold counts, an order takes the use of its hold
//! over, and what is released, runs out or is cancelled gives it back. Whoever holds or orders shares the event's row, and
//! whoever changes a code locks it; so a code's terms stay what they are until the hold or order is written, with the
//! price it was given at. Why uses move before places: `inventory::Uses`.

mod archive_promo_code;
pub mod changes;
mod create_promo_codes;
mod errors;
mod list_promo_codes;
mod model;
mod refusal;
mod save_promo_code;
mod sql;
mod terms;
mod usable;
mod warnings;
mod zone;

pub use archive_promo_code::{ArchivePromoCode, ArchivedPromoCode};
pub use create_promo_codes::{CreatePromoCodes, CreatedPromoCodes};
pub use errors::SavePromoCodeError;
pub use list_promo_codes::ListPromoCodes;
pub use model::{PromoCode, PromoCodeState, PromoEffect};
pub use refusal::PromoCodeError;
pub use save_promo_code::{SavePromoCode, SavedPromoCode};

pub(crate) use sql::has_amounts;
pub(crate) use usable::{Usable, check_applies, is_same};
pub(crate) use zone::rezone;
