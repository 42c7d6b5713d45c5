//! Everything EventOS can do, as operations over PostgreSQL. Surfaces call [`App::run`] and nothing else.
//!
//! Subjects, lowest first; a subject uses only those above it in this list, and only what their `mod.rs` exports:
//! [`organizations`], [`tokens`], [`audit`], [`venues`], [`inventory`], [`events`], [`taxes`], [`ticket_types`],
//! [`promo_codes`], [`gift_cards`], [`seats`], [`waiting_room`], [`holds`], [`tickets`], [`orders`], [`check_ins`], [`surveys`], [`messages`],
//! [`waitlist`], [`reports`], [`privacy`], [`lifecycle`],
//! [`approvals`], [`workflows`], [`workflow_runs`], [`change_sets`], [`model_calls`],
//! [`conversations`].
#![warn(missing_docs)]

pub mod app;
pub mod buyers;
pub mod catalog;
pub mod change_kinds;
pub mod codes;
mod faults;
pub mod field_change;
pub mod guard;
pub mod jobs;
pub mod links;
pub mod lookup;
pub mod operation;
pub mod people;
pub mod permission;
pub mod schema;
pub mod signed;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub mod approvals;
pub mod audit;
pub mod change_sets;
pub mod check_ins;
pub mod conversations;
pub mod events;
pub mod gift_cards;
pub mod holds;
pub mod inventory;
pub mod lifecycle;
pub mod messages;
pub mod model_calls;
pub mod orders;
pub mod organizations;
pub mod privacy;
pub mod promo_codes;
pub mod reports;
pub mod seats;
pub mod surveys;
pub mod taxes;
pub mod ticket_types;
pub mod tickets;
mod together;
pub mod tokens;
pub mod venues;
pub mod waiting_room;
pub mod waitlist;
pub mod workflow_runs;
pub mod workflows;

pub use app::{App, Options, Payments, RunError};
pub use catalog::CATALOG;
pub use operation::{Effect, Entry, Operation, Shelf, Toolset};
pub use store::{Seen, Sessions, Store};
