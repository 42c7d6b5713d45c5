//! Inventory: capacity pools, the limits that ticket types sell against, and the counters that keep them.
//!
//! Owns `capacity_pool` and `ticket_type_pool`. No operations: ticket types size the pools and count them anew, holds and
//! orders take places from them. Changes: `pool.resized`, `pool.stopped`, `pool.resumed`.

pub mod changes;
mod model;
mod sql;

pub use model::Availability;

pub(crate) use changes::{PoolResized, PoolResumed, PoolStopped};
pub(crate) use model::{Moves, Places, Pool, Recount, Sharer, Shortage, Step};
pub(crate) use sql::{
    NewPool, capacity, event_of, insert, join, leave, move_places, move_taken, places_of, pools,
    recount, resize, resume, shared, stop,
};

#[cfg(test)]
mod tests;
