//! What can happen to personal data.

use domain::{Change, EventId, Subject};
use serde::Serialize;

/// The personal data of an event was erased.
#[derive(Debug, Serialize)]
pub struct PersonalDataErased {
    pub(super) event_id: EventId,
    pub(super) title: String,
    pub(super) when: String,
    pub(super) order_count: u64,
    pub(super) ticket_count: u64,
    pub(super) message_count: u64,
    pub(super) comment_count: u64,
    /// Entries of the waiting list.
    pub(super) waitlist_count: u64,
    /// Runs, approvals and remembered answers that were about it.
    pub(super) record_count: u64,
    /// Whether a workflow did it, which a person had enabled for just that.
    pub(super) by_workflow: bool,
}

impl Change for PersonalDataErased {
    const KIND: &'static str = "personal_data.erased";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Erases for good who bought, attended or waited for {:?} ({}): {} orders, {} tickets, {} messages, {} survey comments, {} on the waiting list, {} records",
            self.title,
            self.when,
            self.order_count,
            self.ticket_count,
            self.message_count,
            self.comment_count,
            self.waitlist_count,
            self.record_count,
        )
    }
}
