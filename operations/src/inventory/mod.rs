//! Inventory: capacity pools, the limits that ticket types sell against, and the counters that keep them; and the
//! counters of promo codes.
//!
//! Owns `capacity_pool` and `ticket_type_pool`, and what is counted in `promo_code`. No operations: ticket types size the
//! pools and count them anew, holds and orders take places from them, and uses of codes. Changes: `pool.resized`,
//! `pool.stopped`, `pool.resumed`, `promo_code.recounted`.
//!
//! Locks: the rows of promo codes by id, then those of pools by id.

pub mod changes;
mod model;
mod sql;
mod uses;

pub use model::Availability;

pub(crate) use changes::{PoolResized, PoolResumed, PoolStopped, PromoCodeRecounted};
pub(crate) use model::{Moves, Places, Pool, Recount, SeatsRecount, Sharer, Shortage, Step};
pub(crate) use sql::{
    NewPool, capacity, correct_uses, event_of, insert, is_waited_for, join, keep, leave,
    move_places, move_taken, move_uses, places_of, pools, recount, recount_seats, recount_uses,
    release_uses, resize, resume, shared, stop,
};
pub(crate) use uses::{UseStep, Uses, UsesRecount};

#[cfg(test)]
mod tests;
