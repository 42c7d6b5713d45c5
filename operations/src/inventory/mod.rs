//! Inventory: capacity pools, the limits that ticket types sell against, and the counters that keep them.
//!
//! Owns `capacity_pool` and `ticket_type_pool`. No operations: ticket types size the pools, orders take places from them.
//! Changes: `pool.resized`.

pub mod changes;
mod model;
mod sql;

pub use model::Availability;

pub(crate) use changes::PoolResized;
pub(crate) use model::{Places, Pool, Sharer, Shortage, Step};
pub(crate) use sql::{
    NewPool, capacity, insert, join, leave, move_places, move_taken, places_of, pools, resize,
    shared,
};

#[cfg(test)]
mod tests;
