//! Change sets: several writes that belong together, tried, shown, agreed to and kept as one.
//!
//! Owns no table: a change set that waits for a person is an approval of `apply_changes`, with its steps as the input.
//! Operation: `apply_changes`. Change: `change_set.applied`, after those of the steps.

mod apply_changes;
pub mod changes;
mod references;

pub use apply_changes::{
    AppliedChanges, AppliedStep, ApplyChanges, ApplyChangesError, ChangeStep, JOINABLE,
};
