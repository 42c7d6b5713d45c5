//! The audit trail: who changed what, when, and through which program.
//!
//! Reads `change`, which `store` writes at every commit. Operation: `list_changes`.

mod list_changes;
mod sql;

pub use list_changes::{ChangeRecord, ListChanges, ListChangesError};
