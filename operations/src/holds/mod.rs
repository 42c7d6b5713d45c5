//! Holds: places set aside while somebody buys, at the price they had then.
//!
//! Owns `hold`, `hold_item`. States: `live` → `ordered`, `released` or `expired`. Operations: `hold_tickets`, `get_hold`,
//! `extend_hold`, `release_hold`; orders are placed from holds. Changes: `hold.placed`, `hold.extended`,
//! `hold.released`, `hold.expired`.
//!
//! Locks, in this order: event (shared), hold, promo codes by id, capacity pools by id. A hold counts until it is ended, not until its
//! time is over: workers end those that are due, and so does whoever finds too few places left.

pub mod changes;
mod expire;
mod extend_hold;
mod get_hold;
mod hold_tickets;
mod model;
mod release_hold;
mod sql;

pub use expire::expire_due;
pub use extend_hold::{ExtendHold, ExtendHoldError};
pub use get_hold::GetHold;
pub use hold_tickets::{HoldTickets, HoldTicketsError, PickedItem};
pub use model::{HeldItem, Hold, HoldStatus};
pub use release_hold::{ReleaseHold, ReleaseHoldError, ReleasedHold};

pub(crate) use expire::free_expired;
pub(crate) use extend_hold::HOLD_ENDED;
pub(crate) use hold_tickets::{New, end_of_hold};
pub(crate) use release_hold::give_back;
pub(crate) use sql::{Held, insert, lock_all, missing, order};
