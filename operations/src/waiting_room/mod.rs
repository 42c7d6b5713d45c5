//! The waiting room of an on-sale: whoever buys takes a turn and holds places when it has come.
//!
//! Owns `waiting_room` and `turn`. States of a turn: `waiting` → `now` → `over`. Operations: `set_waiting_room`,
//! `get_waiting_room`, `join_waiting_room`, `check_turn`. Changes: `waiting_room.set`, `waiting_room.joined`,
//! `waiting_room.let_in`.
//!
//! Numbers are drawn by lot among those who came before it opened, and given in the order of coming after that, both under
//! the room's lock; nothing else decides who is next. `letting_in` lets people in whenever one of them asks, so no worker has
//! to run. `using` is what a hold asks before it begins.
//!
//! Locks, in this order: event (for itself by `set_waiting_room`), room, turns. A hold locks begun turns only, which nobody
//! who lets people in writes.

pub mod changes;
mod check_turn;
mod get_waiting_room;
mod join_waiting_room;
mod letting_in;
mod model;
mod set_waiting_room;
mod sql;
mod using;

pub use check_turn::CheckTurn;
pub use get_waiting_room::GetWaitingRoom;
pub use join_waiting_room::{JoinWaitingRoom, JoinWaitingRoomError};
pub use model::{Turn, TurnStatus, WaitingRoom};
pub use set_waiting_room::{SetWaitingRoom, SetWaitingRoomError};
pub use using::TurnError;
pub(crate) use using::{Turns, lock_turns};

#[cfg(test)]
mod tests_of_turns;
