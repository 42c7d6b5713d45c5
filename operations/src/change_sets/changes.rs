//! What can happen to a change set.

use domain::{Change, ChangeSetId, Subject};
use serde::Serialize;

/// All steps of a change set were done.
#[derive(Debug, Serialize)]
pub struct ChangeSetApplied {
    pub(super) change_set_id: ChangeSetId,
    pub(super) title: String,
    /// What its steps were, in order.
    pub(super) operations: Vec<&'static str>,
}

impl Change for ChangeSetApplied {
    const KIND: &'static str = "change_set.applied";
    fn subject(&self) -> Subject {
        self.change_set_id.into()
    }
    fn summary(&self) -> String {
        let steps = match self.operations.len() {
            1 => "1 step".to_owned(),
            count => format!("{count} steps"),
        };
        format!("Applies {:?}: {steps}, all or none", self.title)
    }
}
