//! Privacy: what is kept about people ends some day. Owns no table; erases in those that other subjects own.
//!
//! What stays: counts, money, ids, scores, and the list of suppressed addresses, which keeps a promise to people who
//! have left. The audit trail names nobody by construction. Operations: `list_events_to_erase`, `erase_personal_data`.
//! Changes: `personal_data.erased`.

pub mod changes;
mod erase_personal_data;
mod list_events_to_erase;
mod sql;

pub use erase_personal_data::{ErasePersonalData, ErasePersonalDataError, ErasedPersonalData};
pub use list_events_to_erase::{EventToErase, ListEventsToErase, ListEventsToEraseError};
