//! Inventory: capacity pools, the limits that ticket types sell against, and the counters that keep them.
//!
//! Owns `capacity_pool`. No operations: ticket types size the pools, orders take places from them.
//! Changes: `pool.resized`.

pub mod changes;
mod model;
mod sql;

pub use model::Availability;

pub(crate) use changes::PoolResized;
pub(crate) use model::{Places, Pool, Shortage, Step};
pub(crate) use sql::{NewPool, insert, move_places, move_taken, remove_unused, resize, shared};

#[cfg(test)]
mod tests;
