//! What can happen to an approval. Nothing here says what was decided about, beyond its title.

use domain::{ApprovalId, Change, Subject};
use serde::Serialize;

use super::decide_approval::Decision;

/// A person was asked.
#[derive(Debug, Serialize)]
pub struct ApprovalRequested {
    pub(super) approval_id: ApprovalId,
    pub(super) title: String,
    pub(super) operation: Option<String>,
    pub(super) reason: String,
}

impl Change for ApprovalRequested {
    const KIND: &'static str = "approval.requested";
    fn subject(&self) -> Subject {
        self.approval_id.into()
    }
    fn summary(&self) -> String {
        format!("Asks a person: {:?}", self.title)
    }
}

/// A person decided.
#[derive(Debug, Serialize)]
pub struct ApprovalDecided {
    pub(super) approval_id: ApprovalId,
    pub(super) title: String,
    pub(super) decision: Decision,
}

impl Change for ApprovalDecided {
    const KIND: &'static str = "approval.decided";
    fn subject(&self) -> Subject {
        self.approval_id.into()
    }
    fn summary(&self) -> String {
        let verb = match self.decision {
            Decision::Approved => "Approves",
            Decision::Rejected => "Rejects",
        };
        format!("{verb} {:?}", self.title)
    }
}

/// Nobody decided in time, or nobody waits for it any more. Nothing is done.
#[derive(Debug, Serialize)]
pub struct ApprovalExpired {
    pub(super) approval_id: ApprovalId,
    pub(super) title: String,
}

impl Change for ApprovalExpired {
    const KIND: &'static str = "approval.expired";
    fn subject(&self) -> Subject {
        self.approval_id.into()
    }
    fn summary(&self) -> String {
        format!("Ends the question {:?}: nobody decided it", self.title)
    }
}
